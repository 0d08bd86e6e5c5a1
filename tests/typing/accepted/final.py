"""The whole surface in one module: contracts, a service, and its test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita import (
    USER,
    Call,
    Contract,
    Database,
    Event,
    Ids,
    Message,
    Problem,
    Service,
    Steps,
    get,
    post,
    running,
    saga,
)


# api.py
class Declined(Problem, status=402, commits=True):
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
    def watch(self, id: UUID) -> AsyncIterator[Order]: ...


# tables.py
class Base(DeclarativeBase): ...


class OrderRow(Base):
    __tablename__ = "orders"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[UUID]
    state: Mapped[str]


# service.py
class OrdersService(Orders, Service):
    db: Database
    ids: Ids
    call: Call
    payments: Payments

    async def place(self, order: NewOrder) -> Order:
        row = OrderRow(id=self.ids.uuid(), owner=self.call.user.id, state="placed")
        self.db.session.add(row)
        await self.db.publish(Placed(id=row.id))
        await self.checkout.start(row.id, order.total)
        return Order(id=row.id, state=row.state)

    async def watch(self, id: UUID) -> AsyncIterator[Order]:
        yield Order(id=id, state="placed")

    @saga
    async def checkout(self, steps: Steps, id: UUID, total: int) -> None:
        await steps.run(self.payments.charge, Charge(order=id, amount=total)).undo(
            lambda receipt: self.payments.refund(receipt.id)
        )
        await steps.run(self.mark, id, "paid")

    async def mark(self, id: UUID, state: str) -> None:
        (await self.db.session.get_one(OrderRow, id)).state = state


# the test
class FakePayments(Payments):
    async def charge(self, charge: Charge) -> Receipt:
        return Receipt(id=charge.order)

    async def refund(self, id: UUID) -> Receipt:
        return Receipt(id=id)


async def an_order_is_placed() -> None:
    async with running(OrdersService, db=Database(), ids=Ids(), call=Call(), payments=FakePayments()) as t:
        assert (await t.as_user(UUID(int=5)).client(Orders).place(NewOrder(total=5))).state == "placed"
