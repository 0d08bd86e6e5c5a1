"""What a gateway is told: routes, the places where services listen, and whose tokens count."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from partita.core.errors import Mistake

__all__ = ["Document", "Endpoint", "InlineKeys", "JwtRule", "RemoteKeys", "Resource", "Route", "mistakes", "resources"]

Access = Literal["public", "token"]

_PATH = re.compile(r"(/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]+|\{\w+\}))+|/")
_METHOD = re.compile(r"[A-Z]+")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One operation that may be reached from outside. What has no route cannot be reached.

    ``path`` is a template as ``/products/{sku}``, where a parameter is one whole segment. ``access`` is ``token`` where
    a valid token is required; with ``public`` a guest may call, but a token that is sent must be valid. ``timeout_s``
    is the operation's own; a ``stream`` (server-sent events, a download) may last as long as bytes flow.
    """

    service: str
    operation: str
    method: str
    path: str
    access: Access
    timeout_s: float = 1.0
    stream: bool = False

    @property
    def name(self) -> str:
        """Service and operation, as in ``orders.place``."""
        return f"{self.service}.{self.operation}"


class Endpoint(msgspec.Struct, frozen=True):
    """Where one replica listens: a numeric address and a TCP port."""

    host: str
    port: int


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """JSON that the gateway answers by itself at ``path``, to everybody."""

    path: str
    body: bytes


class InlineKeys(msgspec.Struct, frozen=True):
    """Public keys that are known now: a JSON Web Key Set (RFC 7517)."""

    jwks: bytes


class RemoteKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Public keys that a service publishes at ``path``. Envoy fetches them at start and every ``refresh_s`` seconds.

    A key should be published for at least ``refresh_s`` before a token is signed with it.
    """

    service: str
    path: str = "/.well-known/jwks.json"
    refresh_s: float = 60.0


class JwtRule(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of ``issuer`` (``iss``) for ``audience`` (``aud``) count when one of ``keys`` signed them."""

    issuer: str
    audience: str
    keys: InlineKeys | RemoteKeys


class Resource(msgspec.Struct, frozen=True):
    """A path and the routes on it, one for a method, in the order in which they were given."""

    path: str
    routes: tuple[Route, ...]

    @property
    def is_exact(self) -> bool:
        """Whether the path has no parameter."""
        return "{" not in self.path

    @property
    def regex(self) -> str:
        """The path as an RE2 expression for the whole path of a request."""
        return "/" + "/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in self.path[1:].split("/"))

    @property
    def allowed(self) -> tuple[str, ...]:
        """What the ``Allow`` header says."""
        methods = {route.method for route in self.routes}
        return tuple(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


def _shape(path: str) -> tuple[str, ...]:
    return tuple("{}" if part.startswith("{") else part for part in path[1:].split("/"))


def _rank(path: str) -> tuple[bool, tuple[bool, ...], tuple[str, ...]]:
    """Exact paths first, then by the first segment that is plain in one and a parameter in the other."""
    shape = _shape(path)
    plain = tuple(part == "{}" for part in shape)
    return any(plain), plain, shape


def resources(routes: Iterable[Route]) -> tuple[Resource, ...]:
    """Routes by their paths, the most specific first: ``/products/search`` before ``/products/{sku}``.

    A service's own router chooses the same way, so that a system answers alike with and without a gateway.
    """
    by_shape: dict[tuple[str, ...], list[Route]] = {}
    for route in routes:
        by_shape.setdefault(_shape(route.path), []).append(route)
    found = [Resource(routes[0].path, tuple(routes)) for routes in by_shape.values()]
    return tuple(sorted(found, key=lambda resource: _rank(resource.path)))


def mistakes(routes: Iterable[Route]) -> list[Mistake]:
    """What is wrong with these routes, all at once."""
    found: list[Mistake] = []
    taken: dict[tuple[str, tuple[str, ...]], Route] = {}
    for route in routes:
        if not _PATH.fullmatch(route.path):
            found.append(Mistake(route.name, f"{route.path!r} is no path.", "Write it as /products/{sku}."))
            continue
        if not _METHOD.fullmatch(route.method) or route.method in ("HEAD", "OPTIONS", "CONNECT", "TRACE"):
            fact = f"{route.method!r} cannot be routed."
            found.append(Mistake(route.name, fact, "Use GET, POST, PUT, PATCH or DELETE."))
        if not 0 < route.timeout_s <= 3600:
            found.append(Mistake(route.name, f"its timeout is {route.timeout_s} s.", "Choose one up to 3600 s."))
        other = taken.setdefault((route.method, _shape(route.path)), route)
        if other is not route:
            fact = f"{route.method} {route.path} is {other.name} ({other.path}) already."
            found.append(Mistake(route.name, fact, "Give one of them another path."))
    return found
