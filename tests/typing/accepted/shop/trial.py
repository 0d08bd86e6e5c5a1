"""A test of the service as a team writes it."""

from __future__ import annotations

from uuid import UUID

from partita import Call, Database, Ids
from partita.testing import running
from tests.typing.accepted.shop.api import Charge, NewOrder, Orders, Payments, Receipt
from tests.typing.accepted.shop.service import OrdersService


class FakePayments(Payments):
    async def charge(self, charge: Charge) -> Receipt:
        return Receipt(id=charge.order)

    async def refund(self, id: UUID) -> Receipt:
        return Receipt(id=id)


async def an_order_is_placed() -> None:
    async with running(OrdersService, db=Database(), ids=Ids(), call=Call(), payments=FakePayments()) as t:
        assert (await t.as_user(UUID(int=5)).client(Orders).place(NewOrder(total=5))).state == "placed"
