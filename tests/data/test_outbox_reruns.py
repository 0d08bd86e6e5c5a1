"""A unit of work that loses while its outbox is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from partita.core.errors import SerializationFailure
from partita.ports.engine import Mode, OutboxRow


async def test_a_unit_that_loses_at_its_outbox_is_run_again(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database may see the conflict no sooner than at the outbox's rows: the handler is run again, as always."""
    lost: list[int] = []
    probe = await bench.engine.begin(Mode.READ, float("inf"))
    kind = type(probe)
    await probe.rollback()
    await probe.release()
    append = kind.append

    async def append_or_lose(self: Any, rows: Sequence[OutboxRow]) -> None:
        if not lost:
            lost.append(len(rows))
            raise SerializationFailure("could not serialize access")
        await append(self, rows)

    monkeypatch.setattr(kind, "append", append_or_lose)
    runs = []

    async def body() -> None:
        runs.append(1)
        bench.db.session.add(bench.Item(name="nails", amount=1))
        await bench.db.publish(bench.Added(id=uuid4(), amount=1))

    await bench.handle(body)
    assert (len(runs), lost) == (2, [1])
    assert await bench.amounts() == {"nails": 1}
    assert len(await bench.db.published()) == 1
