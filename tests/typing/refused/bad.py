"""Twelve mistakes that both type checkers find, each on a line marked so."""

from __future__ import annotations

from uuid import UUID

from partita import *  # noqa: F403 - a star import gives checkers the names too
from partita import Service, Steps, on, saga
from tests.typing.accepted.orders.api import OrderPlaced
from tests.typing.accepted.payments.api import Charge, Payments, Receipt, Refunded


class Half(Payments, Service):
    async def charge(self, charge: Charge) -> Receipt:
        return Receipt(id=charge.order)


Half()  # refused: refund is missing


class Bad(Payments, Service):
    async def charge(self, charge: int) -> Receipt:  # refused: the argument is another
        return Receipt(id=UUID(int=charge))

    async def refund(self, id: UUID) -> str:  # refused: the result is another
        return ""


class X(Service):
    payments: Payments

    async def m(self, steps: Steps, r: Receipt) -> None:
        await self.payments.charge("x")  # refused: a str is no Charge
        await steps.run(self.payments.charge, 3)  # refused: an int is no Charge
        await steps.run(self.payments.charge, Charge(order=r.id, amount=1)).undo(self.payments.refund)  # refused: UUID
        r.id = UUID(int=1)  # refused: messages are frozen
        Charge(r.id, 1)  # refused: messages take keywords only

    @on(Refunded)  # refused: the method takes another event
    async def h(self, e: OrderPlaced) -> None: ...

    @saga  # refused: the steps come first
    async def s(self, order: UUID, steps: Steps) -> None: ...

    @saga
    async def right(self, steps: Steps, order: UUID) -> None: ...

    async def z(self) -> None:
        await self.right.start("no")  # refused: a str is no UUID


X()  # refused: payments is missing
