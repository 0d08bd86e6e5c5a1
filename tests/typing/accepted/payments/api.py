"""A contract with a problem and an event."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from partita import Contract, Event, Message, Problem, post


class Declined(Problem, status=402, commits=True):
    """The bank said no."""

    reason: str


class Charge(Message):
    order: UUID
    amount: int


class Receipt(Message):
    id: UUID


class Refunded(Event, name="payments.refunded", key="order"):
    order: UUID


class Payments(Contract, Protocol, name="payments", publishes=[Refunded]):
    """Charges and refunds."""

    @post("/payments/charge", raises=[Declined])
    async def charge(self, charge: Charge) -> Receipt:
        """Charge once."""
        ...

    @post("/payments/{id}/refund")
    async def refund(self, id: UUID) -> Receipt: ...
