"""Whose request it is: users' tokens, the operator's, services' tokens."""

from __future__ import annotations

import time
from uuid import UUID

import msgspec
import pytest

from partita import Unauthenticated, User
from partita.contract.problems import Busy
from partita.identity.tokens import (
    KeySet,
    SigningKey,
    UserTokens,
    jwk_of,
    keys_of,
    mint_service_token,
    mint_user_token,
)
from partita.runtime.identification import Identification, operator_issuer

ADA = User(id=UUID(int=1), roles=("admin",))
OPERATOR, USERS = SigningKey.generate("operator"), SigningKey.generate("users")


def keys(key: SigningKey) -> KeySet:
    return keys_of(msgspec.json.encode({"keys": [jwk_of(key.kid, key.public)]}))


def identification(users: UserTokens | None = None) -> Identification:
    return Identification(system="shop", service="orders", trusted=keys(OPERATOR), users=users)


def of_users() -> UserTokens:
    async def found() -> KeySet:
        return keys(USERS)

    return UserTokens(issuer="shop", audience="shop", keys=found)


def user_token(key: SigningKey, issuer: str) -> dict[str, str]:
    token = mint_user_token(key, issuer=issuer, audience="shop", user=ADA, now_s=time.time(), life_s=60)
    return {"authorization": f"Bearer {token}"}


def service_token(key: SigningKey, callee: str = "orders") -> dict[str, str]:
    issuer = operator_issuer("shop")
    token = mint_service_token(key, system=issuer, caller="cart", callee=callee, now_s=time.time(), life_s=60)
    return {"partita-caller": token}


async def test_nobody_is_nobody() -> None:
    """Without a header there is neither user nor caller."""
    found = await identification()({})
    assert (found.user, found.caller) == (None, None)


@pytest.mark.parametrize(("key", "issuer"), [(USERS, "shop"), (OPERATOR, operator_issuer("shop"))])
async def test_users_are_vouched_for(key: SigningKey, issuer: str) -> None:
    """A token of the system's own users, and one that the operator signs, name the user."""
    found = await identification(of_users())(user_token(key, issuer))
    assert found.user == ADA


async def test_a_users_key_does_not_make_operators() -> None:
    """Whoever signs users' tokens cannot pass for the operator, nor the operator's key for the users'."""
    for key, issuer in ((USERS, operator_issuer("shop")), (OPERATOR, "shop")):
        with pytest.raises(Unauthenticated):
            await identification(of_users())(user_token(key, issuer))


async def test_services_prove_themselves_to_one_callee() -> None:
    """A service's token names it to the callee that it was made for, and to nobody else."""
    assert (await identification()(service_token(OPERATOR))).caller == "cart"
    for headers in (service_token(OPERATOR, "payments"), service_token(USERS)):
        with pytest.raises(Unauthenticated):
            await identification()(headers)


@pytest.mark.parametrize("text", ["Basic YTpi", "Bearer", "Bearer ", "x"])
async def test_other_schemes_are_refused(text: str) -> None:
    """What is no bearer token is refused, not ignored."""
    with pytest.raises(Unauthenticated):
        await identification(of_users())({"authorization": text})


async def test_unknown_keys_say_nothing_about_a_token() -> None:
    """While the users' keys cannot be had, a token is answered 503, not 401."""

    async def lost() -> KeySet:
        raise Busy(reason="no keys")

    users = UserTokens(issuer="shop", audience="shop", keys=lost)
    with pytest.raises(Busy):
        await identification(users)(user_token(USERS, "shop"))
