"""What both placements make of a system: versions, and where users' keys are."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from partita.runtime.plan import UsersPlan
from partita.system.model import System

__all__ = ["users_plan", "version_of"]

VERSION_DIGITS = 8


def version_of(service: type) -> str:
    """The version of a service's code as it lies here: a hash of the Python files in its folder."""
    file = sys.modules[service.__module__].__file__
    if file is None:
        return "0"
    digest = sha256()
    for path in sorted(Path(file).parent.rglob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:VERSION_DIGITS]


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
