"""Processes of ours: how they are started, signalled, and seen to end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partita.core.errors import StartFailed

__all__ = ["LOST", "Account", "Process", "execute", "signal_group", "when_gone"]

LOST = -1000
"""Stands for the exit code of a process whose parent was lost, so that nobody knows it."""

_LAUNCHER = Path(__file__).with_name("launcher.py")
_GONE_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whom a program runs as. ``reach`` lets it pass directories that are closed to that user."""

    user: int
    group: int
    reach: bool = False


class Process:
    """A running process: its id, and a future of its exit code (negative: the signal that ended it)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            self._handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
        except OSError:
            self._handle = -1  # it ended already, or the kernel is older than 5.3

    def send(self, number: int) -> None:
        """Send a signal; nothing happens when the process has ended. A handle keeps a reused number from harm."""
        if self.exited.done():
            return
        try:
            if self._handle >= 0 and hasattr(signal, "pidfd_send_signal"):
                signal.pidfd_send_signal(self._handle, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    async def end(self, *, number: int, within_s: float, at_once: asyncio.Event | None = None) -> int:
        """Ask by a signal, wait ``within_s`` seconds (less, once ``at_once`` is set), then SIGKILL. The exit code."""
        self.send(number)
        hurry = asyncio.ensure_future(at_once.wait()) if at_once is not None else None
        waits: list[asyncio.Future[Any]] = [self.exited] if hurry is None else [self.exited, hurry]
        try:
            await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if hurry is not None:
                hurry.cancel()
        self.send(signal.SIGKILL)
        return await asyncio.shield(self.exited)

    def ended(self, code: int) -> None:
        """Note the exit code."""
        if self.exited.done():
            return
        self.exited.set_result(code)
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def execute(
    argv: Sequence[str],
    *,
    stdout: int,
    stderr: int,
    lifeline: int,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
    listen: int | None = None,
    number_at_parents_end: signal.Signals = signal.SIGTERM,
) -> Process:
    """Start a program in a session of its own, so that Ctrl-C does not reach it; it ends with this process.

    ``stdout``, ``stderr``, ``lifeline`` and ``listen`` are descriptors; they stay open here. ``environment`` is the
    whole environment (default: this process's). Raises ``StartFailed`` where the operating system refuses.
    """
    wanted = {
        "parent": os.getpid(),
        "signal": int(number_at_parents_end),
        "lifeline": lifeline,
        "user": account.user if account else None,
        "group": account.group if account else None,
        "reach": account.reach if account else False,
        "listen": listen,
    }
    inherited = (lifeline,) if listen is None else (lifeline, listen)
    try:
        popen = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(wanted), *argv],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=dict(environment) if environment is not None else None,
            pass_fds=inherited,
            start_new_session=True,
        )
    except OSError as error:
        raise StartFailed(f"{argv[0]} cannot be started: {error.strerror} (errno {error.errno}).") from None
    process = Process(popen.pid)

    def reap() -> None:
        """Kill what the program left in its group while its number is still its own, then take its exit code."""
        signal_group(popen.pid, signal.SIGKILL)
        process.ended(popen.wait())

    when_gone(popen.pid, reap, popen)
    return process


def signal_group(group: int, number: int) -> None:
    """Send to every process of a group, if there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the latter: macOS, where only zombies are left
        os.killpg(group, number)


def when_gone(pid: int, callback: Callable[[], None], child: subprocess.Popen[bytes] | None = None) -> None:
    """Call ``callback`` in this event loop once process ``pid`` has ended; ``child`` where it is one of ours.

    Linux has handles for it (pidfd). Elsewhere a thread waits for a child, and a stranger is asked after at intervals.
    """
    loop = asyncio.get_running_loop()
    try:
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
    except ProcessLookupError:
        loop.call_soon(callback)
        return
    except OSError:
        handle = -1
    if handle >= 0:

        def gone() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            callback()

        loop.add_reader(handle, gone)
    elif child is not None:

        def wait() -> None:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            if not loop.is_closed():
                loop.call_soon_threadsafe(callback)

        threading.Thread(target=wait, name=f"wait-{pid}", daemon=True).start()
    else:
        _ask_after(pid, callback)


def _ask_after(pid: int, callback: Callable[[], None]) -> None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        callback()
    except PermissionError:
        callback()  # the number belongs to somebody else by now
    else:
        asyncio.get_running_loop().call_later(_GONE_POLL_S, _ask_after, pid, callback)
