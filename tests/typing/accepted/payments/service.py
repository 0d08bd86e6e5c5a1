"""An implementation, and a fake for the tests of others."""

from __future__ import annotations

from uuid import UUID

from partita import Database, Ids, Service
from tests.typing.accepted.payments.api import Charge, Declined, Payments, Receipt, Refunded


class PaymentsService(Payments, Service):
    db: Database
    ids: Ids

    async def charge(self, charge: Charge) -> Receipt:
        if charge.amount > 100:
            raise Declined(reason="over the limit")
        return Receipt(id=self.ids.uuid())

    async def refund(self, id: UUID) -> Receipt:
        await self.db.publish(Refunded(order=id))
        return Receipt(id=id)


class FakePayments(Payments):
    async def charge(self, charge: Charge) -> Receipt:
        return Receipt(id=charge.order)

    async def refund(self, id: UUID) -> Receipt:
        return Receipt(id=id)
