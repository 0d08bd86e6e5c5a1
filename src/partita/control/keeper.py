"""Keeps one replica running: starts it, waits until it is ready, starts it again, and stops it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from partita.control.forks import Forks
from partita.control.logs import Logs, Source
from partita.control.processes import LOST, Process, execute
from partita.control.spec import Replica, ReplicaState
from partita.core.errors import StartFailed

__all__ = ["Keeper"]

_READY_BYTES_MAX = 64 * 1024
_LAST_LINES_S = 0.5
_TOLD_LINES_MAX = 3


class Keeper:
    """Holds one replica against its specification.

    ``first_ready`` is done at the first readiness, or fails with ``StartFailed`` when the first run ends before it.
    ``changed`` is called after each change of the replica's state.
    """

    def __init__(
        self,
        replica: Replica,
        *,
        forks: Forks,
        logs: Logs,
        listener: socket.socket | None,
        changed: Callable[[Replica], None],
        chance: random.Random,
    ) -> None:
        self.replica = replica
        self.first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._forks = forks
        self._logs = logs
        self._listener = listener
        self._changed = changed
        self._chance = chance
        self._stop = asyncio.Event()
        self._again = asyncio.Event()
        self._at_once = asyncio.Event()
        self._process: Process | None = None

    def stop(self, at_once: asyncio.Event | None = None) -> None:
        """Ask for the end; ``hold`` returns once nothing is left. Set ``at_once`` to kill instead of draining."""
        if at_once is not None:
            self._at_once = at_once
        self._stop.set()

    def again(self) -> None:
        """Drain the present run, and start another without waiting; new connections wait in the backlog meanwhile."""
        self._again.set()

    async def hold(self) -> None:
        """Run until ``stop`` is called, or until the first run failed."""
        failures = 0
        while not self._stop.is_set():
            asked = self._again.is_set()
            self._again.clear()
            reason, healthy_s = await self._run()
            if self._stop.is_set():
                break
            if not self.first_ready.done():
                self.first_ready.set_exception(StartFailed(reason))
                break
            self.replica.restarts += 1
            if self._again.is_set():
                failures = 0
                continue
            failures = 1 if healthy_s >= self.replica.spec.backoff.healthy_after_s or asked else failures + 1
            await self._back_off(reason, failures)
        self._set(ReplicaState.STOPPED)
        if not self.first_ready.done():
            self.first_ready.cancel()

    async def _back_off(self, reason: str, failures: int) -> None:
        wait_s = self.replica.spec.backoff.wait_s(failures, self._chance)
        self._set(ReplicaState.BACKOFF)
        self._logs.say(self.replica.name, f"{reason} Starting again {f'in {wait_s:.1f} s' if wait_s else 'at once'}.")
        if wait_s:
            await self._first((self._stop, self._again), wait_s)

    async def _run(self) -> tuple[str, float]:
        """One run: why it ended, as a sentence, and for how many seconds it was ready."""
        replica = self.replica
        source = self._logs.source(replica.name)
        ready, ready_writer = os.pipe()
        began = time.monotonic()
        replica.started_at, replica.exit_code, replica.ready_after_s = datetime.now(UTC), None, None
        try:
            self._set(ReplicaState.STARTING)
            try:
                process = await self._start(source, ready_writer)
            except StartFailed as refused:
                return f"{replica.name} did not start: {refused}", 0.0
            finally:
                os.close(ready_writer)
                source.handed_on()
            replica.pid = process.pid
            self._changed(replica)
            failure = await self._until_ready(process, ready, began)
            ready_at = time.monotonic()
            if failure is None:
                await self._first((self._stop, self._again), None, process.exited)
            await self._end(process)
            healthy_s = 0.0 if failure is not None else time.monotonic() - ready_at
            await source.drained(_LAST_LINES_S)
            return self._reason(failure, source, ready=replica.ready_after_s is not None), healthy_s
        finally:
            os.close(ready)
            await source.drained(0)
            replica.pid = None

    async def _start(self, source: Source, ready: int) -> Process:
        spec = self.replica.spec
        environment = {**os.environ, **spec.environment}
        listen = self._listener.fileno() if self._listener is not None else None
        if spec.entry is None:
            process = execute(
                spec.argv,
                stdout=source.stdout,
                stderr=source.stderr,
                lifeline=self._forks.lifeline,
                environment=environment,
                cwd=spec.cwd,
                listen=listen,
            )
            await self._forks.ward(process.pid)
            return process
        fds = {"stdout": source.stdout, "stderr": source.stderr, "ready": ready}
        if listen is not None:
            fds["listen"] = listen
        return await self._forks.fork(
            spec.name,
            spec.entry,
            dict(spec.argument),
            environment=environment,
            cwd=spec.cwd,
            path=spec.path,
            fds=fds,
        )

    async def _until_ready(self, process: Process, ready: int, began: float) -> str | None:
        """Wait for readiness. None when it came, or when the end was asked for; else why it did not come."""
        spec = self.replica.spec
        waiting = asyncio.ensure_future(self._check() if spec.entry is None else self._said(ready))
        try:
            await self._first((self._stop, self._again), spec.start_timeout_s, process.exited, waiting)
            if self._stop.is_set() or self._again.is_set():
                return None
            if not waiting.done() and process.exited.done() and spec.entry is not None:
                await asyncio.wait({waiting}, timeout=_LAST_LINES_S)  # its last word may still be in the pipe
            if waiting.done():
                failed = waiting.result()
                if failed is not None:
                    if spec.entry is not None:  # it said so itself, and is about to end
                        await asyncio.wait({process.exited}, timeout=_LAST_LINES_S)
                    return failed
                if not process.exited.done():
                    self.replica.ready_after_s = time.monotonic() - began
                    self._set(ReplicaState.READY)
                    if not self.first_ready.done():
                        self.first_ready.set_result(None)
                    return None
            if process.exited.done():
                return ""
            return f"it was not ready within {spec.start_timeout_s:g} s"
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    async def _check(self) -> str | None:
        if self.replica.spec.check is None:
            return None
        try:
            await self.replica.spec.check(self.replica)
        except StartFailed as failure:
            return str(failure)
        return None

    async def _said(self, ready: int) -> str | None:
        """Read the line of a forked process: None when it is ready, else its own sentence of failure."""
        loop = asyncio.get_running_loop()
        os.set_blocking(ready, False)
        readable = asyncio.Event()
        loop.add_reader(ready, readable.set)
        line = b""
        try:
            while not line.endswith(b"\n") and len(line) < _READY_BYTES_MAX:
                await readable.wait()
                readable.clear()
                try:
                    data = os.read(ready, _READY_BYTES_MAX)
                except BlockingIOError:
                    continue
                if not data:
                    return ""
                line += data
        finally:
            loop.remove_reader(ready)
        try:
            said = msgspec.json.decode(line, type=dict)
        except msgspec.DecodeError:
            return f"its line of readiness is no JSON object: {line[:80]!r}"
        if "failed" in said:
            return str(said["failed"])
        self.replica.said = said
        return None

    async def _end(self, process: Process) -> None:
        """See the process end: by itself, or because it was asked to, or because it was not ready in time."""
        spec = self.replica.spec
        if not process.exited.done():
            self._set(ReplicaState.STOPPING)
            hurry = asyncio.create_task(self._hurry(process))
            try:
                await process.end(number=spec.stop_signal, within_s=spec.drain_timeout_s)
            finally:
                hurry.cancel()
        self.replica.exit_code = process.exited.result()
        if spec.entry is None:
            await self._forks.release(process.pid)

    async def _hurry(self, process: Process) -> None:
        """Kill once the orderly stop has turned into a stop at once."""
        await self._stop.wait()
        await self._at_once.wait()
        process.send(signal.SIGKILL)

    def _reason(self, failure: str | None, source: Source, *, ready: bool) -> str:
        """Why a run ended, as a sentence with the name of the service in it."""
        name, code = self.replica.name, self.replica.exit_code or 0
        how = _how(code)
        if ready:
            return f"{name} ended {how}."
        if failure:
            return f"{name} did not start: {failure.rstrip('.')}."
        tail = [line for line in source.tail if line.strip()][-_TOLD_LINES_MAX:]
        said = f" Its last lines: {' / '.join(tail)}" if tail else " It said nothing on stderr."
        return f"{name} did not start: it ended {how} before it was ready.{said}"

    def _set(self, state: ReplicaState) -> None:
        self.replica.state = state
        self._changed(self.replica)

    @staticmethod
    async def _first(events: tuple[asyncio.Event, ...], within_s: float | None, *futures: asyncio.Future[Any]) -> None:
        """Wait until one of ``events`` is set, one of ``futures`` is done, or the time is over."""
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait({*waits, *futures}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _how(code: int) -> str:
    if code == LOST:
        return "with the zygote"
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
