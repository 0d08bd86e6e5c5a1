"""Stock and reservations."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.shop.inventory.api import (
    Delivery,
    Inventory,
    NewReservation,
    OutOfStock,
    Reservation,
    ReservationEnded,
    Stock,
    StockChanged,
    StockLow,
)
from examples.shop.inventory.tables import DeliveryRow, ItemRow, ReservationRow, ReservedRow
from examples.shop.vocabulary import ASSORTMENT
from partita import Clock, Database, NotFound, Service, every

__all__ = ["InventoryService"]

HELD_FOR = timedelta(minutes=15)
LOW = 5
EXPIRED_AT_ONCE_MAX = 100


class InventoryService(Inventory, Service):
    """Keeps stock. Units of work are serialisable: of two orders for the last piece, one gets it."""

    db: Database
    clock: Clock

    async def on_start(self) -> None:
        """Fill the shelves, the first time."""
        await self.db.run(self._open_shop)

    async def item(self, sku: str) -> Stock:
        async with self.db.read() as session:
            row = await session.get(ItemRow, sku)
        if row is None:
            raise NotFound(what="item")
        return Stock(sku=sku, available=row.on_hand)

    async def restock(self, sku: str, delivery: Delivery) -> Stock:
        session = self.db.session
        item = await session.get(ItemRow, sku)
        if item is None:
            item = ItemRow(sku=sku, on_hand=0, reserved=0, sold=0)
            session.add(item)
            await session.flush()
        if await session.get(DeliveryRow, (sku, delivery.reference)) is None:
            session.add(
                DeliveryRow(
                    sku=sku, reference=delivery.reference, quantity=delivery.quantity, arrived_at=self.clock.now()
                )
            )
            item.on_hand += delivery.quantity
            await self.db.publish(StockChanged(sku=sku, available=item.on_hand))
        return Stock(sku=sku, available=item.on_hand)

    async def reserve(self, reservation: NewReservation) -> Reservation:
        session = self.db.session
        row = await session.get(ReservationRow, reservation.order_id)
        if row is not None:
            if row.state == "released":
                raise ReservationEnded
            return reservation_of(row)
        wanted: Counter[str] = Counter()
        for line in reservation.lines:
            wanted[line.sku] += line.quantity
        row = ReservationRow(
            order_id=reservation.order_id, state="held", expires_at=self.clock.now() + HELD_FOR, lines=[]
        )
        # Always in the same order, so that two orders do not wait for each other.
        for sku, quantity in sorted(wanted.items()):
            await self._take(session, sku, quantity)
            row.lines.append(ReservedRow(sku=sku, quantity=quantity))
        session.add(row)
        return reservation_of(row)

    async def confirm(self, order_id: UUID) -> Reservation:
        session = self.db.session
        row = await session.get(ReservationRow, order_id)
        if row is None or row.state == "released":
            raise ReservationEnded
        if row.state == "held":
            row.state = "confirmed"
            for line in row.lines:
                item = await session.get_one(ItemRow, line.sku)
                item.reserved -= line.quantity
                item.sold += line.quantity
        return reservation_of(row)

    async def release(self, order_id: UUID) -> None:
        session = self.db.session
        row = await session.get(ReservationRow, order_id)
        if row is None:
            # Remembered, so that a reservation which arrives late finds that its order has ended.
            session.add(ReservationRow(order_id=order_id, state="released", expires_at=self.clock.now(), lines=[]))
        else:
            await self._give_back(session, row)

    @every(minutes=1)
    async def expire(self) -> None:
        """Give back what was held for too long."""
        await self.db.run(self._expire)

    async def _take(self, session: AsyncSession, sku: str, quantity: int) -> None:
        item = await session.get(ItemRow, sku)
        if item is not None and item.on_hand < quantity:
            await self._expire(session)
        if item is None or item.on_hand < quantity:
            raise OutOfStock(sku=sku, available=item.on_hand if item is not None else 0)
        before = item.on_hand
        item.on_hand -= quantity
        item.reserved += quantity
        await self.db.publish(StockChanged(sku=sku, available=item.on_hand))
        if item.on_hand <= LOW < before:
            await self.db.publish(StockLow(sku=sku, available=item.on_hand))

    async def _give_back(self, session: AsyncSession, row: ReservationRow) -> None:
        if row.state == "released":
            return
        for line in row.lines:
            item = await session.get_one(ItemRow, line.sku)
            if row.state == "held":
                item.reserved -= line.quantity
            else:
                item.sold -= line.quantity
            item.on_hand += line.quantity
            await self.db.publish(StockChanged(sku=line.sku, available=item.on_hand))
        row.state = "released"

    async def _expire(self, session: AsyncSession) -> None:
        expired = await session.scalars(
            select(ReservationRow)
            .where(ReservationRow.state == "held", ReservationRow.expires_at < self.clock.now())
            .order_by(ReservationRow.expires_at)
            .limit(EXPIRED_AT_ONCE_MAX)
        )
        for row in expired.all():
            await self._give_back(session, row)

    async def _open_shop(self, session: AsyncSession) -> None:
        if await session.scalar(select(ItemRow.sku).limit(1)) is not None:
            return
        chance = random.Random("inventory")
        quantities = {sku: chance.randint(20, 120) for sku in ASSORTMENT}
        items: list[dict[str, Any]] = [
            {"sku": sku, "on_hand": quantity, "reserved": 0, "sold": 0} for sku, quantity in quantities.items()
        ]
        deliveries: list[dict[str, Any]] = [
            {"sku": sku, "reference": "opening", "quantity": quantity, "arrived_at": self.clock.now()}
            for sku, quantity in quantities.items()
        ]
        await session.execute(insert(ItemRow), items)
        await session.execute(insert(DeliveryRow), deliveries)


def reservation_of(row: ReservationRow) -> Reservation:
    """A row as callers see it."""
    state = cast(Literal["held", "confirmed", "released"], row.state)
    return Reservation(order_id=row.order_id, state=state, expires_at=row.expires_at)
