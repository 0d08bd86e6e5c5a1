"""Mistakes beyond the twelve: in contracts, in calls, in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

from partita import Contract, Header, Money, Problem, Service, System, connect, every, get, pages, post, role
from partita.testing import running
from tests.typing.accepted.extra import Files
from tests.typing.accepted.orders.api import NewOrder, Order, OrderPlaced, Orders
from tests.typing.accepted.orders.service import OrdersService
from tests.typing.accepted.payments.api import Charge, Declined, Payments, Receipt


class Wrong(Contract, Protocol, name="wrong"):
    @get("/a", access="USER")  # refused: access is a value
    async def a(self) -> None: ...

    @post("/b", raises=[ValueError])  # refused: that is no Problem
    async def b(self) -> None: ...

    @get("/c", idempotency="never")  # refused: no such word
    async def c(self) -> None: ...

    @get("/d", access=role("x") | 3)  # refused: no access either
    async def d(self) -> None: ...


class Once(Orders, Service):
    async def place(self, order: NewOrder) -> Order:
        raise Declined("no")  # refused: problems take keywords only

    async def watch(self, id: UUID) -> Order:  # refused: a stream gives many
        return Order(id=id, total=1)


class Renamed(Payments, Service):
    async def charge(self, card: Charge) -> Receipt:  # refused[pyright]: callers pass it by name; System refuses it
        return Receipt(id=card.order)

    async def refund(self, id: UUID) -> Receipt:
        return Receipt(id=id)


class NoFake:
    async def charge(self, charge: Charge) -> Receipt:
        return Receipt(id=charge.order)


class Failed(Problem, status=409):
    """It failed."""

    left: int


async def calls(orders: Orders, files: Files, stream: AsyncIterator[Order]) -> None:
    Failed(left="none")  # refused: not an int
    Failed()  # refused: left is missing
    NewOrder(total="5")  # refused: not an int
    NewOrder(total=5, note="")  # refused: no such field
    _ = Money(amount=1, currency="EUR") + 1  # refused: of which currency
    _ = orders.pay()  # refused: no such operation
    _ = (await orders.place(NewOrder(total=1))).paid  # refused: no such field
    await orders.watch(UUID(int=1))  # refused: a stream is not awaited
    pages(files.download)  # refused: not a page
    Header()  # refused: which one
    System("shop", services=[Payments])  # refused: a contract is no service
    System("shop", services=[OrdersService()])  # refused: classes, and fields are missing
    async with connect(Orders, "http://x") as client:
        client.place(3)  # refused: an int is no NewOrder


@every(days=1)  # refused: hours, minutes, seconds
async def daily() -> None: ...


async def tests() -> None:
    running(OrdersService, payments=NoFake())  # refused: refund is missing
    running(OrdersService, payments=3)  # refused: no service
    running(NewOrder, payments=NoFake())  # refused: no service, and no field
    async with running(OrdersService) as t:
        t.published(Order)  # refused: no event
        await t.deliver(NewOrder(total=1))  # refused: no event
        t.as_user("ada")  # refused: a user has a UUID
        _ = t.published(OrderPlaced)[0].total  # refused: no such field
