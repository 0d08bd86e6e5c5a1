"""What cart promises."""

from __future__ import annotations

from typing import Annotated, Protocol
from uuid import UUID

from msgspec import Meta

from examples.shop.vocabulary import Quantity, Sku
from partita import PUBLIC, USER, Contract, Cookie, Header, Message, Money, Problem, Secret, delete, get, post, put

__all__ = [
    "GUEST_COOKIE",
    "GUEST_HEADER",
    "LINES_MAX",
    "Cart",
    "CartFull",
    "Carts",
    "Line",
    "NotSold",
    "Ordered",
    "Wanted",
]

LINES_MAX = 50
GUEST_COOKIE = "shop-guest"
GUEST_HEADER = "Shop-Guest"

GuestCookie = Annotated[Secret | None, Cookie(GUEST_COOKIE)]
GuestHeader = Annotated[Secret | None, Header(GUEST_HEADER)]


class CartFull(Problem, status=409):
    """The cart holds as many different products as it can."""

    lines_max: int


class NotSold(Problem, status=409):
    """This product cannot be bought."""

    sku: str


class Wanted(Message):
    """How many."""

    quantity: Quantity


class Line(Message):
    """One product in a cart, at today's price. ``price`` is missing when it cannot be bought any more."""

    sku: str
    quantity: int
    name: str
    price: Money | None


class Cart(Message):
    """A cart, with what it would cost now."""

    lines: tuple[Line, ...]
    total: Money


class Ordered(Message):
    """Products that were ordered and leave the cart."""

    skus: Annotated[tuple[Sku, ...], Meta(max_length=LINES_MAX)]


class Carts(Contract, Protocol, name="cart"):
    """Carts of users and guests.

    A guest's cart is found by a token that the first line brings: as the cookie ``shop-guest`` for browsers, and in
    the header ``Shop-Guest`` for programs.
    """

    @get("/cart", access=PUBLIC)
    async def show(self, cookie: GuestCookie = None, guest: GuestHeader = None) -> Cart:
        """The caller's cart, priced by the catalog."""
        ...

    @put("/cart/lines/{sku}", access=PUBLIC, raises=[CartFull, NotSold])
    async def put_line(self, sku: Sku, wanted: Wanted, cookie: GuestCookie = None, guest: GuestHeader = None) -> Line:
        """Have exactly this many of a product in the cart."""
        ...

    @delete("/cart/lines/{sku}", access=PUBLIC)
    async def remove_line(self, sku: Sku, cookie: GuestCookie = None, guest: GuestHeader = None) -> None:
        """Take a product out of the cart."""
        ...

    @delete("/cart", access=PUBLIC)
    async def empty(self, cookie: GuestCookie = None, guest: GuestHeader = None) -> None:
        """Take everything out of the cart."""
        ...

    @post("/cart/merge", access=USER)
    async def merge(self, cookie: GuestCookie = None, guest: GuestHeader = None) -> None:
        """Move the guest's cart into that of the user, after a login.

        Where both have a product, the larger quantity counts. What does not fit into the cart is left out.
        """
        ...

    @post("/carts/{user}/ordered")
    async def remove_ordered(self, user: UUID, ordered: Ordered) -> None:
        """Take what was ordered out of a user's cart."""
        ...
