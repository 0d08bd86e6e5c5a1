"""Column types that mean the same on SQLite and on PostgreSQL.

SQLAlchemy's ``Uuid``, ``JSON``, ``String``, ``Text``, ``Integer``, ``BigInteger``, ``Boolean``, ``LargeBinary`` and
``Enum`` are portable as they are. ``DateTime`` is not: SQLite forgets the zone; use ``UtcDateTime`` for points in time.
``Numeric`` is a float on SQLite: keep money in whole cents, as ``BigInteger``.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator

__all__ = ["UtcDateTime"]


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, with its zone, to the microsecond. Comes back in UTC.

    PostgreSQL keeps it as ``timestamptz``, SQLite as text in UTC, so that it sorts and compares. A datetime without a
    zone is refused with ``ValueError``: nobody knows which point in time it is.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use Clock.now(), or datetime(..., tzinfo=UTC)")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
