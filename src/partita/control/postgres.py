"""A PostgreSQL server of this project's own: made in a folder once, started beside the services, stopped with them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from partita.control.cluster import Cluster, Programs
from partita.control.ports import free_port
from partita.control.processes import Process, execute
from partita.core.errors import StartFailed

__all__ = ["SETTINGS", "EmbeddedPostgres"]

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path is bounded to 107 bytes, and a project's folder is not
    "shared_buffers": "64MB",
    "min_wal_size": "80MB",
    "max_wal_size": "512MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "on",
    "synchronous_commit": "on",
    "io_method": "sync",  # the default keeps three more processes
    "max_worker_processes": "2",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "scram_iterations": "256",  # guards weak passwords against theft of the hash; ours have 256 random bits
    "log_checkpoints": "off",
    "log_min_messages": "log",  # errors of statements reach the services, which report them
    "log_line_prefix": "%m [%p] %q%d ",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""What is set at each start, for many small databases on one machine that keep their data."""

_HOST = "127.0.0.1"
_START_TIMEOUT_S = 60.0  # recovery after a crash replays up to max_wal_size
_POLL_S = 0.01
_FAST_STOP_S = 10.0
_IMMEDIATE_STOP_S = 5.0
_START_TRIES = 5
_RETRY_S = 0.2
_LOG_BYTES_MAX = 8 * 1024 * 1024


class EmbeddedPostgres:
    """A server on a free port of 127.0.0.1, with its data in ``directory``, kept between runs::

        async with EmbeddedPostgres(Path(".partita/postgres")) as server:
            connection = await asyncpg.connect(server.url)

    ``connections`` bounds what all services open together. Should the server end by itself it is started again on the
    same port. It stops (cleanly: data is safe) when this process ends, however that happens. ``start`` raises
    ``StartFailed`` with one sentence.
    """

    host = _HOST
    user = "postgres"

    def __init__(self, directory: Path, *, connections: int = 300) -> None:
        self.directory = directory.absolute()
        self.port = 0
        self._connections = connections
        self._cluster = Cluster(self.directory)
        self._programs: Programs | None = None
        self._process: Process | None = None
        self._holding: asyncio.Task[None] | None = None
        self._lifeline, self._lifeline_writer = -1, -1

    @property
    def pid(self) -> int | None:
        """The process id of the server, while it runs."""
        return self._process.pid if self._process is not None and not self._process.exited.done() else None

    @property
    def log_file(self) -> Path:
        """Where the server writes what it has to say; above 8 MiB it is begun anew at a start."""
        return self.directory / "postgres.log"

    @property
    def password(self) -> str:
        """The superuser's password, as it stands in the file ``password`` of the directory."""
        return self._cluster.password

    @property
    def url(self) -> str:
        """Where the superuser connects: ``postgresql://postgres:password@127.0.0.1:port/postgres``."""
        return f"postgresql://{self.user}:{quote(self.password, safe='')}@{self.host}:{self.port}/postgres"

    async def start(self) -> None:
        """Make the data directory, if there is none, start the server, and wait until it takes connections."""
        self._programs = Programs.find()
        self._cluster.lock()
        self._lifeline, self._lifeline_writer = os.pipe()
        try:
            await self._cluster.prepare(self._programs, self._lifeline)
            self._trim_log()
            await self._start_on_free_port()
        except BaseException:
            await self.stop()
            raise
        self._holding = asyncio.create_task(self._hold(), name="postgres")

    async def _start_on_free_port(self) -> None:
        """Another program may take the port between our look and the server's bind: then try another."""
        for attempt in range(1, _START_TRIES + 1):
            self.port = free_port(_HOST)
            try:
                await self._start_once()
            except _PortTaken:
                if attempt == _START_TRIES:
                    raise StartFailed(f"PostgreSQL found no free port on {_HOST} in {attempt} attempts.") from None
            else:
                return

    async def _start_once(self) -> None:
        assert self._programs is not None
        with self.log_file.open("ab") as log:
            before = log.tell()
            self._process = execute(
                [str(self._programs.postgres), "-D", str(self._cluster.data), "-p", str(self.port), *self._options()],
                stdout=log.fileno(),
                stderr=log.fileno(),
                lifeline=self._lifeline,
                environment={**self._cluster.environment(), "PARTITA_POSTGRES": str(self.directory)},
                cwd=Path("/"),
                account=self._cluster.account,
                number_at_parents_end=signal.SIGINT,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        try:
            while not self._cluster.is_ready(self._process.pid):
                if self._process.exited.done():
                    self._explain(before)
                if time.monotonic() > deadline:
                    raise StartFailed(f"PostgreSQL was not ready within {_START_TIMEOUT_S:.0f} s: see {self.log_file}")
                await asyncio.wait({self._process.exited}, timeout=_POLL_S)
        except BaseException:
            await self._stop_process()
            raise

    def _options(self) -> list[str]:
        settings = {**SETTINGS, "max_connections": str(self._connections)}
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _explain(self, before: int) -> None:
        """Raise for a server that ended while starting, by what it wrote after position ``before`` of its log."""
        with self.log_file.open("rb") as log:
            log.seek(before)
            lines = [line for line in log.read(64 * 1024).decode(errors="replace").splitlines() if line.strip()]
        text = "\n".join(lines)
        if "could not bind" in text:
            raise _PortTaken
        if "pre-existing shared memory block" in text:
            raise _StillInUse(f"Processes of an earlier PostgreSQL still use {self._cluster.data}. End them first.")
        told = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines[-1:]
        last = told[-1].partition("FATAL:")[2].strip() or told[-1] if told else "it said nothing"
        raise StartFailed(f"PostgreSQL did not start in {self._cluster.data}: {last} ({self.log_file} has more).")

    async def _hold(self) -> None:
        """Start the server again, on its port, whenever it ends by itself."""
        while True:
            assert self._process is not None
            await asyncio.shield(self._process.exited)
            for attempt in range(1, _START_TRIES + 1):
                try:
                    await self._start_once()
                    break
                except (StartFailed, _PortTaken):
                    # After kill -9 its children need a moment to see that it is gone, and hold its memory until then.
                    await asyncio.sleep(_RETRY_S * attempt)
            else:
                return

    async def stop(self) -> None:
        """Stop the server: sessions are ended, data is written (at most 10 s); else it recovers at the next start."""
        if self._holding is not None:
            self._holding.cancel()
            await asyncio.gather(self._holding, return_exceptions=True)
            self._holding = None
        await self._stop_process()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            os.close(self._lifeline_writer)
            self._lifeline = -1
        self._cluster.unlock()

    async def _stop_process(self) -> None:
        process = self._process
        if process is None or process.exited.done():
            return
        process.send(signal.SIGINT)
        await asyncio.wait({process.exited}, timeout=_FAST_STOP_S)
        await process.end(number=signal.SIGQUIT, within_s=_IMMEDIATE_STOP_S)

    def _trim_log(self) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_BYTES_MAX:
            self.log_file.unlink()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class _PortTaken(Exception):
    """Somebody else took the port first."""


class _StillInUse(StartFailed):
    """The shared memory of a server that was killed is still attached somewhere."""
