"""A service that reacts to its own event and starts a saga."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from partita import Call, Database, Ids, Service, Steps, on, saga
from tests.typing.accepted.orders.service import OrderRow
from tests.typing.accepted.shop.api import Charge, NewOrder, Order, Orders, Payments, Placed


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

    @on(Placed)
    async def placed(self, event: Placed) -> None: ...
