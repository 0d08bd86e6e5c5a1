"""What orders promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from examples.shop.cart.api import NotSold
from examples.shop.inventory.api import OutOfStock
from examples.shop.payments.api import Declined
from examples.shop.vocabulary import Address, CardNumber, Cursor, PageSize
from partita import INTERNAL, USER, Contract, Event, Message, Money, NotFound, Page, Problem, get, post, role

__all__ = [
    "EmptyCart",
    "NewOrder",
    "Order",
    "OrderCancelled",
    "OrderConfirmed",
    "OrderFailed",
    "OrderLine",
    "OrderPlaced",
    "OrderState",
    "Orders",
    "TooLate",
]

State = Literal["pending", "confirmed", "failed", "cancelling", "cancelled"]


class EmptyCart(Problem, status=409):
    """There is nothing in the cart."""


class TooLate(Problem, status=409):
    """The order cannot be cancelled any more."""

    state: str


class NewOrder(Message):
    """An order for what is in the caller's cart."""

    address: Address
    card_number: CardNumber


class OrderLine(Message):
    """A product as it was called and priced when it was ordered."""

    sku: str
    name: str
    price: Money
    quantity: int


class Order(Message):
    """An order. ``reason`` says why it failed."""

    id: UUID
    state: State
    lines: tuple[OrderLine, ...]
    total: Money
    address: Address
    placed_at: datetime
    reason: str = ""


class OrderState(Message):
    """A state that an order has reached."""

    state: State
    at: datetime
    reason: str = ""


class OrderPlaced(Event, name="orders.placed", key="id"):
    """Somebody has ordered; nothing is paid yet."""

    id: UUID
    owner: UUID
    total: Money


class OrderConfirmed(Event, name="orders.confirmed", key="id"):
    """An order is paid and its pieces are sold."""

    id: UUID
    owner: UUID
    total: Money
    lines: tuple[OrderLine, ...]


class OrderFailed(Event, name="orders.failed", key="id"):
    """An order came to nothing, and nothing was paid."""

    id: UUID
    owner: UUID
    reason: str


class OrderCancelled(Event, name="orders.cancelled", key="id"):
    """An order was taken back, and the money with it."""

    id: UUID
    owner: UUID


class Orders(Contract, Protocol, name="orders", publishes=[OrderPlaced, OrderConfirmed, OrderFailed, OrderCancelled]):
    """Takes orders and sees them through. Everybody sees their own; an admin or operator, everybody's."""

    @post("/orders", access=USER, status=202, timeout=5, raises=[EmptyCart, NotSold, OutOfStock, Declined])
    async def place(self, order: NewOrder) -> Order:
        """Order what is in the cart and pay for it.

        An order that is still ``pending`` in the answer is settled later; see ``events``. The same ``Idempotency-Key``
        gives the same order.
        """
        ...

    @get("/orders", access=USER)
    async def orders(self, after: Cursor | None = None, limit: PageSize = 20) -> Page[Order]:
        """The caller's orders, the newest first."""
        ...

    @get("/orders/{id}", access=USER, raises=[NotFound])
    async def order(self, id: UUID) -> Order:
        """One order."""
        ...

    @get("/orders/{id}/events", access=USER, raises=[NotFound])
    def events(self, id: UUID) -> AsyncIterator[OrderState]:
        """Each state of an order as it is reached, from the first on; ends with the last."""
        ...

    @post("/orders/{id}/cancel", access=USER, timeout=5, raises=[NotFound, TooLate])
    async def cancel(self, id: UUID) -> Order:
        """Take an order back; what was paid is refunded.

        An order that is ``cancelling`` in the answer is settled later.
        """
        ...

    @post("/orders/{id}/resume", access=INTERNAL | role("operator"), timeout=5, raises=[NotFound])
    async def resume(self, id: UUID) -> Order:
        """Settle an order whose checkout was cut short."""
        ...
