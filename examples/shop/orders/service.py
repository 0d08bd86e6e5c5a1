"""Orders and the checkout."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.shop.cart.api import Carts, NotSold, Ordered
from examples.shop.catalog.api import Catalog, Offer
from examples.shop.inventory.api import Inventory, OutOfStock, ReservationEnded
from examples.shop.orders.api import (
    EmptyCart,
    NewOrder,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderFailed,
    OrderPlaced,
    Orders,
    OrderState,
    State,
    TooLate,
)
from examples.shop.orders.rows import authorization_of, lines_of, order_of, reservation_of, total_of
from examples.shop.orders.tables import LineRow, OrderRow, StateRow
from examples.shop.payments.api import AlreadyCaptured, Declined, PaymentDiffers, PaymentEnded, Payments
from examples.shop.vocabulary import CURRENCY, Address, check_card_number
from partita import Call, CallFailed, Clock, Database, Ids, NotFound, Page, Secret, Service, every

__all__ = ["OrdersService"]

ENDED = ("confirmed", "failed", "cancelled")
EVERYBODYS = frozenset({"admin", "operator"})
POLL_S = 0.2
POLLS_MAX = 3000
RECONCILED_AFTER = timedelta(minutes=1)
RECONCILED_AT_ONCE_MAX = 50

log = logging.getLogger(__name__)


class OrdersService(Orders, Service):
    """Takes orders and sees them through.

    An order is written down before the first call of its checkout, and each call may be repeated. So wherever a
    checkout is cut short, ``resume`` goes through it again, and finds what was done already.
    """

    db: Database
    ids: Ids
    clock: Clock
    call: Call
    cart: Carts
    catalog: Catalog
    inventory: Inventory
    payments: Payments

    async def place(self, order: NewOrder) -> Order:
        check_card_number(order.card_number)
        placement = f"{self.call.user.id}:{self.call.key}" if self.call.key is not None else None
        async with self.db.read() as session:
            row = await placed_with(session, placement)
        if row is None:
            items = await self._priced_cart()
            row = await self.db.run(lambda session: self._write_down(session, placement, items, order.address))
        try:
            await self._check_out(row, order.card_number)
            await self.cart.remove_ordered(row.owner, Ordered(skus=tuple(line.sku for line in row.lines)))
        except CallFailed as error:
            # What was asked for may have been done, or not. The order stays as it is until somebody asks again.
            log.warning("order %s is not settled yet: %s", row.id, error)
        return await self._read(row.id)

    async def orders(self, after: str | None = None, limit: int = 20) -> Page[Order]:
        query = select(OrderRow).where(OrderRow.owner == self.call.user.id)
        if after is not None:
            query = query.where(OrderRow.id < UUID(after))
        async with self.db.read() as session:
            rows = (await session.scalars(query.order_by(OrderRow.id.desc()).limit(limit + 1))).all()
        shown = rows[:limit]
        return Page(items=tuple(order_of(row) for row in shown), next=str(shown[-1].id) if len(rows) > limit else None)

    async def order(self, id: UUID) -> Order:
        return order_of(await self._visible(id))

    async def events(self, id: UUID) -> AsyncIterator[OrderState]:
        told = 0
        for _ in range(POLLS_MAX):
            row = await self._visible(id)
            for state in row.states[told:]:
                yield OrderState(state=cast(State, state.state), at=state.at, reason=state.reason)
            if row.state in ENDED:
                return
            told = len(row.states)
            await self.clock.sleep(POLL_S)

    async def cancel(self, id: UUID) -> Order:
        await self._visible(id)
        await self.db.run(lambda session: self._begin_cancel(session, id))
        try:
            await self._finish_cancel(id)
        except CallFailed as error:
            log.warning("order %s is not settled yet: %s", id, error)
        return await self._read(id)

    async def resume(self, id: UUID) -> Order:
        async with self.db.read() as session:
            row = await session.get(OrderRow, id)
        if row is None:
            raise NotFound(what="order")
        await self._settle(row)
        return await self._read(id)

    @every(minutes=1)
    async def reconcile(self) -> None:
        """Settle the orders whose checkout was cut short."""
        unsettled = (
            select(OrderRow)
            .where(OrderRow.state.in_(("pending", "cancelling")))
            .where(OrderRow.placed_at < self.clock.now() - RECONCILED_AFTER)
            .order_by(OrderRow.placed_at)
            .limit(RECONCILED_AT_ONCE_MAX)
        )
        async with self.db.read() as session:
            rows = (await session.scalars(unsettled)).all()
        for row in rows:
            try:
                await self._settle(row)
            except CallFailed as error:
                log.warning("order %s is not settled yet: %s", row.id, error)

    # --- the checkout: calls that may be repeated, and short transactions between them ------------------------------

    async def _check_out(self, row: OrderRow, card: Secret | None) -> None:
        """Reserve, take the money, sell. Without a card, only money that is set aside already can be taken."""
        if row.state != "pending":
            return
        try:
            await self.inventory.reserve(reservation_of(row))
            if card is not None:
                await self.payments.authorize(authorization_of(row, card))
            await self.payments.capture(row.id)
            await self.inventory.confirm(row.id)
        except OutOfStock as problem:
            await self._fail(row.id, f"not enough pieces of {problem.sku}")
            raise
        except Declined as problem:
            await self._fail(row.id, problem.reason)
            raise
        except (PaymentEnded, PaymentDiffers):
            await self._fail(row.id, "the payment was not completed")
        except ReservationEnded:
            await self._fail(row.id, "the reservation has ended")
        else:
            await self.db.run(lambda session: self._move(session, row.id, "pending", "confirmed"))

    async def _settle(self, row: OrderRow) -> None:
        """Bring an order to its end, whatever has happened to it so far."""
        if row.state == "cancelling":
            await self._finish_cancel(row.id)
            return
        try:
            await self._check_out(row, None)
        except (OutOfStock, Declined):
            pass  # written down as the order's reason

    async def _fail(self, id: UUID, reason: str) -> None:
        await self._undo(id)
        await self.db.run(lambda session: self._move(session, id, "pending", "failed", reason))

    async def _finish_cancel(self, id: UUID) -> None:
        await self._undo(id)
        await self.db.run(lambda session: self._move(session, id, "cancelling", "cancelled"))

    async def _undo(self, id: UUID) -> None:
        """Give back the money and the pieces. Whatever of this order is still on its way is refused from now on."""
        try:
            await self.payments.void(id)
        except AlreadyCaptured:
            await self.payments.refund(id)
        await self.inventory.release(id)

    # --- what is written down ---------------------------------------------------------------------------------------

    async def _priced_cart(self) -> list[tuple[Offer, int]]:
        """What the caller's cart holds, at the catalog's prices: nothing that the caller says about them counts."""
        cart = await self.cart.show()
        if not cart.lines:
            raise EmptyCart
        offers = {offer.sku: offer for offer in await self.catalog.offers(tuple(line.sku for line in cart.lines))}
        for line in cart.lines:
            if line.sku not in offers:
                raise NotSold(sku=line.sku)
        return [(offers[line.sku], line.quantity) for line in cart.lines]

    async def _write_down(
        self, session: AsyncSession, placement: str | None, items: list[tuple[Offer, int]], address: Address
    ) -> OrderRow:
        known = await placed_with(session, placement)
        if known is not None:
            return known
        row = OrderRow(
            id=self.ids.uuid(),
            owner=self.call.user.id,
            placement=placement,
            state="pending",
            reason="",
            total=sum(offer.price.amount * quantity for offer, quantity in items),
            currency=CURRENCY,
            address=msgspec.to_builtins(address),
            placed_at=self.clock.now(),
            lines=[
                LineRow(position=position, sku=offer.sku, name=offer.name, price=offer.price.amount, quantity=quantity)
                for position, (offer, quantity) in enumerate(items)
            ],
            states=[StateRow(position=0, state="pending", reason="", at=self.clock.now())],
        )
        session.add(row)
        await self.db.publish(OrderPlaced(id=row.id, owner=row.owner, total=total_of(row)))
        return row

    async def _begin_cancel(self, session: AsyncSession, id: UUID) -> None:
        row = await session.get_one(OrderRow, id)
        if row.state in ("failed", "cancelled"):
            raise TooLate(state=row.state)
        await self._move(session, id, row.state, "cancelling")

    async def _move(self, session: AsyncSession, id: UUID, before: State | str, after: State, reason: str = "") -> None:
        """From one state to the next; an order that somebody else has moved on stays where it is."""
        row = await session.get_one(OrderRow, id)
        if row.state != before or before == after:
            return
        row.state, row.reason = after, reason
        row.states.append(StateRow(position=len(row.states), state=after, reason=reason, at=self.clock.now()))
        if after == "confirmed":
            confirmed = OrderConfirmed(id=id, owner=row.owner, total=total_of(row), lines=lines_of(row))
            await self.db.publish(confirmed)
        elif after == "failed":
            await self.db.publish(OrderFailed(id=id, owner=row.owner, reason=reason))
        elif after == "cancelled":
            await self.db.publish(OrderCancelled(id=id, owner=row.owner))

    async def _read(self, id: UUID) -> Order:
        async with self.db.read() as session:
            return order_of(await session.get_one(OrderRow, id))

    async def _visible(self, id: UUID) -> OrderRow:
        """An order that the caller may see. Others hear that there is none."""
        async with self.db.read() as session:
            row = await session.get(OrderRow, id)
        user = self.call.user
        if row is None or (row.owner != user.id and EVERYBODYS.isdisjoint(user.roles)):
            raise NotFound(what="order")
        return row


async def placed_with(session: AsyncSession, placement: str | None) -> OrderRow | None:
    """The order that was placed with the same key before."""
    if placement is None:
        return None
    return await session.scalar(select(OrderRow).where(OrderRow.placement == placement))
