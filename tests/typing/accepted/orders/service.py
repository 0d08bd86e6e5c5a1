"""A service with every kind of field, a saga, a subscription and a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import assert_type
from uuid import UUID

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita import Blocking, Call, Clock, Database, Ids, Service, Settings, Steps, every, on, saga
from tests.typing.accepted.orders.api import NewOrder, Order, OrderPlaced, Orders
from tests.typing.accepted.payments.api import Charge, Payments, Receipt, Refunded


class Base(DeclarativeBase): ...


class OrderRow(Base):
    __tablename__ = "orders"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[UUID]
    state: Mapped[str] = mapped_column(default="placed")


class OrderSettings(Settings):
    limit: int = 100


def crunch(count: int) -> bytes:
    return bytes(count)


class OrdersService(Orders, Service):
    db: Database
    ids: Ids
    clock: Clock
    call: Call
    blocking: Blocking
    payments: Payments
    settings: OrderSettings

    async def place(self, order: NewOrder) -> Order:
        row = OrderRow(id=self.ids.uuid(), owner=self.call.user.id)
        self.db.session.add(row)
        await self.db.publish(OrderPlaced(id=row.id))
        if order.total > self.settings.limit:
            assert_type(await self.checkout.start(row.id, order.total), UUID)
        return Order(id=row.id, total=order.total)

    async def watch(self, id: UUID) -> AsyncIterator[Order]:
        yield Order(id=id, total=1)

    @saga
    async def checkout(self, steps: Steps, id: UUID, total: int) -> None:
        receipt = await steps.run(self.payments.charge, Charge(order=id, amount=total)).undo(
            lambda paid: self.payments.refund(paid.id)
        )
        assert_type(receipt, Receipt)
        await steps.run(self.mark, id, "paid")
        await steps.sleep(timedelta(hours=1))
        refunded = await steps.wait_for(Refunded, key=id, timeout=timedelta(days=1))
        assert_type(refunded, Refunded)

    async def mark(self, id: UUID, state: str) -> None:
        row = await self.db.session.get_one(OrderRow, id)
        row.state = state

    @on(Refunded)
    async def refunded(self, event: Refunded) -> None:
        await self.mark(event.order, "refunded")
        assert_type(await self.blocking.run(crunch, 3), bytes)

    @every(hours=1)
    async def forget(self) -> None: ...
