"""Payments and their ledger."""

from __future__ import annotations

from typing import Literal, cast
from uuid import UUID

from sqlalchemy import select

from examples.shop.payments.acquirer import refusal
from examples.shop.payments.api import (
    AlreadyCaptured,
    Authorization,
    Charge,
    Declined,
    Payment,
    PaymentCaptured,
    PaymentDiffers,
    PaymentEnded,
    PaymentRefunded,
    Payments,
)
from examples.shop.payments.tables import EntryRow, PaymentRow
from examples.shop.vocabulary import CURRENCY, check_card_number
from partita import Call, Clock, Database, Ids, Money, NotFound, Service

__all__ = ["PaymentsService"]

CUSTOMERS = "customers"
SALES = "sales"


class PaymentsService(Payments, Service):
    """Takes money, once for each order."""

    db: Database
    ids: Ids
    clock: Clock
    call: Call

    async def charge(self, charge: Charge) -> Payment:
        row = await self._find(charge.order_id)
        if row is None:
            row = self._add(str(charge.order_id), "authorized", charge.amount, charge.currency)
            await self._capture(row)
        elif row.state != "captured":
            raise PaymentEnded
        elif (row.amount, row.currency) != (charge.amount, charge.currency):
            raise PaymentDiffers
        return payment_of(row)

    async def create_charge(self, charge: Charge) -> Payment:
        return await self.charge(charge)

    async def authorize(self, authorization: Authorization) -> Payment:
        wanted = authorization
        check_card_number(wanted.card_number)
        row = await self._find(wanted.order_id)
        if row is None:
            reason = refusal(wanted.card_number) or ""
            state = "declined" if reason else "authorized"
            row = self._add(str(wanted.order_id), state, wanted.amount, wanted.currency)
            row.owner, row.reason, row.card = wanted.owner, reason, wanted.card_number.reveal()[-4:]
        elif row.state in ("voided", "refunded"):
            raise PaymentEnded
        elif (row.amount, row.currency) != (wanted.amount, wanted.currency):
            raise PaymentDiffers
        if row.state == "declined":
            raise Declined(reason=row.reason)  # it commits, so the refusal is on record
        return payment_of(row)

    async def capture(self, order_id: UUID) -> Payment:
        row = await self._find(order_id)
        if row is None or row.state not in ("authorized", "captured"):
            raise PaymentEnded
        if row.state == "authorized":
            await self._capture(row)
        return payment_of(row)

    async def void(self, order_id: UUID) -> None:
        row = await self._find(order_id)
        if row is None:
            # Remembered, so that an authorization which arrives late finds that its order has ended.
            self._add(str(order_id), "voided", 0, CURRENCY)
        elif row.state == "captured":
            raise AlreadyCaptured
        elif row.state == "authorized":
            row.state = "voided"

    async def refund(self, order_id: UUID) -> Payment:
        row = await self._find(order_id)
        if row is None or row.state not in ("captured", "refunded"):
            raise PaymentEnded
        if row.state == "captured":
            row.state = "refunded"
            self._book(row, debit=SALES, credit=CUSTOMERS)
            await self.db.publish(PaymentRefunded(id=row.id, order_id=row.order_id, amount=amount_of(row)))
        return payment_of(row)

    async def payment(self, id: UUID) -> Payment:
        async with self.db.read() as session:
            row = await session.get(PaymentRow, id)
        user = self.call.user
        if row is None or (row.owner != user.id and "admin" not in user.roles):
            raise NotFound(what="payment")
        return payment_of(row)

    async def _find(self, order_id: int | UUID) -> PaymentRow | None:
        return await self.db.session.scalar(select(PaymentRow).where(PaymentRow.order_id == str(order_id)))

    def _add(self, order_id: str, state: str, amount: int, currency: str) -> PaymentRow:
        row = PaymentRow(
            id=self.ids.uuid(),
            order_id=order_id,
            owner=None,
            state=state,
            amount=amount,
            currency=currency,
            card="",
            reason="",
            created_at=self.clock.now(),
        )
        self.db.session.add(row)
        return row

    async def _capture(self, row: PaymentRow) -> None:
        row.state = "captured"
        await self.db.session.flush()  # the payment comes before its entries
        self._book(row, debit=CUSTOMERS, credit=SALES)
        await self.db.publish(PaymentCaptured(id=row.id, order_id=row.order_id, amount=amount_of(row)))

    def _book(self, row: PaymentRow, *, debit: str, credit: str) -> None:
        """Both sides of a booking: what one account is given, another gives."""
        for account, amount in ((debit, row.amount), (credit, -row.amount)):
            self.db.session.add(
                EntryRow(
                    id=self.ids.uuid(),
                    payment_id=row.id,
                    account=account,
                    amount=amount,
                    currency=row.currency,
                    booked_at=self.clock.now(),
                )
            )


def amount_of(row: PaymentRow) -> Money:
    """What is paid."""
    return Money(amount=row.amount, currency=row.currency)


def payment_of(row: PaymentRow) -> Payment:
    """A row as callers see it."""
    return Payment(
        id=row.id,
        order_id=row.order_id,
        state=cast(Literal["authorized", "captured", "voided", "refunded", "declined"], row.state),
        amount=amount_of(row),
        card=f"**** {row.card}" if row.card else "",
        created_at=row.created_at,
    )
