"""What both placements make of a system: versions, settings, databases, and where users' keys are."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from partita.core.errors import Mistake, SettingsRefused
from partita.core.settings import Settings, read_settings
from partita.data.database import Database
from partita.runtime.plan import UsersPlan
from partita.service.fields import fields_of
from partita.system.member import Member
from partita.system.model import System

__all__ = ["has_database", "require_settings", "users_plan", "version_of"]

VERSION_DIGITS = 8


def version_of(service: type) -> str:
    """The version of a service's code as it lies here: a hash of the Python files in its folder.

    A service in the folder that Partita was started in, which may hold anything, is hashed by its own file alone.
    """
    file = sys.modules[service.__module__].__file__
    if file is None:
        return "0"
    digest = sha256()
    folder = Path(file).parent
    for path in sorted(folder.rglob("*.py")) if "." in service.__module__ else [Path(file)]:
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:VERSION_DIGITS]


def has_database(member: Member) -> bool:
    """Whether the service asks for a database."""
    return any(isinstance(hint, type) and issubclass(hint, Database) for hint in fields_of(member.cls).values())


def require_settings(system: System, environment: Mapping[str, str]) -> None:
    """Raise ``SettingsRefused`` with everything that is missing or does not fit, of all services at once."""
    mistakes: list[Mistake] = []
    for name, member in system.members.items():
        for hint in fields_of(member.cls).values():
            if isinstance(hint, type) and issubclass(hint, Settings):
                try:
                    read_settings(hint, name, environment)
                except SettingsRefused as refused:
                    mistakes.extend(refused.mistakes)
    if mistakes:
        raise SettingsRefused(dict.fromkeys(mistakes))


def users_plan(system: System, urls: Mapping[str, str]) -> UsersPlan | None:
    """How services verify users' tokens."""
    users = system.users
    if users is None:
        return None
    return UsersPlan(
        issuer=users.issuer or system.name,
        audience=users.audience or system.name,
        service=users.service,
        url=urls[users.service],
        path=users.keys,
    )
