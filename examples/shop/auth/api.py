"""What auth promises."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from examples.shop.vocabulary import Email, Password, Words
from partita import PUBLIC, Contract, Event, Invalid, Message, Problem, Secret, get, post

__all__ = [
    "Account",
    "Auth",
    "Credentials",
    "EmailTaken",
    "Jwk",
    "Jwks",
    "NewAccount",
    "Refresh",
    "RefreshRefused",
    "Tokens",
    "TooManyAttempts",
    "UserRegistered",
    "WrongCredentials",
]


class EmailTaken(Problem, status=409):
    """There is an account with this email address."""


class WrongCredentials(Problem, status=401, commits=True):
    """The email address or the password is wrong."""


class TooManyAttempts(Problem, status=429):
    """Too many failed logins; wait before the next one."""

    wait_s: int


class RefreshRefused(Problem, status=401):
    """The refresh token is not valid; log in again."""


class NewAccount(Message):
    """Somebody who wants to buy something."""

    email: Email
    password: Password
    name: Words


class Account(Message):
    """An account, as its owner may see it."""

    id: UUID
    email: str


class Credentials(Message):
    """What a login needs."""

    email: Email
    password: Secret


class Refresh(Message):
    """A refresh token, to be exchanged or given up."""

    refresh_token: Secret


class Tokens(Message):
    """An access token for some minutes, and the token that gets the next pair, once."""

    access_token: Secret
    refresh_token: Secret
    expires_in: int
    token_type: str = "Bearer"


class Jwk(Message):
    """A public key (RFC 8037)."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    use: str = "sig"
    alg: str = "EdDSA"


class Jwks(Message):
    """The keys that tokens are verified with (RFC 7517)."""

    keys: tuple[Jwk, ...]


class UserRegistered(Event, name="auth.user-registered", key="id"):
    """Somebody registered."""

    id: UUID
    email: str
    name: str


class Auth(Contract, Protocol, name="auth", publishes=[UserRegistered]):
    """Accounts, logins, and the tokens that name a user to every other service."""

    @post("/register", access=PUBLIC, status=201, timeout=5, raises=[EmailTaken, Invalid])
    async def register(self, account: NewAccount) -> Account:
        """Make an account and the customer's profile."""
        ...

    @post("/login", access=PUBLIC, timeout=5, raises=[WrongCredentials, TooManyAttempts])
    async def login(self, credentials: Credentials) -> Tokens:
        """Exchange an email address and a password for tokens."""
        ...

    @post("/token/refresh", access=PUBLIC, raises=[RefreshRefused])
    async def refresh(self, token: Refresh) -> Tokens:
        """Exchange a refresh token for a new pair. It is good for one exchange."""
        ...

    @post("/logout", access=PUBLIC)
    async def logout(self, token: Refresh) -> None:
        """Give a refresh token up. A token that is not known is no mistake."""
        ...

    @get("/.well-known/jwks.json", access=PUBLIC)
    async def keys(self) -> Jwks:
        """The public keys of this shop's access tokens."""
        ...
