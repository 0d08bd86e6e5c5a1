"""A contract with a call, a stream and an event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

from partita import USER, Contract, Event, Message, get, post


class NewOrder(Message):
    total: int


class Order(Message):
    id: UUID
    total: int
    state: str = "placed"


class OrderPlaced(Event, name="orders.placed", key="id"):
    id: UUID


class Orders(Contract, Protocol, name="orders", publishes=[OrderPlaced]):
    """Orders."""

    @post("/orders", access=USER, status=202)
    async def place(self, order: NewOrder) -> Order:
        """Place an order."""
        ...

    @get("/orders/{id}/events", access=USER)
    def watch(self, id: UUID) -> AsyncIterator[Order]:
        """Each state, as it happens."""
        ...
