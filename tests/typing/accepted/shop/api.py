"""Two contracts in one module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

from partita import USER, Contract, Event, Message, Problem, get, post


class Declined(Problem, status=402):
    """The bank refused the card."""

    reason: str


class Charge(Message):
    order: UUID
    amount: int


class Receipt(Message):
    id: UUID


class Payments(Contract, Protocol, name="payments"):
    @post("/payments/charge", raises=[Declined])  # access=INTERNAL is the default
    async def charge(self, charge: Charge) -> Receipt: ...

    @post("/payments/{id}/refund")
    async def refund(self, id: UUID) -> Receipt: ...


class NewOrder(Message):
    total: int


class Order(Message):
    id: UUID
    state: str


class Placed(Event, name="orders.placed", key="id"):
    id: UUID


class Orders(Contract, Protocol, name="orders", publishes=[Placed]):
    @post("/orders", access=USER, status=202)
    async def place(self, order: NewOrder) -> Order: ...

    @get("/orders/{id}/events", access=USER)
    def watch(self, id: UUID) -> AsyncIterator[Order]: ...  # def, not async def
