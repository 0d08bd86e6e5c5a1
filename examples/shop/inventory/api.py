"""What inventory promises."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from msgspec import Meta

from examples.shop.vocabulary import END, Quantity, Sku
from partita import PUBLIC, Contract, Event, Message, NotFound, Problem, get, post, role

__all__ = [
    "Delivery",
    "Inventory",
    "NewReservation",
    "OutOfStock",
    "Reservation",
    "ReservationEnded",
    "Reserve",
    "Stock",
    "StockChanged",
    "StockLow",
]


class OutOfStock(Problem, status=409):
    """There are not enough pieces."""

    sku: str
    available: int


class ReservationEnded(Problem, status=409):
    """The reservation was released or has expired."""


class Stock(Message):
    """How many pieces of a product can be bought now."""

    sku: str
    available: int


class Reserve(Message):
    """So many of one product."""

    sku: Sku
    quantity: Quantity


class NewReservation(Message):
    """What to keep for an order."""

    order_id: UUID
    lines: Annotated[tuple[Reserve, ...], Meta(min_length=1, max_length=50)]


class Reservation(Message):
    """Pieces kept for an order; a held one is given back at ``expires_at``."""

    order_id: UUID
    state: Literal["held", "confirmed", "released"]
    expires_at: datetime


class Delivery(Message):
    """Pieces that arrived. The same ``reference`` counts once."""

    reference: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9-]{0,63}" + END)]
    quantity: Annotated[int, Meta(ge=1, le=100_000)]


class StockChanged(Event, name="inventory.stock-changed", key="sku"):
    """The number of pieces that can be bought has changed."""

    sku: str
    available: int


class StockLow(Event, name="inventory.stock-low", key="sku"):
    """Few pieces are left."""

    sku: str
    available: int


class Inventory(Contract, Protocol, name="inventory", publishes=[StockChanged, StockLow]):
    """Stock, and reservations for orders. Never sells more than there is."""

    @get("/inventory/item/{sku}", access=PUBLIC, raises=[NotFound])
    async def item(self, sku: Sku) -> Stock:
        """How many pieces of a product are left."""
        ...

    @post("/inventory/item/{sku}/deliveries", access=role("admin"))
    async def restock(self, sku: Sku, delivery: Delivery) -> Stock:
        """Add pieces that arrived."""
        ...

    @post("/reservations", raises=[OutOfStock, ReservationEnded], timeout=3)
    async def reserve(self, reservation: NewReservation) -> Reservation:
        """Keep pieces for an order. Repeated for the same order, it changes nothing."""
        ...

    @post("/reservations/{order_id}/confirm", raises=[ReservationEnded], timeout=3)
    async def confirm(self, order_id: UUID) -> Reservation:
        """The pieces are sold. Repeated, it changes nothing."""
        ...

    @post("/reservations/{order_id}/release", timeout=3)
    async def release(self, order_id: UUID) -> None:
        """Give pieces back, sold ones too. From now on the order cannot reserve again, even if nothing was reserved."""
        ...
