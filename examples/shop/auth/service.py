"""Accounts, logins and tokens."""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.shop.auth.api import (
    Account,
    Auth,
    Credentials,
    EmailTaken,
    Jwk,
    Jwks,
    NewAccount,
    Refresh,
    RefreshRefused,
    Tokens,
    TooManyAttempts,
    UserRegistered,
    WrongCredentials,
)
from examples.shop.auth.passwords import NOBODYS_HASH, hash_password, is_password
from examples.shop.auth.tables import AccountRow, AttemptsRow, RefreshRow, SigningKeyRow
from examples.shop.users.api import NewProfile, Users
from partita import Blocking, Clock, Database, FieldError, Ids, Invalid, Secret, Service, Settings, User, every
from partita.identity.tokens import SigningKey, jwk_of, mint_user_token

__all__ = ["AuthService", "AuthSettings"]

FAILURES_FREE = 5
WAIT_S_MAX = 60
FAILURES_KEPT = timedelta(minutes=15)
PASSWORD_CHARS = range(8, 201)
DEV_ACCOUNTS = {"admin@shop.example": ["admin"], "operator@shop.example": ["operator"]}
DEV_PASSWORD = Secret("only-for-development")

log = logging.getLogger(__name__)


class AuthSettings(Settings):
    """``dev_accounts`` makes accounts with a password that everybody knows: never where others can log in."""

    issuer: str = "shop"
    access_minutes: int = 15
    refresh_days: int = 30
    dev_accounts: bool = False


class AuthService(Auth, Service):
    """Keeps accounts and signs tokens."""

    db: Database
    ids: Ids
    clock: Clock
    blocking: Blocking
    settings: AuthSettings
    users: Users

    async def on_start(self) -> None:
        """Find or make the signing key."""
        self.signing_key = await self.db.run(self._signing_key)
        if self.settings.dev_accounts:
            await self._make_dev_accounts()

    async def register(self, account: NewAccount) -> Account:
        email = normalised(account.email)
        if len(account.password.reveal()) not in PASSWORD_CHARS:
            raise Invalid(errors=(FieldError(path="body.password", detail="8 to 200 characters"),))
        async with self.db.read() as session:
            await self._refuse_taken(session, email)
        password_hash = await self.blocking.run(hash_password, account.password)
        id = self.ids.uuid()
        # The profile comes first: one without an account is never seen, an account without a profile would be.
        await self.users.create(id, NewProfile(email=email, name=account.name))

        session = self.db.session
        await self._refuse_taken(session, email)
        session.add(AccountRow(id=id, email=email, password_hash=password_hash, roles=[], created_at=self.clock.now()))
        await self.db.publish(UserRegistered(id=id, email=email, name=account.name))
        return Account(id=id, email=email)

    async def login(self, credentials: Credentials) -> Tokens:
        email = normalised(credentials.email)
        async with self.db.read() as session:
            account = await session.scalar(select(AccountRow).where(AccountRow.email == email))
            attempts = await session.get(AttemptsRow, email)
        if attempts is not None and (wait_s := self._wait_s(attempts)) > 0:
            raise TooManyAttempts(wait_s=wait_s)
        password_hash = account.password_hash if account is not None else NOBODYS_HASH
        is_right = await self.blocking.run(is_password, credentials.password, password_hash)
        if account is None or not is_right:
            await self._count_failure(email)
            raise WrongCredentials  # it commits, so the count stays
        await self.db.session.execute(delete(AttemptsRow).where(AttemptsRow.email == email))
        return self._tokens_for(account)

    async def refresh(self, token: Refresh) -> Tokens:
        session = self.db.session
        row = await session.get(RefreshRow, digest(token.refresh_token))
        if row is None or row.expires_at <= self.clock.now():
            raise RefreshRefused
        account = await session.get_one(AccountRow, row.account_id)
        await session.delete(row)
        return self._tokens_for(account)

    async def logout(self, token: Refresh) -> None:
        await self.db.session.execute(delete(RefreshRow).where(RefreshRow.digest == digest(token.refresh_token)))

    async def keys(self) -> Jwks:
        return Jwks(keys=(msgspec.convert(jwk_of(self.signing_key.kid, self.signing_key.public), Jwk),))

    @every(hours=1)
    async def forget(self) -> None:
        """Delete what has expired."""
        now = self.clock.now()
        async with self.db.unit() as session:
            await session.execute(delete(RefreshRow).where(RefreshRow.expires_at <= now))
            await session.execute(delete(AttemptsRow).where(AttemptsRow.last_at <= now - FAILURES_KEPT))

    def _tokens_for(self, account: AccountRow) -> Tokens:
        now = self.clock.now()
        refresh_token = Secret(self.ids.token())
        expires_at = now + timedelta(days=self.settings.refresh_days)
        self.db.session.add(RefreshRow(digest=digest(refresh_token), account_id=account.id, expires_at=expires_at))
        life_s = self.settings.access_minutes * 60
        access_token = mint_user_token(
            self.signing_key,
            issuer=self.settings.issuer,
            audience=self.settings.issuer,
            user=User(id=account.id, roles=tuple(account.roles)),
            now_s=now.timestamp(),
            life_s=life_s,
        )
        return Tokens(access_token=Secret(access_token), refresh_token=refresh_token, expires_in=life_s)

    async def _count_failure(self, email: str) -> None:
        now = self.clock.now()
        row = await self.db.session.get(AttemptsRow, email)
        if row is None:
            self.db.session.add(AttemptsRow(email=email, failures=1, last_at=now))
            return
        row.failures = row.failures + 1 if now - row.last_at < FAILURES_KEPT else 1
        row.last_at = now

    def _wait_s(self, attempts: AttemptsRow) -> int:
        """Seconds until the next attempt is allowed: none at first, then 1, 2, 4 ... up to a minute after the last."""
        beyond = attempts.failures - FAILURES_FREE
        passed = self.clock.now() - attempts.last_at
        if beyond < 0 or passed >= FAILURES_KEPT:
            return 0
        wait = timedelta(seconds=min(2 ** min(beyond, 10), WAIT_S_MAX)) - passed
        return max(0, round(wait.total_seconds()))

    @staticmethod
    async def _refuse_taken(session: AsyncSession, email: str) -> None:
        if await session.scalar(select(AccountRow.id).where(AccountRow.email == email)) is not None:
            raise EmailTaken

    async def _signing_key(self, session: AsyncSession) -> SigningKey:
        # Two replicas that start at once both find none; the database lets one of them keep its own.
        row = await session.scalar(select(SigningKeyRow).order_by(SigningKeyRow.created_at).limit(1))
        if row is not None:
            return SigningKey.from_pem(row.kid, row.pem.encode())
        key = SigningKey.generate(self.ids.token(8))
        session.add(SigningKeyRow(kid=key.kid, pem=key.pem().decode(), created_at=self.clock.now()))
        return key

    async def _make_dev_accounts(self) -> None:
        password_hash = await self.blocking.run(hash_password, DEV_PASSWORD)

        async def make(session: AsyncSession) -> None:
            known = set(await session.scalars(select(AccountRow.email).where(AccountRow.email.in_(DEV_ACCOUNTS))))
            session.add_all(
                AccountRow(
                    id=self.ids.uuid(),
                    email=email,
                    password_hash=password_hash,
                    roles=roles,
                    created_at=self.clock.now(),
                )
                for email, roles in DEV_ACCOUNTS.items()
                if email not in known
            )

        await self.db.run(make)
        log.warning(
            "AUTH_DEV_ACCOUNTS is set: %s can log in with a password that is no secret", ", ".join(DEV_ACCOUNTS)
        )


def normalised(email: str) -> str:
    """One spelling for each address."""
    return email.strip().lower()


def digest(token: Secret) -> str:
    """What is kept of a token: nobody who reads the table can use it."""
    return hashlib.sha256(token.reveal().encode()).hexdigest()
