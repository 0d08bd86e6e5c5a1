"""Payments and their ledger."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from examples.shop.audit import ledger_faults
from examples.shop.payments.acquirer import refusal
from examples.shop.payments.api import (
    AlreadyCaptured,
    Authorization,
    Charge,
    Declined,
    PaymentCaptured,
    PaymentDiffers,
    PaymentEnded,
    PaymentRefunded,
    Payments,
)
from examples.shop.payments.service import PaymentsService
from examples.shop.payments.tables import EntryRow, PaymentRow
from partita import Forbidden, Invalid, Money, NotFound, Secret, running
from partita.testing import Running

GOOD, DECLINED = Secret("4242424242424242"), Secret("4000000000000002")
BEA = uuid4()


def authorization(order: UUID, *, amount: int = 2999, card: Secret = GOOD) -> Authorization:
    return Authorization(order_id=order, owner=BEA, amount=amount, currency="USD", card_number=card)


async def booked(t: Running[PaymentsService]) -> list[int]:
    async with t.service.db.read() as session:
        return sorted(await session.scalars(select(EntryRow.amount)))


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("4242424242424242", None),
        ("4000000000000002", "the card was declined"),
        ("4242424242424241", "the card number is wrong"),
    ],
)
def test_the_bank_decides_by_the_number(card: str, reason: str | None) -> None:
    """Test cards are declined for their reason, numbers without their check digit are wrong."""
    assert refusal(Secret(card)) == reason


@pytest.mark.parametrize("card", ["", "no digits at all", "４２４２４２４２４２４２４２４２", "4" * 20])
async def test_what_is_no_card_number_is_an_invalid_field(card: str) -> None:
    """It is refused before anything is written down, and the refusal does not repeat it."""
    async with running(PaymentsService) as t:
        with pytest.raises(Invalid) as refused:
            await t.as_service("orders").client(Payments).authorize(authorization(uuid4(), card=Secret(card)))
        assert [(error.path, error.detail) for error in refused.value.errors] == [
            ("body.card_number", "12 to 19 digits")
        ]


async def test_the_documents_charge() -> None:
    """An operator charges an order by its number; the same charge again is the same payment."""
    async with running(PaymentsService) as t:
        payments = t.as_user(uuid4(), "operator").client(Payments)
        charge = Charge(order_id=12345, amount=2999, currency="USD")
        first = await payments.charge(charge)
        assert (first.order_id, first.state, first.amount) == ("12345", "captured", Money(amount=2999, currency="USD"))
        assert await payments.create_charge(charge) == first
        with pytest.raises(PaymentDiffers):
            await payments.charge(Charge(order_id=12345, amount=1, currency="USD"))
        assert await booked(t) == [-2999, 2999]
        with pytest.raises(Forbidden):
            await t.as_user(BEA).client(Payments).charge(charge)


async def test_money_is_set_aside_taken_and_given_back_once() -> None:
    """Each step may be repeated; the ledger sums to zero after each."""
    async with running(PaymentsService) as t:
        payments, order = t.as_service("orders").client(Payments), uuid4()
        assert await payments.authorize(authorization(order)) == await payments.authorize(authorization(order))
        assert await booked(t) == []
        assert await payments.capture(order) == await payments.capture(order)
        assert await booked(t) == [-2999, 2999]
        assert (await payments.refund(order)).state == (await payments.refund(order)).state == "refunded"
        assert await booked(t) == [-2999, -2999, 2999, 2999]
        assert await ledger_faults(t.service.db) == []
        assert len(t.published(PaymentCaptured)) == len(t.published(PaymentRefunded)) == 1


async def test_a_refusal_is_on_record() -> None:
    """A declined card leaves a payment that says why, and the same question gets the same answer."""
    async with running(PaymentsService) as t:
        payments, order = t.as_service("orders").client(Payments), uuid4()
        for _ in range(2):
            with pytest.raises(Declined, match="the card was declined"):
                await payments.authorize(authorization(order, card=DECLINED))
        async with t.service.db.read() as session:
            row = (await session.scalars(select(PaymentRow))).one()
        assert (row.state, row.reason, row.card) == ("declined", "the card was declined", "0002")
        with pytest.raises(PaymentEnded):
            await payments.capture(order)


async def test_a_voided_order_cannot_be_paid() -> None:
    """A void is remembered, also one that comes before the authorization; captured money is refunded instead."""
    async with running(PaymentsService) as t:
        payments, early, late, paid = t.as_service("orders").client(Payments), uuid4(), uuid4(), uuid4()
        await payments.void(early)
        with pytest.raises(PaymentEnded):
            await payments.authorize(authorization(early))
        await payments.authorize(authorization(late))
        await payments.void(late)
        with pytest.raises(PaymentEnded):
            await payments.capture(late)
        await payments.authorize(authorization(paid))
        await payments.capture(paid)
        with pytest.raises(AlreadyCaptured):
            await payments.void(paid)
        assert await booked(t) == [-2999, 2999]


async def test_a_payment_is_its_owners() -> None:
    """The owner and an admin see it, without the card's number; others hear that there is none."""
    async with running(PaymentsService) as t:
        made = await t.as_service("orders").client(Payments).authorize(authorization(uuid4()))
        seen = await t.as_user(BEA).client(Payments).payment(made.id)
        assert seen.card == "**** 4242"
        assert await t.as_user(uuid4(), "admin").client(Payments).payment(made.id) == seen
        with pytest.raises(NotFound):
            await t.as_user(uuid4(), "operator").client(Payments).payment(made.id)


async def test_no_card_number_is_kept() -> None:
    """Nothing in the database or in what is printed holds the number."""
    async with running(PaymentsService) as t:
        asked = authorization(uuid4())
        await t.as_service("orders").client(Payments).authorize(asked)
        async with t.service.db.read() as session:
            row = (await session.execute(select(*PaymentRow.__table__.columns))).one()
        assert GOOD.reveal() not in repr(asked)
        assert GOOD.reveal() not in repr(row)
