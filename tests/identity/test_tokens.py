"""Tokens of users and of services: what is let in and what is not."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import jwt
import msgspec
import pytest

from partita import INTERNAL, PUBLIC, USER, Forbidden, Unauthenticated, User, role
from partita.contract.access import Access
from partita.identity.rules import authorize
from partita.identity.tokens import (
    KeySet,
    ServiceTokens,
    SigningKey,
    UserTokens,
    jwk_of,
    keys_of,
    mint_service_token,
    mint_user_token,
)

ADA = User(id=UUID(int=1), roles=("admin",))
KEY = SigningKey.generate("k1")
OTHER = SigningKey.generate("k1")


def token(**changes: Any) -> str:
    """A good token of Ada's, but for the changes."""
    arguments: dict[str, Any] = {"issuer": "shop", "audience": "shop", "user": ADA, "now_s": time.time(), "life_s": 60}
    key = changes.pop("key", KEY)
    return mint_user_token(key, **{**arguments, **changes})


def verifier(*keys: SigningKey) -> UserTokens:
    """A verifier that knows the keys."""

    async def fetch() -> KeySet:
        return keys_of(msgspec.json.encode({"keys": [jwk_of(key.kid, key.public) for key in keys or (KEY,)]}))

    return UserTokens(issuer="shop", audience="shop", keys=fetch)


async def test_a_good_token_names_its_user() -> None:
    """A token that its issuer signed names the user and the roles, also when it is seen again."""
    tokens, good = verifier(), token()
    assert await tokens.verify(good) == ADA
    assert await tokens.verify(good) == ADA


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "else"},
        {"audience": "else"},
        {"now_s": time.time() - 3600},
        {"now_s": time.time() + 3600},
        {"key": OTHER},
        {"key": SigningKey.generate("k2")},
    ],
    ids=["issuer", "audience", "expired", "not yet", "wrong signature", "unknown key"],
)
async def test_a_token_that_does_not_fit(changes: dict[str, Any]) -> None:
    """A token of another issuer, for another audience, of another time or by another key is refused."""
    with pytest.raises(Unauthenticated):
        await verifier().verify(token(**changes))


async def test_forged_headers() -> None:
    """A token that is not signed, signed with a shared secret, oversized, or no token, is refused."""
    claims = {"iss": "shop", "aud": "shop", "sub": str(ADA.id), "iat": 1, "exp": 9999999999}
    public = KEY.public.public_bytes_raw()
    forged = [
        jwt.encode(claims, "", algorithm="none", headers={"kid": "k1"}),
        jwt.encode(claims, public + b"\0" * 32, algorithm="HS256", headers={"kid": "k1"}),
        jwt.encode(claims, KEY.private, algorithm="EdDSA", headers={"kid": "k1", "crit": ["x"], "x": 1}),
        "a.b.c", "", "x" * 10_000, token() + "x", token().rpartition(".")[0] + ".",
    ]  # fmt: skip
    for each in forged:
        with pytest.raises(Unauthenticated):
            await verifier().verify(each)


@pytest.mark.parametrize("missing", ["exp", "iat", "iss", "aud", "sub"])
async def test_a_token_without_a_claim(missing: str) -> None:
    """Every claim that is checked must be there."""
    now = int(time.time())
    claims = {"iss": "shop", "aud": "shop", "sub": str(ADA.id), "iat": now, "exp": now + 60}
    del claims[missing]
    with pytest.raises(Unauthenticated):
        await verifier().verify(KEY.sign(claims))


async def test_a_new_key_is_fetched_once_for_a_while() -> None:
    """A token with a name of a key that is unknown makes the keys be fetched again, and not for each such token."""
    fetched = 0

    async def fetch() -> KeySet:
        nonlocal fetched
        fetched += 1
        return {"k1": KEY.public}

    tokens = UserTokens(issuer="shop", audience="shop", keys=fetch)
    assert await tokens.verify(token()) == ADA
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await tokens.verify(token(key=SigningKey.generate(f"x{number}")))
    assert fetched == 1


def test_a_service_proves_itself_to_one_callee() -> None:
    """A token for payments is worth nothing at inventory."""
    made = mint_service_token(KEY, system="shop", caller="orders", callee="payments", now_s=time.time(), life_s=60)
    assert ServiceTokens(system="shop", audience="payments", keys={"k1": KEY.public}).verify(made) == "orders"
    for stranger in (
        ServiceTokens(system="shop", audience="inventory", keys={"k1": KEY.public}),
        ServiceTokens(system="other", audience="payments", keys={"k1": KEY.public}),
        ServiceTokens(system="shop", audience="payments", keys={"k1": OTHER.public}),
        ServiceTokens(system="shop", audience="payments", keys={}),
    ):
        with pytest.raises(Unauthenticated):
            stranger.verify(made)


def test_a_key_survives_its_file() -> None:
    """A signing key that is written and read signs the same."""
    again = SigningKey.from_pem("k1", KEY.pem())
    assert again.public == KEY.public
    with pytest.raises(ValueError, match="not a JSON Web Key Set"):
        keys_of(b"[1]")


BOB = User(id=UUID(int=2))


@pytest.mark.parametrize(
    ("access", "user", "caller", "refused"),
    [
        (PUBLIC, None, None, None),
        (USER, BOB, None, None),
        (USER, None, None, Unauthenticated),
        (USER, None, "orders", Unauthenticated),
        (role("admin"), ADA, None, None),
        (role("admin"), BOB, None, Forbidden),
        (role("admin"), None, None, Unauthenticated),
        (INTERNAL, None, "orders", None),
        (INTERNAL, None, None, Forbidden),
        (INTERNAL, ADA, None, Forbidden),
        (INTERNAL | role("admin"), ADA, None, None),
        (INTERNAL | role("admin"), None, "orders", None),
        (INTERNAL | role("admin"), BOB, None, Forbidden),
        (INTERNAL | role("admin"), None, None, Unauthenticated),
    ],
)
def test_who_may_call(access: Access, user: User | None, caller: str | None, refused: type[Exception] | None) -> None:
    """The access rule, case by case."""
    if refused is None:
        assert authorize(access, user, caller) is None  # type: ignore[func-returns-value]
    else:
        with pytest.raises(refused):
            authorize(access, user, caller)
