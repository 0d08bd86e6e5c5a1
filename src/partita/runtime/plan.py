"""What a process is told about the service that it runs: plain data, handed over as JSON."""

from __future__ import annotations

import msgspec

__all__ = ["Plan", "UsersPlan"]


class UsersPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How users' tokens are verified. ``url`` and ``path`` lead to the keys of whoever signs them."""

    issuer: str
    audience: str
    service: str
    url: str
    path: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One service: ``entry`` is ``module:Class``; ``peers`` are the URLs of the services that it calls, ``tokens`` what
    it shows them, ``trusted`` the JSON Web Key Set of the control process, which signs service and operator tokens."""

    system: str
    service: str
    entry: str
    version: str
    database_url: str | None
    peers: dict[str, str]
    tokens: dict[str, str]
    trusted: str
    users: UsersPlan | None = None
