"""Accounts, logins and tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import msgspec
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from examples.shop.auth.api import (
    Account,
    Auth,
    Credentials,
    EmailTaken,
    NewAccount,
    Refresh,
    RefreshRefused,
    TooManyAttempts,
    UserRegistered,
    WrongCredentials,
)
from examples.shop.auth.passwords import NOBODYS_HASH
from examples.shop.auth.service import DEV_PASSWORD, AuthService, AuthSettings
from examples.shop.auth.tables import AccountRow, RefreshRow, SigningKeyRow
from examples.shop.users.api import NewProfile, Profile, Users
from partita import Blocking, Invalid, Secret, Unavailable, running
from partita.identity.tokens import KeySet, UserTokens, keys_of
from partita.testing import Running

P = ParamSpec("P")
T = TypeVar("T")

PASSWORD = Secret("correct horse battery")
WRONG = Secret("incorrect horse battery")


class FakeUsers(Users):
    """Remembers the profiles; only ``create`` is called."""

    def __init__(self) -> None:
        self.profiles: dict[UUID, NewProfile] = {}
        self.is_down = False

    async def create(self, id: UUID, profile: NewProfile) -> Profile:
        if self.is_down:
            raise Unavailable("down", service="users", operation="create", may_have_executed=False)
        self.profiles.setdefault(id, profile)
        return Profile(id=id, number=1, email=profile.email, name=profile.name, language="en", newsletter=False)


def fake_users() -> FakeUsers:
    return FakeUsers()  # type: ignore[abstract]  # auth calls nothing else


class CountingBlocking(Blocking):
    """Counts how often a password was hashed or compared."""

    count = 0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.count += 1
        return await super().run(function, *args, **kwargs)


async def register(t: Running[Any], email: str = "bea@shop.example") -> Account:
    return await t.client(Auth).register(NewAccount(email=email, password=PASSWORD, name="Bea"))


async def test_a_registration_makes_an_account_and_a_profile() -> None:
    """Registering keeps the address in lower case, makes the profile under the same id, and publishes the fact."""
    users = fake_users()
    async with running(AuthService, users=users) as t:
        account = await register(t, "Bea@Shop.Example")
        assert account.email == "bea@shop.example"
        assert users.profiles == {account.id: NewProfile(email="bea@shop.example", name="Bea")}
        assert t.published(UserRegistered) == (UserRegistered(id=account.id, email=account.email, name="Bea"),)


async def test_an_address_registers_once() -> None:
    """A second registration with the same address, in other letters, is refused."""
    async with running(AuthService, users=fake_users()) as t:
        await register(t)
        with pytest.raises(EmailTaken):
            await register(t, "BEA@shop.example")


async def test_a_registration_without_a_profile_leaves_no_account() -> None:
    """While users is down nobody registers, and the same registration works afterwards."""
    users = fake_users()
    users.is_down = True
    async with running(AuthService, users=users) as t:
        with pytest.raises(Unavailable):
            await register(t)
        users.is_down = False
        assert (await register(t)).email == "bea@shop.example"


async def test_a_short_password_is_refused() -> None:
    """A password under eight characters is an invalid field, named by its path."""
    async with running(AuthService, users=fake_users()) as t:
        with pytest.raises(Invalid) as refused:
            await t.client(Auth).register(NewAccount(email="a@b.example", password=Secret("seven77"), name="A"))
        assert [error.path for error in refused.value.errors] == ["body.password"]


async def test_a_login_gives_a_token_that_names_the_user() -> None:
    """The access token verifies with the published keys and names the account; it says nothing when printed."""
    async with running(AuthService, users=fake_users()) as t:
        account = await register(t)
        tokens = await t.client(Auth).login(Credentials(email="bea@shop.example ".strip(), password=PASSWORD))
        document = msgspec.json.encode(await t.client(Auth).keys())

        async def keys() -> KeySet:
            return keys_of(document)

        verified = await UserTokens(issuer="shop", audience="shop", keys=keys).verify(tokens.access_token.reveal())
        assert verified.id == account.id
        assert tokens.access_token.reveal() not in repr(tokens)


async def test_a_wrong_password_and_an_unknown_address_look_alike() -> None:
    """Both get the same problem after the same work: one comparison with a hash."""
    blocking = CountingBlocking()
    async with running(AuthService, users=fake_users(), blocking=blocking) as t:
        await register(t)
        work = []
        for email in ("bea@shop.example", "nobody@shop.example"):
            before = blocking.count
            with pytest.raises(WrongCredentials):
                await t.client(Auth).login(Credentials(email=email, password=WRONG))
            work.append(blocking.count - before)
        assert work == [1, 1]


def test_nobodys_hash_is_as_dear_as_others() -> None:
    """It was made with the parameters that passwords are hashed with today."""
    assert not PasswordHasher().check_needs_rehash(NOBODYS_HASH)


@pytest.mark.parametrize("email", ["bea@shop.example", "nobody@shop.example"])
async def test_failed_logins_are_slowed_down_for_a_time(email: str) -> None:
    """After five failures the next attempt has to wait, known address or not; the wait ends by itself."""
    async with running(AuthService, users=fake_users()) as t:
        await register(t)
        for _ in range(5):
            with pytest.raises(WrongCredentials):
                await t.client(Auth).login(Credentials(email=email, password=WRONG))
        with pytest.raises(TooManyAttempts) as slowed:
            await t.client(Auth).login(Credentials(email=email, password=PASSWORD))
        assert 0 < slowed.value.wait_s <= 60
        await t.clock.advance(timedelta(seconds=slowed.value.wait_s))
        if email == "bea@shop.example":
            assert (await t.client(Auth).login(Credentials(email=email, password=PASSWORD))).expires_in == 900


async def test_a_refresh_token_is_good_for_one_exchange() -> None:
    """An exchange gives a new pair and ends the old token; a logout ends the new one."""
    async with running(AuthService, users=fake_users()) as t:
        auth = t.client(Auth)
        await register(t)
        first = await auth.login(Credentials(email="bea@shop.example", password=PASSWORD))
        second = await auth.refresh(Refresh(refresh_token=first.refresh_token))
        with pytest.raises(RefreshRefused):
            await auth.refresh(Refresh(refresh_token=first.refresh_token))
        await auth.logout(Refresh(refresh_token=second.refresh_token))
        with pytest.raises(RefreshRefused):
            await auth.refresh(Refresh(refresh_token=second.refresh_token))


async def test_a_refresh_token_expires() -> None:
    """After thirty days a refresh token is refused, and the hourly job forgets it."""
    async with running(AuthService, users=fake_users()) as t:
        await register(t)
        tokens = await t.client(Auth).login(Credentials(email="bea@shop.example", password=PASSWORD))
        await t.clock.advance(timedelta(days=30))
        with pytest.raises(RefreshRefused):
            await t.client(Auth).refresh(Refresh(refresh_token=tokens.refresh_token))
        await t.service.forget()
        async with t.service.db.read() as session:
            assert (await session.scalars(select(RefreshRow))).all() == []


async def test_tables_hold_no_password_and_no_token() -> None:
    """What is kept of a password is an argon2 hash, and of a refresh token a digest."""
    async with running(AuthService, users=fake_users()) as t:
        await register(t)
        tokens = await t.client(Auth).login(Credentials(email="bea@shop.example", password=PASSWORD))
        async with t.service.db.read() as session:
            account = (await session.scalars(select(AccountRow))).one()
            refresh = (await session.scalars(select(RefreshRow))).one()
        assert account.password_hash.startswith("$argon2id$")
        assert PASSWORD.reveal() not in account.password_hash
        assert refresh.digest != tokens.refresh_token.reveal()


async def test_the_signing_key_is_made_once() -> None:
    """A second start finds the key of the first."""
    async with running(AuthService, users=fake_users()) as t:
        first = t.service.signing_key.kid
        await t.service.on_start()
        assert t.service.signing_key.kid == first
        async with t.service.db.read() as session:
            assert len((await session.scalars(select(SigningKeyRow))).all()) == 1


async def test_accounts_for_development_are_asked_for() -> None:
    """There is an admin with a known password where the setting says so, and nowhere else."""
    admin = Credentials(email="admin@shop.example", password=DEV_PASSWORD)
    async with running(AuthService, users=fake_users(), settings=AuthSettings(dev_accounts=True)) as t:
        assert (await t.client(Auth).login(admin)).token_type == "Bearer"
    async with running(AuthService, users=fake_users()) as t:
        with pytest.raises(WrongCredentials):
            await t.client(Auth).login(admin)
