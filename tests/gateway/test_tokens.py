"""Users' tokens at the gateway: which pass, and what the others are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from partita.gateway.config import Gateway
from partita.gateway.routes import JwtRule, RemoteKeys, Route
from partita.gateway.tokens import token_filter

WAIT_S = 10.0


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("issuer", ["auth", "operator"])
def test_a_good_token_passes_and_is_handed_on(gateway: Any, request: pytest.FixtureRequest, issuer: str) -> None:
    """A token of either issuer opens a route that requires one, and reaches the service for its own check."""
    header = bearer(request.getfixturevalue(issuer).token())
    for path in ("/mine", "/products"):
        reply = gateway.ask("GET", path, header)
        assert (reply.status, reply.told["authorization"]) == (200, [header["authorization"]])
    assert gateway.ask("POST", "/orders", header, b"{}").status == 200


def test_a_guest_may_use_public_routes_only(gateway: Any) -> None:
    """Without a token, a public route is open and another answers 401 with the scheme to use."""
    assert gateway.ask("GET", "/products").status == 200
    reply = gateway.ask("GET", "/mine")
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["type"].endswith(":unauthenticated")
    assert gateway.services["catalog"].seen == ["GET /products"]


GOOD = {"aud": "shop", "sub": "eve", "exp": 4_000_000_000}


def parts(token: str) -> list[str]:
    """Head, payload and signature."""
    return token.split(".")


def encoded(value: Any) -> str:
    """A part of a token."""
    return jwt.utils.base64url_encode(json.dumps(value).encode()).decode()


BAD: dict[str, Callable[[Any, Any], str]] = {
    "expired": lambda auth, _: auth.token(exp=1_700_000_000),
    "never expires": lambda auth, _: auth.token(exp=None),
    "not yet valid": lambda auth, _: auth.token(nbf=3_999_999_999),
    "another audience": lambda auth, _: auth.token(aud="another"),
    "no audience": lambda auth, _: auth.token(aud=None),
    "unknown issuer": lambda auth, _: auth.token(iss="evil"),
    "no issuer": lambda auth, _: auth.token(iss=None),
    "the other issuer's key": lambda auth, operator: operator.token(iss=auth.name),
    "another key of that name": lambda auth, _: type(auth)(auth.name, auth.kid).token(),
    "alg none": lambda auth, _: f"{encoded({'alg': 'none'})}.{parts(auth.token())[1]}.",
    "alg none, signed": lambda auth, _: ".".join([encoded({"alg": "none"}), *parts(auth.token())[1:]]),
    "HMAC by the public key": lambda auth, _: jwt.encode(
        {**GOOD, "iss": auth.name}, auth.key.public_key().public_bytes_raw(), "HS256", {"kid": auth.kid}
    ),
    "changed payload": lambda auth, _: ".".join(
        [parts(auth.token())[0], encoded({**GOOD, "iss": auth.name}), parts(auth.token())[2]]
    ),
    "no signature": lambda auth, _: ".".join(parts(auth.token())[:2]) + ".",
    "two parts": lambda auth, _: ".".join(parts(auth.token())[:2]),
    "garbage": lambda *_: "garbage",
}


@pytest.mark.parametrize("path", ["/mine", "/products"])
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_token_is_refused(gateway: Any, auth: Any, operator: Any, path: str, fault: str) -> None:
    """A token that does not hold is 401, also where none is needed: it is never taken for a guest's request."""
    reply = gateway.ask("GET", path, bearer(BAD[fault](auth, operator)))
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert reply.json["type"].endswith(":unauthenticated")
    assert gateway.services["catalog"].seen == []


def test_a_token_counts_in_its_header_only(gateway: Any, auth: Any) -> None:
    """A token in the query, in a cookie or under another scheme is none."""
    token = auth.token()
    assert gateway.ask("GET", f"/mine?access_token={token}").status == 401
    assert gateway.ask("GET", "/mine", {"cookie": f"access_token={token}"}).status == 401
    assert gateway.ask("GET", "/mine", {"authorization": f"Basic {token}"}).status == 401


def test_the_scheme_may_be_written_small(gateway: Any, auth: Any) -> None:
    """``bearer`` is ``Bearer`` (RFC 9110, section 11.1), for good tokens and for bad ones."""
    assert gateway.ask("GET", "/mine", {"authorization": f"bearer {auth.token()}"}).status == 200
    assert gateway.ask("GET", "/products", {"authorization": f"bearer {auth.token(aud='x')}"}).status == 401


def test_a_scheme_without_a_token_is_a_guests(gateway: Any) -> None:
    """An empty ``Bearer`` is no token: public routes serve it, others do not."""
    assert gateway.ask("GET", "/products", {"authorization": "Bearer "}).status == 200
    assert gateway.ask("GET", "/mine", {"authorization": "Bearer "}).status == 401


def test_a_good_token_does_not_cover_a_bad_one(gateway: Any, auth: Any) -> None:
    """Two tokens in two headers do not pass, whichever comes first."""
    good, bad = auth.token(), auth.token(exp=1_700_000_000)
    for first, second in ((good, bad), (bad, good)):
        reply = gateway.raw(
            f"GET /mine HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {first}\r\n"
            f"authorization: Bearer {second}\r\n\r\n".encode()
        )
        assert reply.status == 401


def test_without_rules_no_token_is_trusted(start: Any, services: Any, auth: Any) -> None:
    """A gateway that knows no issuer keeps routes shut that require a token, and opens the public ones."""
    mine = Route(service="catalog", operation="mine", method="GET", path="/mine", access="token")
    routes = (mine, Route(service="catalog", operation="all", method="GET", path="/products", access="public"))
    running = start(Gateway(system="shop", routes=routes, port=0), {"catalog": services["catalog"]})
    assert running.ask("GET", "/mine", bearer(auth.token())).status == 401
    assert running.ask("GET", "/products").status == 200


async def test_keys_are_fetched_when_their_service_comes_up(start: Any, services: Any, auth: Any) -> None:
    """While the keys are unknown a token is answered 503, not 401; once they are there, it passes."""
    route = Route(service="catalog", operation="mine", method="GET", path="/mine", access="token")
    rule = JwtRule(issuer=auth.name, audience="shop", keys=RemoteKeys(service="auth"))
    gateway = Gateway(system="shop", routes=(route,), rules=(rule,), port=0)
    running = await asyncio.to_thread(start, gateway, {"catalog": services["catalog"]})
    header = bearer(auth.token())

    early = await asyncio.to_thread(running.ask, "GET", "/mine", header)
    assert (early.status, early.headers.get("retry-after")) == (503, "1")

    await running.admin.acknowledged([running.files.write_endpoints("auth", [services["auth"].endpoint])])
    async with asyncio.timeout(WAIT_S):
        while (await asyncio.to_thread(running.ask, "GET", "/mine", header)).status != 200:
            pass


def test_keys_are_refreshed(start: Any, auth: Any) -> None:
    """The remote keys are asked for again after the time that the rule says."""
    rule = JwtRule(issuer=auth.name, audience="shop", keys=RemoteKeys(service="auth", refresh_s=7.0))
    provider = token_filter([rule])["typed_config"]["providers"]["rule-0"]
    assert provider["remote_jwks"]["cache_duration"] == "7.0s"
