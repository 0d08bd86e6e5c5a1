"""Profiles and addresses."""

from __future__ import annotations

from typing import cast
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.shop.users.api import (
    AddressChanged,
    AddressesFull,
    Language,
    NewProfile,
    Profile,
    ProfileChange,
    SavedAddress,
    Users,
)
from examples.shop.users.tables import AddressRow, ProfileRow
from examples.shop.vocabulary import Address
from partita import Call, Clock, Database, Ids, NotFound, Service

__all__ = ["UsersService"]

ADDRESSES_MAX = 20
READERS = frozenset({"admin", "operator"})
WRITERS = frozenset({"admin"})
CUSTOMER_42 = UUID("00000000-0000-4000-8000-000000000042")


class UsersService(Users, Service):
    """Keeps profiles and address books."""

    db: Database
    ids: Ids
    clock: Clock
    call: Call

    async def on_start(self) -> None:
        """Have the customer that the shop's examples name."""
        await self.db.run(self._make_customer_42)

    async def create(self, id: UUID, profile: NewProfile) -> Profile:
        session = self.db.session
        row = await session.scalar(select(ProfileRow).where(ProfileRow.id == id))
        if row is None:
            row = ProfileRow(id=id, email=profile.email, name=profile.name)
            session.add(row)
            await session.flush()  # the database gives the number
        return profile_of(row)

    async def profile(self, id: int | UUID) -> Profile:
        async with self.db.read() as session:
            return profile_of(await self._find(session, id, READERS))

    async def change(self, id: int | UUID, change: ProfileChange) -> Profile:
        row = await self._find(self.db.session, id, WRITERS)
        if change.name is not UNSET:
            row.name = change.name
        if change.language is not UNSET:
            row.language = change.language
        if change.newsletter is not UNSET:
            row.newsletter = change.newsletter
        return profile_of(row)

    async def addresses(self, id: int | UUID) -> tuple[SavedAddress, ...]:
        async with self.db.read() as session:
            owner = await self._find(session, id, READERS)
            rows = await session.scalars(
                select(AddressRow).where(AddressRow.user == owner.id).order_by(AddressRow.created_at, AddressRow.id)
            )
            return tuple(saved(row) for row in rows)

    async def add_address(self, id: int | UUID, address: Address) -> SavedAddress:
        session = self.db.session
        owner = await self._find(session, id, WRITERS)
        known = await session.scalars(select(AddressRow.id).where(AddressRow.user == owner.id))
        if len(known.all()) >= ADDRESSES_MAX:
            raise AddressesFull(addresses_max=ADDRESSES_MAX)
        row = AddressRow(
            id=self.ids.uuid(), user=owner.id, address=msgspec.to_builtins(address), created_at=self.clock.now()
        )
        session.add(row)
        await self.db.publish(AddressChanged(user=owner.id, id=row.id, address=address))
        return saved(row)

    async def change_address(self, id: int | UUID, address_id: UUID, address: Address) -> SavedAddress:
        row = await self._find_address(id, address_id)
        row.address = msgspec.to_builtins(address)
        await self.db.publish(AddressChanged(user=row.user, id=row.id, address=address))
        return saved(row)

    async def remove_address(self, id: int | UUID, address_id: UUID) -> None:
        row = await self._find_address(id, address_id)
        await self.db.session.delete(row)
        await self.db.publish(AddressChanged(user=row.user, id=row.id, address=None))

    async def _find(self, session: AsyncSession, id: int | UUID, roles: frozenset[str]) -> ProfileRow:
        """A profile that is the caller's own, or that one of the roles may use. Others hear that there is none."""
        column = ProfileRow.number if isinstance(id, int) else ProfileRow.id
        row = await session.scalar(select(ProfileRow).where(column == id))
        if row is None or not self._may_use(row, roles):
            raise NotFound(what="user")
        return row

    def _may_use(self, row: ProfileRow, roles: frozenset[str]) -> bool:
        if self.call.caller is not None:
            return True
        user = self.call.user
        return user.id == row.id or not roles.isdisjoint(user.roles)

    async def _find_address(self, id: int | UUID, address_id: UUID) -> AddressRow:
        owner = await self._find(self.db.session, id, WRITERS)
        row = await self.db.session.get(AddressRow, address_id)
        if row is None or row.user != owner.id:
            raise NotFound(what="address")
        return row

    @staticmethod
    async def _make_customer_42(session: AsyncSession) -> None:
        if await session.get(ProfileRow, 42) is None:
            session.add(ProfileRow(number=42, id=CUSTOMER_42, email="ada@shop.example", name="Ada Marsh"))


def profile_of(row: ProfileRow) -> Profile:
    """A row as callers see it."""
    return Profile(
        id=row.id,
        number=row.number,
        email=row.email,
        name=row.name,
        language=cast(Language, row.language),
        newsletter=row.newsletter,
    )


def saved(row: AddressRow) -> SavedAddress:
    """A row as callers see it."""
    return SavedAddress(id=row.id, address=msgspec.convert(row.address, Address))
