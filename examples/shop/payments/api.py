"""What payments promises."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from msgspec import Meta

from examples.shop.vocabulary import END, CardNumber, PositiveInt
from partita import INTERNAL, USER, Contract, Event, Message, Money, NotFound, Problem, get, post, role

__all__ = [
    "AlreadyCaptured",
    "Authorization",
    "Charge",
    "Declined",
    "Payment",
    "PaymentCaptured",
    "PaymentDiffers",
    "PaymentEnded",
    "PaymentRefunded",
    "Payments",
]

Amount = Annotated[int, Meta(ge=1, le=10**12)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}" + END)]


class Declined(Problem, status=402, commits=True):
    """The card was declined."""

    reason: str


class PaymentDiffers(Problem, status=409):
    """This order has a payment with another amount."""


class PaymentEnded(Problem, status=409):
    """There is no payment for this order that could go on: it was voided, refunded or declined, or never made."""


class AlreadyCaptured(Problem, status=409):
    """The payment is captured; refund it."""


class Charge(Message):
    """Money to take at once for an order, as an operator or another system names it."""

    order_id: PositiveInt | UUID
    amount: Amount
    currency: Currency


class Authorization(Message):
    """Money to set aside on a customer's card."""

    order_id: UUID
    owner: UUID
    amount: Amount
    currency: Currency
    card_number: CardNumber


class Payment(Message):
    """A payment for one order."""

    id: UUID
    order_id: str
    state: Literal["authorized", "captured", "voided", "refunded", "declined"]
    amount: Money
    card: str
    created_at: datetime


class PaymentCaptured(Event, name="payments.captured", key="order_id"):
    """The money is ours."""

    id: UUID
    order_id: str
    amount: Money


class PaymentRefunded(Event, name="payments.refunded", key="order_id"):
    """The money was given back."""

    id: UUID
    order_id: str
    amount: Money


class Payments(Contract, Protocol, name="payments", publishes=[PaymentCaptured, PaymentRefunded]):
    """Payments, one for each order, and their ledger. Every operation may be repeated: it takes the money once."""

    @post("/payments/charge", access=INTERNAL | role("operator"), raises=[PaymentDiffers, PaymentEnded], timeout=3)
    async def charge(self, charge: Charge) -> Payment:
        """Take money for an order at once."""
        ...

    @post("/charges", access=INTERNAL | role("operator"), raises=[PaymentDiffers, PaymentEnded], timeout=3)
    async def create_charge(self, charge: Charge) -> Payment:
        """The same by its other path."""
        ...

    @post("/payments/authorize", raises=[Declined, PaymentDiffers, PaymentEnded], timeout=3)
    async def authorize(self, authorization: Authorization) -> Payment:
        """Set money aside on a card."""
        ...

    @post("/payments/orders/{order_id}/capture", raises=[PaymentEnded], timeout=3)
    async def capture(self, order_id: UUID) -> Payment:
        """Take the money that was set aside."""
        ...

    @post("/payments/orders/{order_id}/void", raises=[AlreadyCaptured], timeout=3)
    async def void(self, order_id: UUID) -> None:
        """Let the money go. From now on the order cannot be paid, even if nothing was set aside."""
        ...

    @post("/payments/orders/{order_id}/refund", raises=[PaymentEnded], timeout=3)
    async def refund(self, order_id: UUID) -> Payment:
        """Give captured money back."""
        ...

    @get("/payments/{id}", access=USER, raises=[NotFound])
    async def payment(self, id: UUID) -> Payment:
        """A payment, for its owner or an admin."""
        ...
