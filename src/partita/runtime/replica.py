"""One running copy of a service: its fields filled, its database open, its endpoints ready."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from partita.contract.contract import compiled
from partita.contract.openapi import openapi
from partita.core.blocking import Blocking
from partita.core.clock import Clock
from partita.core.errors import Refused, StartFailed
from partita.core.ids import Ids
from partita.data.database import Database
from partita.data.migrations import create_tables, upgrade
from partita.data.units import UnitsOfWork
from partita.ports.engine import Engine
from partita.ports.units import NoUnits, Units
from partita.rpc.answer import Answer
from partita.rpc.app import Page
from partita.rpc.client import Channel
from partita.rpc.counters import Counters
from partita.rpc.endpoint import Endpoint
from partita.runtime.engines import open_engine
from partita.runtime.fields import fill
from partita.runtime.tables import migrations_of, tables_of
from partita.service.service import Service

__all__ = ["Replica"]

log = logging.getLogger("partita.runtime")


class Replica:
    """A service in this process.

    ``channels`` gives the channel to another service by its name; ``given`` holds ready values for fields (fakes).
    ``create`` makes the tables as they are declared now, instead of by the service's history of migrations: for
    tests. ``strict`` lets programming errors out of calls.
    """

    def __init__(
        self,
        cls: type[Service],
        *,
        channels: Callable[[str], Channel],
        database_url: str | None,
        given: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        create: bool = False,
        strict: bool = False,
        version: str = "0",
    ) -> None:
        self.cls = cls
        self.contract = compiled(cls)
        self.name = self.contract.name
        self.version = version
        self.counters = Counters()
        self.ready = False
        self._clock = clock or Clock()
        self._create = create
        self._url = database_url
        self._engine: Engine | None = None
        self._document: bytes | None = None
        filled = fill(
            cls,
            self.name,
            channels=channels,
            given=given or {},
            environment=environment or {},
            clock=self._clock,
            strict=strict,
        )
        self.database: Database | None = filled.database
        self._blocking: list[Blocking] = filled.blocking
        self.instance: Any = cls(**filled.values)
        units: Units = UnitsOfWork(self.database) if self.database is not None else NoUnits()
        self.units = units
        self.endpoints = {
            name: Endpoint(
                self.name, operation, getattr(self.instance, name), units, counters=self.counters, strict=strict
            )
            for name, operation in self.contract.operations.items()
        }

    async def start(self) -> None:
        """Open the database, bring its tables up to date, and run the service's own start.

        Raises ``StartFailed`` with one sentence; whatever was opened is closed again.
        """
        try:
            await self._open_database()
            await self.instance.on_start()
        except (StartFailed, Refused):
            await self._close()
            raise
        except Exception as error:
            await self._close()
            log.debug("start of %s failed", self.name, exc_info=error)
            raise StartFailed(
                f"{self.name}: on_start failed at {_place(error)}: {type(error).__name__}: {error}"
            ) from error
        self.ready = True

    async def stop(self) -> None:
        """Run the service's own stop, and close its database."""
        self.ready = False
        try:
            await self.instance.on_stop()
        except Exception:
            log.exception("%s: on_stop failed", self.name)
        await self._close()

    async def _open_database(self) -> None:
        if self.database is None:
            return
        if self._url is None:
            raise StartFailed(f"{self.name} asks for a database, and none was given. Name one with --database-url.")
        self._engine = await open_engine(self._url, name=self.name)
        self.database.attach(self._engine, clock=self._clock, ids=Ids(self._clock))
        tables, history = tables_of(self.cls), migrations_of(self.cls)
        if self._create or (tables is not None and not history.is_dir()):
            if not self._create:
                log.warning(
                    "%s has no migrations yet; its tables are created as declared. Before you keep data: "
                    'partita migrate %s -m "first tables"',
                    self.name,
                    self.name,
                )
            await create_tables(self._engine, tables)
        else:
            await upgrade(self._engine, history if tables is not None else None)

    async def _close(self) -> None:
        for blocking in self._blocking:
            blocking.close()
        if self._engine is not None:
            await self._engine.close()
            self._engine = None

    def pages(self) -> dict[str, Page]:
        """What each service answers besides its operations: health, readiness, its document, its counts."""
        return {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/openapi.json": self._openapi,
            "/metrics": self._metrics,
        }

    async def _healthz(self) -> Answer:
        return _json(200, {"status": "ok", "service": self.name, "version": self.version})

    async def _readyz(self) -> Answer:
        return _json(200 if self.ready else 503, {"ready": self.ready, "service": self.name, "version": self.version})

    async def _openapi(self) -> Answer:
        if self._document is None:
            self._document = msgspec.json.encode(openapi(self.contract, version=self.version))
        return Answer(200, [("content-type", "application/json")], self._document)

    async def _metrics(self) -> Answer:
        text = self.counters.prometheus(self.name)
        return Answer(200, [("content-type", "text/plain; version=0.0.4; charset=utf-8")], text.encode())


def _json(status: int, value: Any) -> Answer:
    return Answer(
        status, [("content-type", "application/json"), ("cache-control", "no-store")], msgspec.json.encode(value)
    )


def _place(error: BaseException) -> str:
    """The innermost line of an error that is no library's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and sys.base_prefix not in frame.filename]
    frame = (own or list(frames))[-1]
    relative = os.path.relpath(frame.filename)
    return f"{frame.filename if relative.startswith('..') else relative}:{frame.lineno}"
