"""Carts of users and guests."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.shop.cart.api import (
    GUEST_COOKIE,
    GUEST_HEADER,
    LINES_MAX,
    Cart,
    CartFull,
    Carts,
    Line,
    NotSold,
    Ordered,
    Wanted,
)
from examples.shop.cart.tables import CartRow, LineRow
from examples.shop.catalog.api import Catalog
from examples.shop.vocabulary import CURRENCY
from partita import Call, Clock, Database, Ids, Money, Secret, Service, every

__all__ = ["CartService"]

GUEST_CART_KEPT = timedelta(days=30)


class CartService(Carts, Service):
    """Keeps carts. Prices are the catalog's, asked for whenever a cart is shown."""

    db: Database
    ids: Ids
    clock: Clock
    call: Call
    catalog: Catalog

    async def show(self, cookie: Secret | None = None, guest: Secret | None = None) -> Cart:
        async with self.db.read() as session:
            cart = await self._find(session, guest or cookie)
            rows = await lines_of(session, cart)
        offers = (
            {offer.sku: offer for offer in await self.catalog.offers(tuple(row.sku for row in rows))} if rows else {}
        )
        lines = tuple(
            Line(
                sku=row.sku,
                quantity=row.quantity,
                name=offers[row.sku].name if row.sku in offers else row.name,
                price=offers[row.sku].price if row.sku in offers else None,
            )
            for row in rows
        )
        total = Money(amount=0, currency=CURRENCY)
        for line in lines:
            if line.price is not None:
                total += line.price * line.quantity
        return Cart(lines=lines, total=total)

    async def put_line(
        self, sku: str, wanted: Wanted, cookie: Secret | None = None, guest: Secret | None = None
    ) -> Line:
        offers = await self.catalog.offers((sku,))
        if not offers:
            raise NotSold(sku=sku)
        name, price = offers[0].name, offers[0].price

        session = self.db.session
        cart = await self._find_or_make(session, guest or cookie)
        row = await session.get(LineRow, (cart.id, sku))
        if row is not None:
            row.quantity = wanted.quantity
        elif len(await lines_of(session, cart)) >= LINES_MAX:
            raise CartFull(lines_max=LINES_MAX)
        else:
            session.add(self._line(cart, sku, wanted.quantity, name))
        cart.changed_at = self.clock.now()
        return Line(sku=sku, quantity=wanted.quantity, name=name, price=price)

    async def remove_line(self, sku: str, cookie: Secret | None = None, guest: Secret | None = None) -> None:
        cart = await self._find(self.db.session, guest or cookie)
        await remove(self.db.session, cart, (sku,))

    async def empty(self, cookie: Secret | None = None, guest: Secret | None = None) -> None:
        cart = await self._find(self.db.session, guest or cookie)
        rows = await lines_of(self.db.session, cart)
        await remove(self.db.session, cart, tuple(row.sku for row in rows))

    async def merge(self, cookie: Secret | None = None, guest: Secret | None = None) -> None:
        session = self.db.session
        token = guest or cookie
        theirs = await cart_of(session, guest_owner(token)) if token is not None else None
        if theirs is None:
            return
        ours = await self._find_or_make(session, None)
        known = {row.sku: row for row in await lines_of(session, ours)}
        for row in await lines_of(session, theirs):
            if row.sku in known:
                known[row.sku].quantity = max(known[row.sku].quantity, row.quantity)
            elif len(known) < LINES_MAX:
                known[row.sku] = self._line(ours, row.sku, row.quantity, row.name)
                session.add(known[row.sku])
            await session.delete(row)
        await session.flush()  # the lines go before their cart
        await session.delete(theirs)
        self.call.reply.cookie(GUEST_COOKIE, "none", age_s_max=0)

    async def remove_ordered(self, user: UUID, ordered: Ordered) -> None:
        cart = await cart_of(self.db.session, user_owner(user))
        await remove(self.db.session, cart, ordered.skus)

    @every(hours=1)
    async def forget(self) -> None:
        """Delete guests' carts that nobody came back for."""
        before = self.clock.now() - GUEST_CART_KEPT
        old = select(CartRow.id).where(CartRow.owner.startswith("guest:"), CartRow.changed_at < before)
        async with self.db.unit() as session:
            await session.execute(delete(LineRow).where(LineRow.cart_id.in_(old)))
            await session.execute(delete(CartRow).where(CartRow.id.in_(old)))

    def _line(self, cart: CartRow, sku: str, quantity: int, name: str) -> LineRow:
        return LineRow(cart_id=cart.id, sku=sku, quantity=quantity, name=name, added_at=self.clock.now())

    async def _find(self, session: AsyncSession, token: Secret | None) -> CartRow | None:
        """The cart of the user who calls, or of the guest who shows this token."""
        user = self.call.optional_user
        if user is not None:
            return await cart_of(session, user_owner(user.id))
        return await cart_of(session, guest_owner(token)) if token is not None else None

    async def _find_or_make(self, session: AsyncSession, token: Secret | None) -> CartRow:
        """The caller's cart. A guest gets a new token with a new cart: one that we did not make is never taken over."""
        cart = await self._find(session, token)
        if cart is not None:
            return cart
        user = self.call.optional_user
        if user is not None:
            owner = user_owner(user.id)
        else:
            made = self.ids.token()
            owner = guest_owner(Secret(made))
            self.call.reply.headers[GUEST_HEADER] = made
            self.call.reply.cookie(GUEST_COOKIE, made, age_s_max=int(GUEST_CART_KEPT.total_seconds()))
        cart = CartRow(id=self.ids.uuid(), owner=owner, changed_at=self.clock.now())
        session.add(cart)
        await session.flush()  # the cart comes before its lines
        return cart


def user_owner(user: UUID) -> str:
    """The owner of a user's cart."""
    return f"user:{user}"


def guest_owner(token: Secret) -> str:
    """The owner of a guest's cart. The token itself is not kept."""
    return f"guest:{hashlib.sha256(token.reveal().encode()).hexdigest()}"


async def cart_of(session: AsyncSession, owner: str) -> CartRow | None:
    """Somebody's cart."""
    return await session.scalar(select(CartRow).where(CartRow.owner == owner))


async def lines_of(session: AsyncSession, cart: CartRow | None) -> list[LineRow]:
    """What is in a cart, the oldest first."""
    if cart is None:
        return []
    rows = await session.scalars(
        select(LineRow).where(LineRow.cart_id == cart.id).order_by(LineRow.added_at, LineRow.sku)
    )
    return list(rows)


async def remove(session: AsyncSession, cart: CartRow | None, skus: tuple[str, ...]) -> None:
    """Take products out of a cart."""
    if cart is not None and skus:
        await session.execute(delete(LineRow).where(LineRow.cart_id == cart.id, LineRow.sku.in_(skus)))
