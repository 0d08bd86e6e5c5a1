"""The supervisor's end of the zygote: asks it for children, and starts another one when it is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from partita.control.logs import Logs, Source
from partita.control.processes import LOST, Process, when_gone
from partita.control.wire import (
    LENGTH,
    MESSAGE_BYTES_MAX,
    Exited,
    Fork,
    Forked,
    FromZygote,
    Release,
    ToZygote,
    Up,
    Ward,
    decode_from_zygote,
    frame,
)
from partita.core.errors import StartFailed

__all__ = ["PRELOAD", "Forks"]

PRELOAD = (
    "msgspec",
    "uvloop",
    "httptools",
    "uvicorn",
    "sqlalchemy",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "asyncpg",
    "alembic.command",
    "alembic.config",
    "alembic.runtime.migration",
    "alembic.script",
    "alembic.operations",
    "jwt",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.serialization",
    "argon2",
    "uvicorn.protocols.http.httptools_impl",
    "partita.runtime.process",
)
"""What every service imports: third-party code, and this package's own, which starts no thread and keeps no state at
import. A system's own modules are not among it: they change under the hands of developers. What is missing is left out.
"""

_START_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 3.0  # above the zygote's own grace for its children
_ORPHAN_GRACE_S = 1.0


class Forks:
    """Forks processes from a zygote. ``lifeline`` is a descriptor that reaches its end when this process is gone."""

    def __init__(self, logs: Logs, *, preload: Sequence[str] = PRELOAD) -> None:
        self._logs = logs
        self._preload = list(preload)
        self._zygote: _Link | None = None
        self._starting = asyncio.Lock()
        self._wards: set[int] = set()
        self._closing = False
        self.lifeline, self._lifeline_writer = os.pipe()

    @property
    def pid(self) -> int | None:
        """The process id of the zygote, while there is one."""
        return self._zygote.process.pid if self._zygote is not None and self._zygote.process is not None else None

    @property
    def start_seconds(self) -> float:
        """What the imports of the present zygote took."""
        return self._zygote.up.seconds if self._zygote is not None and self._zygote.up is not None else 0.0

    async def start(self) -> None:
        """Start the zygote, if there is none, and wait until it has imported what it should."""
        await self._ready_link()

    async def _ready_link(self) -> _Link:
        async with self._starting:
            if self._zygote is None:
                link = _Link(self._logs, self._preload)
                try:
                    await link.start(_START_TIMEOUT_S)
                except BaseException:
                    await link.close()
                    raise
                self._zygote = link
                link.on_lost = self._lost
                for group in self._wards:
                    await link.send(Ward(group))
            return self._zygote

    async def fork(
        self,
        name: str,
        entry: str,
        argument: dict[str, Any],
        *,
        environment: Mapping[str, str],
        cwd: Path | None,
        path: Sequence[str],
        fds: Mapping[str, int],
    ) -> Process:
        """A forked child that runs ``entry``. ``fds`` needs ``stdout``, ``stderr`` and ``ready``; they stay open here.

        Raises ``StartFailed`` where the zygote cannot be started or may not fork.
        """
        link = await self._ready_link()
        request = Fork(
            id=link.next_id(),
            name=name,
            entry=entry,
            argument=argument,
            environment=dict(environment),
            cwd=str(cwd) if cwd is not None else None,
            path=list(path),
            fds=[*fds, "lifeline"],
        )
        return await link.fork(request, [*fds.values(), self.lifeline])

    async def ward(self, group: int) -> None:
        """Have the zygote end this process group, should this process be gone."""
        self._wards.add(group)
        if self._zygote is not None:
            await self._zygote.send(Ward(group))

    async def release(self, group: int) -> None:
        """The group has ended."""
        self._wards.discard(group)
        if self._zygote is not None:
            await self._zygote.send(Release(group))

    def _lost(self) -> None:
        """The zygote ended by itself. The next fork starts another."""
        lost, self._zygote = self._zygote, None
        if lost is not None and not self._closing:
            self._logs.say("zygote", "The zygote has ended; services that it started are started again by a new one.")
            lost.abandon()

    async def close(self) -> None:
        """End the zygote, and with it what it still has."""
        self._closing = True
        if self._zygote is not None:
            await self._zygote.close()
            self._zygote = None
        if self._lifeline_writer >= 0:
            os.close(self._lifeline_writer)
            os.close(self.lifeline)
            self._lifeline_writer = -1


def _nothing() -> None:
    """What is done when a zygote is lost that nobody relies on."""


class _Link:
    """One zygote and the socket to it."""

    def __init__(self, logs: Logs, preload: list[str]) -> None:
        self._logs = logs
        self._preload = preload
        self._ids = 0
        self._sending = asyncio.Lock()
        self._children: dict[int, Process] = {}
        self._forking: dict[int, asyncio.Future[Process]] = {}
        self._ready: asyncio.Future[Up] = asyncio.get_running_loop().create_future()
        self._reader: asyncio.Task[None] | None = None
        self._source: Source | None = None
        self.process: Process | None = None
        self.up: Up | None = None
        self.on_lost: Callable[[], None] = _nothing
        self._lost = False
        self._control, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._control.setblocking(False)

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    async def start(self, within_s: float) -> None:
        self._source = self._logs.source("zygote")
        root = str(Path(__file__).parents[2])
        known = os.environ.get("PYTHONPATH")
        popen = subprocess.Popen(  # noqa: ASYNC220 - returns once the program runs, in a millisecond
            [
                sys.executable,
                "-P",
                "-m",
                "partita.control.zygote",
                str(self._theirs.fileno()),
                msgspec.json.encode({"preload": self._preload}).decode(),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._source.stdout,
            stderr=self._source.stderr,
            env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{known}" if known else root},
            pass_fds=(self._theirs.fileno(),),
            start_new_session=True,
        )
        self._source.handed_on()
        self._theirs.close()
        process = self.process = Process(popen.pid)
        when_gone(popen.pid, lambda: process.ended(popen.wait()), popen)
        self._reader = asyncio.create_task(self._read(), name="zygote")
        try:
            self.up = await asyncio.wait_for(self._ready, within_s)
        except TimeoutError:
            raise StartFailed(f"The zygote did not import its modules within {within_s:.0f} s.") from None

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        buffer = bytearray()
        try:
            while data := await loop.sock_recv(self._control, 64 * 1024):
                buffer += data
                while len(buffer) >= LENGTH.size:
                    (length,) = LENGTH.unpack_from(buffer)
                    if length > MESSAGE_BYTES_MAX or len(buffer) < LENGTH.size + length:
                        break
                    body = bytes(buffer[LENGTH.size : LENGTH.size + length])
                    del buffer[: LENGTH.size + length]
                    self._hear(decode_from_zygote(body))
        except (ConnectionError, OSError):
            pass  # it ended
        self._lose()

    def _hear(self, message: FromZygote) -> None:
        if isinstance(message, Up):
            if not self._ready.done():
                self._ready.set_result(message)
        elif isinstance(message, Exited):
            self._children.pop(message.id).ended(message.code)
        elif isinstance(message, Forked):
            process = Process(message.pid)
            self._children[message.id] = process
            waiting = self._forking.pop(message.id)
            if waiting.cancelled():
                process.send(signal.SIGKILL)
            else:
                waiting.set_result(process)
        else:
            waiting = self._forking.pop(message.id)
            if not waiting.done():
                waiting.set_exception(StartFailed(f"The operating system refuses another process: {message.text}."))

    def _lose(self) -> None:
        """The socket is at its end: nothing more will be heard."""
        self._lost = True
        last = self._source.tail[-1] if self._source is not None and self._source.tail else "it said nothing"
        failure = StartFailed(f"The zygote, which starts the services, ended: {last}")
        waits: list[asyncio.Future[Any]] = [self._ready, *self._forking.values()]
        for waiting in waits:
            if not waiting.done():
                waiting.set_exception(failure)
                waiting.exception()  # seen, should nobody wait
        self._forking.clear()
        self.on_lost()

    def abandon(self) -> None:
        """Let the children of a lost zygote drain for a second, and see each end by itself."""
        loop = asyncio.get_running_loop()
        for process in self._children.values():
            process.send(signal.SIGTERM)
            loop.call_later(_ORPHAN_GRACE_S, process.send, signal.SIGKILL)
            when_gone(process.pid, lambda gone=process: gone.ended(LOST))  # type: ignore[misc]
        self._children.clear()
        self._control.close()

    async def fork(self, request: Fork, fds: list[int]) -> Process:
        waiting: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._forking[request.id] = waiting
        await self.send(request, fds)
        return await waiting

    async def send(self, message: ToZygote, fds: Sequence[int] = ()) -> None:
        """Send a message with its descriptors. A zygote that is gone is noticed by the reader."""
        data = frame(message)
        loop = asyncio.get_running_loop()
        async with self._sending:
            if self._lost:
                self._fail(message)
                return
            try:
                sent = await self._send_head(data, list(fds))
                await loop.sock_sendall(self._control, data[sent:])
            except (ConnectionError, OSError):
                self._fail(message)

    def _fail(self, message: ToZygote) -> None:
        if isinstance(message, Fork) and (waiting := self._forking.pop(message.id, None)) and not waiting.done():
            waiting.set_exception(StartFailed("The zygote, which starts the services, has ended."))

    async def _send_head(self, data: bytes, fds: list[int]) -> int:
        """Send as much as the socket takes, with the descriptors on its first byte."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return socket.send_fds(self._control, [data], fds) if fds else self._control.send(data)
            except BlockingIOError:
                room = asyncio.Event()
                loop.add_writer(self._control, room.set)
                try:
                    await room.wait()
                finally:
                    loop.remove_writer(self._control)

    async def close(self) -> None:
        """Hang up; the zygote ends what it has, and itself."""
        self.on_lost = _nothing
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        self._control.close()
        self._theirs.close()
        if self._source is None or self.process is None:
            return
        # While it imports it hears nothing, and it has no children yet.
        number = 0 if self.up is not None else signal.SIGKILL
        await self.process.end(number=number, within_s=_END_TIMEOUT_S)
        for process in self._children.values():
            process.ended(LOST)
        await self._source.drained(1.0)
