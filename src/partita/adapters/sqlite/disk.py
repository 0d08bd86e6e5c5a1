"""Group commit: many commits, one wait for the disk, and none of it in the event loop.

With ``synchronous=NORMAL`` SQLite's COMMIT appends to the write-ahead log and does not wait for the disk; a crash of
the machine would lose it. So the log is synchronised here before anybody is told of the commit: those that committed
while the disk was busy share the next turn. A checkpoint synchronises by itself before it takes the log away
(https://sqlite.org/wal.html), so what is in the log, or gone from it, is safe either way.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from partita.core.errors import CommitUnknown

__all__ = ["Disk"]

_sync_data = getattr(os, "fdatasync", os.fsync)


class Disk:
    """The write-ahead log of one database file."""

    def __init__(self, path: Path, *, name: str) -> None:
        self._name = name
        self._log = path.with_name(f"{path.name}-wal")
        self._inode = 0
        self._executor: ThreadPoolExecutor | None = None
        self._running: asyncio.Future[None] | None = None
        self._next: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def written(self) -> None:
        """Wait until everything that is committed now is on the disk. Raises ``CommitUnknown``."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            if self._task is None:
                self._task = asyncio.create_task(self._work())
        await asyncio.shield(self._next)

    async def seen(self) -> None:
        """Wait for the commits that are on their way to the disk, if any, before telling what was read from them."""
        target = self._next if self._next is not None else self._running
        if target is not None:
            await asyncio.shield(target)

    async def close(self) -> None:
        """Finish what is under way."""
        if self._task is not None:
            await self._task
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="partita-disk")
        while self._next is not None:
            self._running, self._next = self._next, None
            self._running.add_done_callback(_retrieved)
            try:
                await loop.run_in_executor(self._executor, self._sync)
            except OSError as error:
                self._running.set_exception(
                    CommitUnknown(
                        f"{self._name}: {self._log} could not be written to the disk ({error}). The work is visible "
                        "now, and may be lost if the machine stops. Look at the disk."
                    )
                )
            else:
                self._running.set_result(None)
        self._running = self._task = None

    def _sync(self) -> None:
        try:
            # No lock of SQLite's is on this file, so that closing it takes none away.
            log = os.open(self._log, os.O_RDWR)
        except FileNotFoundError:
            return  # the last connection has closed, and a checkpoint has taken it away
        try:
            _sync_data(log)
            inode = os.fstat(log).st_ino
        finally:
            os.close(log)
        if inode != self._inode:  # a new file is only there after a crash if its folder was written too
            folder = os.open(self._log.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._inode = inode


def _retrieved(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()
