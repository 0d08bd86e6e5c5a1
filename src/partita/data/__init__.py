"""Floor 3: a service's own data: the unit of work, its sessions, the outbox, migrations.

::

    class OrdersService(Orders, Service):
        db: Database

        async def place(self, order: NewOrder) -> Placed:
            placed = Placed(id=self.ids.uuid())
            self.db.session.add(OrderRow(id=placed.id))   # the transaction opens at the first statement
            await self.db.publish(placed)                 # in the same transaction
            return placed                                 # encoded, then COMMIT, then sent
"""

from partita.data.database import Database
from partita.data.reruns import Reruns
from partita.data.types import UtcDateTime
from partita.data.units import UnitsOfWork

__all__ = ["Database", "Reruns", "UnitsOfWork", "UtcDateTime"]
