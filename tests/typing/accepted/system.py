"""A system, a client from outside, and a service under test with every field given."""

from __future__ import annotations

from typing import assert_type
from uuid import UUID

from partita import Blocking, Call, Clock, Database, Ids, System, connect
from partita.testing import running
from tests.typing.accepted.orders.api import NewOrder, Order, OrderPlaced, Orders
from tests.typing.accepted.orders.service import OrderSettings, OrdersService
from tests.typing.accepted.payments.api import Refunded
from tests.typing.accepted.payments.service import FakePayments, PaymentsService

BUYER = UUID(int=5)

system = System("shop", services=[OrdersService, PaymentsService])


async def from_outside(url: str) -> Order:
    async with connect(Orders, url) as orders:
        order = await orders.place(NewOrder(total=1))
        return assert_type(order, Order)


async def with_every_field() -> list[str]:
    async with running(
        OrdersService,
        db=Database(),
        ids=Ids(),
        clock=Clock(),
        call=Call(),
        blocking=Blocking(),
        payments=FakePayments(),
        settings=OrderSettings(),
    ) as t:
        client = t.as_user(BUYER).client(Orders)
        return [assert_type(each, Order).state async for each in client.watch(BUYER)]


async def with_its_fakes() -> tuple[OrderPlaced, ...]:
    async with running(OrdersService, payments=FakePayments()) as t:
        order = assert_type(await t.as_user(BUYER).client(Orders).place(NewOrder(total=5)), Order)
        await t.deliver(Refunded(order=order.id))
        assert_type(t.service, OrdersService)
        published = assert_type(t.published(OrderPlaced), tuple[OrderPlaced, ...])
        assert published == (OrderPlaced(id=order.id),)
        return published
