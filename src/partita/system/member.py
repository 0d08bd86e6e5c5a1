"""The parts of a system: what is known of each service, before anybody says whether they fit."""

from __future__ import annotations

from dataclasses import dataclass

from partita.contract.contract import Compiled, compiled
from partita.service.fields import dependencies_of
from partita.service.service import Service

__all__ = ["Member", "Parts", "UserIdentity", "member_of"]


@dataclass(frozen=True, kw_only=True)
class UserIdentity:
    """Who vouches for users: the service ``service`` signs their tokens and shows its keys at ``keys``.

    Tokens name ``issuer`` and ``audience``; both are the system's name unless told.
    """

    service: str
    keys: str = "/.well-known/jwks.json"
    issuer: str = ""
    audience: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One service of a system: its class, its compiled contract, and the names of the services that it calls."""

    name: str
    cls: type[Service]
    contract: Compiled
    calls: dict[str, str]


def member_of(cls: type[Service]) -> Member:
    """What a system knows of one service class. Raises ``TypeError`` for a class without a contract."""
    contract = compiled(cls)
    calls = {field: compiled(hint).name for field, hint in dependencies_of(cls).items()}
    return Member(name=contract.name, cls=cls, contract=contract, calls=calls)


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """All that a system is made of."""

    name: str
    members: dict[str, Member]
    roles: tuple[str, ...]
    cycles: tuple[tuple[str, str], ...]
    users: UserIdentity | None
