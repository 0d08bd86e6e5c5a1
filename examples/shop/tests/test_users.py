"""Profiles and addresses."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from examples.shop.users.api import AddressChanged, AddressesFull, NewProfile, ProfileChange, Users
from examples.shop.users.service import ADDRESSES_MAX, UsersService
from examples.shop.vocabulary import Address
from partita import Forbidden, NotFound, running
from partita.testing import Running

BEA, CARL = uuid4(), uuid4()
HOME = Address(name="Bea Stone", street="1 Mill Lane", city="York", postcode="YO1 7HB", country="GB")


async def make(t: Running[UsersService], id: UUID, name: str) -> None:
    await t.as_service("auth").client(Users).create(id, NewProfile(email="bea@shop.example", name=name))


async def test_customer_42_is_there() -> None:
    """The customer that the documents ask for answers by number and by id, to an operator."""
    async with running(UsersService) as t:
        users = t.as_user(uuid4(), "operator").client(Users)
        ada = await users.profile(42)
        assert ada.number == 42
        assert await users.profile(ada.id) == ada


async def test_making_a_profile_twice_changes_nothing() -> None:
    """A repeated registration finds the profile that it made."""
    async with running(UsersService) as t:
        await make(t, BEA, "Bea")
        await make(t, BEA, "Somebody Else")
        profile = await t.as_user(BEA).client(Users).profile(BEA)
        assert profile.name == "Bea"
        assert await t.as_user(BEA).client(Users).profile(profile.number) == profile


async def test_only_services_make_profiles() -> None:
    """A user who tries to make a profile is refused."""
    async with running(UsersService) as t:
        with pytest.raises(Forbidden):
            await t.as_user(CARL).client(Users).create(CARL, NewProfile(email="c@shop.example", name="C"))


async def test_a_profile_is_its_owners() -> None:
    """Others hear that there is no such user; an operator reads and does not write; an admin does both."""
    async with running(UsersService) as t:
        await make(t, BEA, "Bea")
        change = ProfileChange(language="de")
        with pytest.raises(NotFound):
            await t.as_user(CARL).client(Users).profile(BEA)
        with pytest.raises(NotFound):
            await t.as_user(CARL, "operator").client(Users).change(BEA, change)
        assert (await t.as_user(CARL, "operator").client(Users).profile(BEA)).language == "en"
        assert (await t.as_user(CARL, "admin").client(Users).change(BEA, change)).language == "de"


async def test_a_change_leaves_the_rest() -> None:
    """A PATCH changes what it names."""
    async with running(UsersService) as t:
        await make(t, BEA, "Bea")
        users = t.as_user(BEA).client(Users)
        await users.change(BEA, ProfileChange(newsletter=True))
        changed = await users.change(BEA, ProfileChange(name="Bea Stone"))
        assert (changed.name, changed.newsletter, changed.language) == ("Bea Stone", True, "en")


async def test_the_address_book() -> None:
    """Addresses are added, changed, listed and removed, and each change is published."""
    async with running(UsersService) as t:
        await make(t, BEA, "Bea")
        users = t.as_user(BEA).client(Users)
        saved = await users.add_address(BEA, HOME)
        moved = Address(name=HOME.name, street="2 Mill Lane", city="York", postcode="YO1 7HB", country="GB")
        await users.change_address(BEA, saved.id, moved)
        assert [entry.address for entry in await users.addresses(BEA)] == [moved]
        await users.remove_address(BEA, saved.id)
        assert await users.addresses(BEA) == ()
        assert [event.address for event in t.published(AddressChanged)] == [HOME, moved, None]


async def test_an_address_of_somebody_else_is_not_found() -> None:
    """An address cannot be changed through another customer's path."""
    async with running(UsersService) as t:
        await make(t, BEA, "Bea")
        await make(t, CARL, "Carl")
        saved = await t.as_user(BEA).client(Users).add_address(BEA, HOME)
        with pytest.raises(NotFound):
            await t.as_user(CARL).client(Users).change_address(CARL, saved.id, HOME)


async def test_the_address_book_is_bounded() -> None:
    """One address more than fit is refused."""
    async with running(UsersService) as t:
        await make(t, BEA, "Bea")
        users = t.as_user(BEA).client(Users)
        for _ in range(ADDRESSES_MAX):
            await users.add_address(BEA, HOME)
        with pytest.raises(AddressesFull):
            await users.add_address(BEA, HOME)
