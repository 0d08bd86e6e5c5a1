"""One running copy of a service: how it starts, fails to start, and what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita import PUBLIC, Contract, Database, Service, Settings, get
from partita.core.errors import ServiceRefused, SettingsRefused, StartFailed
from partita.rpc.local import LocalChannel
from partita.runtime.engines import open_engine
from partita.runtime.replica import Replica
from partita.runtime.tables import migrations_of, tables_of
from partita.runtime.together import Together


class Base(DeclarativeBase): ...


class Row(Base):
    __tablename__ = "rows"

    id: Mapped[int] = mapped_column(primary_key=True)


class Count(Contract, Protocol, name="count"):
    @get("/count", access=PUBLIC)
    async def count(self) -> int: ...


class Double(Contract, Protocol, name="double"):
    @get("/double", access=PUBLIC)
    async def double(self) -> int: ...


class CountSettings(Settings):
    start: int
    step: int


class CountService(Count, Service):
    db: Database

    async def on_start(self) -> None:
        self.log = ["started"]

    async def on_stop(self) -> None:
        self.log.append("stopped")
        if "fail" in self.log:
            raise RuntimeError("at the end")

    async def count(self) -> int:
        return len((await self.db.session.scalars(Row.__table__.select())).all())


class DoubleService(Double, Service):
    count: Count

    async def on_start(self) -> None:
        raise RuntimeError("no")

    async def double(self) -> int:
        return 2 * await self.count.count()


def no_channel(name: str) -> LocalChannel:
    return LocalChannel(lambda operation: None, caller=name)


@pytest.fixture
def replica(tmp_path: Path) -> Callable[..., Replica]:
    """A replica with a database in a file."""

    def made(cls: type[Service] = CountService, **options: Any) -> Replica:
        options.setdefault("database_url", f"sqlite:///{tmp_path}/a.db")
        return Replica(cls, channels=no_channel, create=True, **options)

    return made


async def test_a_replica_starts_answers_and_stops(replica: Callable[..., Replica]) -> None:
    """It is ready between start and stop, and the service's own hooks run in that order."""
    one = replica(version="7")
    pages = one.pages()
    assert (await pages["/readyz"]()).status == 503
    await one.start()
    assert one.ready
    assert (await pages["/readyz"]()).status == 200
    assert json.loads((await pages["/healthz"]()).body) == {"status": "ok", "service": "count", "version": "7"}
    assert "/count" in json.loads((await pages["/openapi.json"]()).body)["paths"]
    assert (await pages["/metrics"]()).headers[0][1].startswith("text/plain")
    await one.stop()
    assert one.instance.log == ["started", "stopped"]
    assert (await pages["/readyz"]()).status == 503


async def test_a_failing_stop_is_no_failure(replica: Callable[..., Replica]) -> None:
    """on_stop may raise: the database is closed all the same, and the rest of the process stops in order."""
    one = replica()
    await one.start()
    one.instance.log.append("fail")
    await one.stop()
    assert not one.ready
    await one.start()  # the file is free for another
    assert one.ready
    await one.stop()


async def test_a_failing_start_closes_the_database(replica: Callable[..., Replica]) -> None:
    """What on_start raises is told with the service's name, and the replica can be started again."""
    one = replica()

    async def failing() -> None:
        raise ValueError("not now")

    one.instance.on_start = failing
    with pytest.raises(StartFailed, match=r"count: on_start failed at .*test_replica\.py:\d+: ValueError: not now"):
        await one.start()
    assert not one.ready
    assert one.instance.db is not None
    del one.instance.on_start
    await one.start()
    assert one.ready
    await one.stop()


async def test_a_database_must_be_given(replica: Callable[..., Replica]) -> None:
    """A service that asks for a database and gets none is told the option that names one."""
    with pytest.raises(StartFailed, match="count asks for a database, and none was given"):
        await replica(database_url=None).start()


async def test_an_unknown_kind_of_database_is_told() -> None:
    """The sentence names what Partita knows."""
    with pytest.raises(StartFailed, match="mysql:// is no database that Partita knows"):
        await open_engine("mysql://me@localhost/x", name="count")


async def test_together_stops_what_it_started(tmp_path: Path) -> None:
    """When one service fails to start, those before it are stopped, in the reverse order."""
    both = Together(
        [CountService, DoubleService], database_url=lambda name: f"sqlite:///{tmp_path}/{name}.db", create=True
    )
    with pytest.raises(StartFailed, match="double: on_start failed"):
        await both.start()
    assert both.replicas["count"].instance.log == ["started", "stopped"]
    assert not any(each.ready for each in both.replicas.values())


def test_every_missing_setting_is_told(replica: Callable[..., Replica]) -> None:
    """Settings without a default that are not in the environment are told at once."""

    class NeedyService(Count, Service):
        settings: CountSettings

        async def count(self) -> int:
            return self.settings.start

    with pytest.raises(SettingsRefused) as raised:
        replica(NeedyService, environment={})
    assert [mistake.place for mistake in raised.value.mistakes] == ["COUNT_START", "COUNT_STEP"]
    given = replica(NeedyService, environment={"COUNT_START": "3", "COUNT_STEP": "1"})
    assert given.instance.settings == CountSettings(start=3, step=1)


def test_tables_are_found_beside_the_service() -> None:
    """The tables that a service's module uses are its own; several sets need a word of the class."""
    assert tables_of(CountService) is Base.metadata
    assert migrations_of(CountService) == Path(__file__).parent / "migrations"

    class OtherService(CountService):
        tables = MetaData()

    assert tables_of(OtherService) is OtherService.tables


def test_two_sets_of_tables_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that uses two sets of tables must say which is the service's."""

    class Second(DeclarativeBase): ...

    class SecondRow(Second):
        __tablename__ = "second"
        id: Mapped[int] = mapped_column(primary_key=True)

    monkeypatch.setitem(globals(), "SecondRow", SecondRow)
    with pytest.raises(ServiceRefused, match="2 sets of tables"):
        tables_of(CountService)
