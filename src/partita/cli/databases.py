"""The services' databases on PostgreSQL: the embedded server's, or another's."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

import asyncpg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from partita.adapters.postgresql.provision import provision
from partita.core.errors import StartFailed

__all__ = ["make_databases", "place_of"]

PASSWORD_BYTES = 24


async def make_databases(admin_url: str, system: str, services: Iterable[str], *, option: str) -> Mapping[str, str]:
    """The URL of each service's own database, made where it is not there yet.

    ``option`` is where a person named the server. Raises ``StartFailed`` with what the server refused, and why.
    """
    passwords = {name: secrets.token_urlsafe(PASSWORD_BYTES) for name in services}
    try:
        admin = make_url(admin_url)
    except (ArgumentError, ValueError):
        raise StartFailed(f"{option} is not like postgresql://user:password@host:5432/postgres.") from None
    if admin.get_backend_name() not in ("postgresql", "postgres"):
        raise StartFailed(f"{option} names {admin.get_backend_name()}, and services are kept on PostgreSQL here.")
    try:
        return await provision(admin_url, passwords, prefix=f"{system}-")
    except StartFailed as failed:
        sentence = _sentence(failed.__cause__, admin, option)
        if sentence is None:
            raise
        raise StartFailed(sentence) from failed.__cause__


def place_of(url: str) -> str:
    """A database's URL for people: without the password."""
    found = make_url(url)
    return f"{found.database} on {found.host}:{found.port or 5432}"


def _sentence(cause: BaseException | None, admin: URL, option: str) -> str | None:
    where = f"{admin.host or 'localhost'}:{admin.port or 5432}"
    role = f"the role {admin.username!r}"
    if isinstance(cause, asyncpg.InvalidPasswordError):
        return f"PostgreSQL at {where} refuses the password of {role}: mend {option}."
    if isinstance(cause, asyncpg.InvalidAuthorizationSpecificationError):
        return f"PostgreSQL at {where} does not let {role} in: {_text(cause)}. Mend {option}."
    if isinstance(cause, asyncpg.InvalidCatalogNameError):
        return f"PostgreSQL at {where} has no database {admin.database!r}: name one that is there in {option}."
    if isinstance(cause, asyncpg.InsufficientPrivilegeError):
        return (
            f"PostgreSQL at {where} does not allow {role} to make databases and roles: {_text(cause)}. "
            f'Allow it (ALTER ROLE "{admin.username}" CREATEDB CREATEROLE), or name another role in {option}.'
        )
    if isinstance(cause, TimeoutError):
        return f"PostgreSQL at {where} did not answer in time. Start it, or mend {option}."
    if isinstance(cause, OSError):
        reason = "nobody listens there" if isinstance(cause, ConnectionRefusedError) else cause.strerror or str(cause)
        return f"PostgreSQL at {where} cannot be reached: {reason}. Start it, or mend {option}."
    return None


def _text(cause: BaseException) -> str:
    return str(cause).splitlines()[0].rstrip(".")
