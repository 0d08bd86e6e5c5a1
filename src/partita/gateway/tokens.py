"""The check of users' tokens: Envoy's JWT filter, and what each route asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partita.gateway.routes import Access, InlineKeys, JwtRule, RemoteKeys
from partita.gateway.xds import typed

__all__ = ["FILTER", "requirement", "token_filter"]

FILTER = "envoy.filters.http.jwt_authn"
_TYPE = "extensions.filters.http.jwt_authn.v3."

# As in the services' own check (partita.identity), so that the two agree about a token's last seconds.
LEEWAY_S = 10
FETCH_TIMEOUT_S = 5
REFETCH_S = 0.25
VERIFIED_TOKENS_MAX = 4096


def token_filter(rules: Sequence[JwtRule]) -> dict[str, Any]:
    """The filter. It does nothing on a route that does not name a requirement."""
    providers = {f"rule-{index}": _provider(rule) for index, rule in enumerate(rules)}
    known: list[dict[str, Any]] = [{"provider_name": name} for name in providers]
    return {
        "name": FILTER,
        "typed_config": typed(
            _TYPE + "JwtAuthentication",
            providers=providers,
            requirement_map={"token": _any(known), "public": _any([*known, {"allow_missing": {}}])},
        ),
    }


def requirement(access: Access) -> dict[str, Any]:
    """What a route says to the filter."""
    return {FILTER: typed(_TYPE + "PerRouteConfig", requirement_name=access)}


def _any(requirements: list[dict[str, Any]]) -> dict[str, Any]:
    if len(requirements) == 1:
        return requirements[0]
    return {"requires_any": {"requirements": requirements}}


def _provider(rule: JwtRule) -> dict[str, Any]:
    return {
        "issuer": rule.issuer,
        "audiences": [rule.audience],
        # Named, since the default also takes a token from the query, where logs and histories keep it.
        # Envoy compares the scheme by letters; a mixed spelling is a request without a token.
        "from_headers": [
            {"name": "Authorization", "value_prefix": prefix} for prefix in ("Bearer ", "bearer ", "BEARER ")
        ],
        "forward": True,
        "require_expiration": True,
        "clock_skew_seconds": LEEWAY_S,
        "jwt_cache_config": {"jwt_cache_size": VERIFIED_TOKENS_MAX},
        **_keys(rule.keys),
    }


def _keys(keys: InlineKeys | RemoteKeys) -> dict[str, Any]:
    if isinstance(keys, InlineKeys):
        return {"local_jwks": {"inline_string": keys.jwks.decode()}}
    return {
        "remote_jwks": {
            "http_uri": {
                "uri": f"http://{keys.service}{keys.path}",
                "cluster": keys.service,
                "timeout": f"{FETCH_TIMEOUT_S}s",
            },
            "cache_duration": f"{keys.refresh_s}s",
            # Fetched before the first request, and again soon where the service was not up yet.
            "async_fetch": {"failed_refetch_duration": f"{REFETCH_S}s"},
        }
    }
