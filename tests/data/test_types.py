"""Column types that mean the same on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, Table, Uuid, insert, select
from sqlalchemy.exc import StatementError

from partita.data import UtcDateTime

TABLES = MetaData()
THING = Table(
    "thing",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime),
    Column("key", Uuid),
    Column("value", JSON),
)


@pytest.fixture
async def things(bench: Any) -> Any:
    """The bench, with the table."""
    await bench.engine.migrate(TABLES.create_all)
    return bench


async def test_values_come_back_as_they_went(things: Any) -> None:
    """A point in time keeps its microseconds and comes back in UTC; UUIDs and JSON come back as what they were."""
    at = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    key = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    async with things.db.unit() as session:
        await session.execute(insert(THING).values(id=1, at=at, key=key, value={"a": [1, None, "ä"], "id": key}))
        await session.execute(insert(THING).values(id=2, at=None, key=None, value=None))
    async with things.db.read() as session:
        first, second = (await session.execute(select(THING).order_by(THING.c.id))).all()
    assert first.at == at
    assert first.at.tzinfo is UTC
    assert first.key == key
    assert first.value == {"a": [1, None, "ä"], "id": str(key)}
    assert (second.at, second.key) == (None, None)


async def test_points_in_time_compare_and_sort(things: Any) -> None:
    """Whatever zone they came in, the database puts them in order."""
    early = datetime(2026, 1, 1, 12, tzinfo=UTC)
    late = datetime(2026, 1, 1, 12, 30, tzinfo=timezone(timedelta(hours=-5)))
    async with things.db.unit() as session:
        await session.execute(insert(THING), [{"id": 1, "at": late}, {"id": 2, "at": early}])
        assert (await session.scalars(select(THING.c.id).order_by(THING.c.at))).all() == [2, 1]
        after = early + timedelta(hours=1)
        assert (await session.scalars(select(THING.c.id).where(THING.c.at > after))).all() == [1]


async def test_a_time_without_a_zone_is_refused(things: Any) -> None:
    """Nobody knows which point in time it is; the error names the clock."""
    with pytest.raises(StatementError, match=r"has no time zone; use Clock\.now\(\)"):
        async with things.db.unit() as session:
            await session.execute(insert(THING).values(id=1, at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_what_json_cannot_hold_is_an_error() -> None:
    """JSON columns are written by msgspec, which says what it cannot write."""
    from partita.adapters.json import json_dumps, json_loads

    assert json_loads(json_dumps({"price": Decimal("1.50")})) == {"price": "1.50"}
    with pytest.raises(TypeError, match="object"):
        json_dumps({"a": object()})
