"""Publishing: events are rows of the transaction that published them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text

from partita.core.call import Invocation
from partita.core.clock import Clock
from partita.core.errors import Misuse
from partita.data.outbox import EVENTS_MAX

KEY = UUID("00000000-0000-7000-8000-000000000001")


async def test_events_are_written_in_order_with_the_work(bench: Any) -> None:
    """Events stand in the outbox in the order of publishing, with what a reader needs to know."""
    seen: list[Invocation] = []
    heard: list[Any] = []
    bench.db.on_published = heard.extend

    async def handler() -> None:
        bench.db.session.add(bench.Item(name="nail", amount=1))
        await bench.db.publish(*(bench.Added(id=KEY, amount=number) for number in range(3)))
        await bench.db.publish(bench.Added(id=KEY, amount=3))
        assert heard == []

    before = Clock().now()
    await bench.handle(handler, seen=seen)
    rows = await bench.db.published()
    assert [row.body for row in rows] == [b'{"id":"%s","amount":%d}' % (str(KEY).encode(), n) for n in range(4)]
    assert [row.id for row in rows] == sorted(row.id for row in rows)
    assert len({row.event_id for row in rows}) == 4
    assert {(row.type, row.key, row.version) for row in rows} == {("stock.added", str(KEY), 2)}
    assert {row.traceparent for row in rows} == {seen[0].trace.traceparent()}
    assert all(before <= row.created_at <= Clock().now() for row in rows)
    assert [found.amount for found in heard] == [0, 1, 2, 3]


async def test_events_alone_are_a_transaction(bench: Any) -> None:
    """A handler that only publishes needs no statement of its own."""

    async def handler() -> None:
        await bench.db.publish(bench.Added(id=KEY, amount=1))

    await bench.handle(handler)
    assert len(await bench.db.published()) == 1


async def test_events_go_with_the_rollback(bench: Any) -> None:
    """What a handler published before it failed was never published."""
    heard: list[Any] = []
    bench.db.on_published = heard.extend

    async def handler() -> None:
        await bench.db.publish(bench.Added(id=KEY, amount=1))
        raise LookupError

    with pytest.raises(LookupError):
        await bench.handle(handler)
    assert await bench.db.published() == []
    assert heard == []


async def test_the_outbox_is_the_last_statement(bench: Any) -> None:
    """Rows are written after everything else, so that what orders them is held for as short as can be."""
    order: list[str] = []

    def statement(connection: Any, cursor: Any, sql: str, *_: Any) -> None:
        order.append(sql)

    async def handler() -> None:
        await bench.db.publish(bench.Added(id=KEY, amount=1))
        bench.db.session.add(bench.Item(name="nail"))

    event.listen(bench.engine.sqlalchemy_engine, "after_cursor_execute", statement)
    transactions: list[Any] = []
    begin = bench.engine.begin

    async def watched(*args: Any) -> Any:
        transaction = await begin(*args)
        transactions.append(_Watched(transaction, order))
        return transactions[-1]

    bench.engine.begin = watched
    await bench.handle(handler)
    assert [line.split()[0] for line in order] == ["INSERT", "append", "commit"]


class _Watched:
    """A transaction that notes what goes past SQLAlchemy."""

    def __init__(self, inner: Any, order: list[str]) -> None:
        self._inner = inner
        self._order = order

    def __getattr__(self, name: str) -> Any:
        if name in ("append", "commit"):
            self._order.append(name)
        return getattr(self._inner, name)


async def test_publishing_in_an_explicit_unit(bench: Any) -> None:
    """In ``db.unit()`` events belong to that transaction, with or without a handler around it."""
    async with bench.db.unit() as session:
        await bench.db.publish(bench.Added(id=KEY, amount=1))
        await session.execute(text("INSERT INTO item (name, amount) VALUES ('nail', 1)"))
        assert await bench.db.published() == []
    assert len(await bench.db.published()) == 1


async def test_what_cannot_be_published_is_refused(bench: Any) -> None:
    """No event, too many of them, too long: each said at once, and nothing is written."""

    async def publish(*events: Any) -> None:
        async with bench.db.unit():
            await bench.db.publish(*events)

    added = bench.Added(id=KEY, amount=1)
    with pytest.raises(Misuse, match="which is no event"):
        await publish("stock.added")
    with pytest.raises(Misuse, match=f"over {EVENTS_MAX} events"):
        await publish(*[added] * (EVENTS_MAX + 1))
    with pytest.raises(Misuse, match=r"1048576 is the bound"):
        await publish(bench.Noted(id=KEY, text="x" * (1 << 20)))
    assert await bench.db.published() == []


async def test_many_events_are_one_round_trip(bench: Any) -> None:
    """A thousand events are written, and come back in order."""
    async with bench.db.unit():
        await bench.db.publish(*(bench.Added(id=KEY, amount=number) for number in range(EVENTS_MAX)))
    rows = await bench.db.published()
    assert [row.body.endswith(b'"amount":%d}' % number) for number, row in enumerate(rows)] == [True] * EVENTS_MAX
