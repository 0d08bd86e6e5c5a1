"""The shop as a system: which services make it, and who vouches for its users."""

from __future__ import annotations

from examples.shop.auth.service import AuthService
from examples.shop.cart.service import CartService
from examples.shop.catalog.service import CatalogService
from examples.shop.inventory.service import InventoryService
from examples.shop.orders.service import OrdersService
from examples.shop.payments.service import PaymentsService
from examples.shop.users.service import UsersService
from partita import System, UserIdentity

__all__ = ["system"]

system = System(
    "shop",
    services=[
        AuthService,
        UsersService,
        CatalogService,
        CartService,
        InventoryService,
        PaymentsService,
        OrdersService,
    ],
    roles=("admin", "operator"),
    users=UserIdentity(service="auth"),
)
