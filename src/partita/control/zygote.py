"""The zygote: a process with one thread that has imported the slow third-party code once, and forks every service.

Started as ``python -m partita.control.zygote FD JSON``: the descriptor of its end of a socket pair, and
``{"preload": [module, ...]}``. It holds no event loop, no connection and no thread, so a fork of it is sound. When the
supervisor is gone it ends its children and its wards: SIGTERM, then SIGKILL after ``GRACE_S``.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

import msgspec

from partita.control.child import become
from partita.control.parenthood import name_process, signal_when_parent_ends
from partita.control.wire import Exited, Fork, Forked, ForkFailed, Release, Up, Ward, receive, send

__all__ = ["GRACE_S", "Zygote", "main"]

GRACE_S = 1.4
"""Seconds that children have to drain when the supervisor is gone; nothing is left after two."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Zygote:
    """Answers one supervisor until it is gone."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}  # process id -> request id
        self._wards: set[int] = set()
        self._ending = False
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        self._wake_writer = wake
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def serve(self) -> None:
        """Fork on request and report exits, until the supervisor is gone or SIGTERM comes; then end all children."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        try:
            while not self._ending:
                ready = dict(poll.poll())
                self._drain_wake()
                if self._control.fileno() in ready and not self._obey():
                    break
                for pid, code in self._reap():
                    send(self._control, Exited(self._children.pop(pid), code))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the supervisor is gone
        self._end_all()

    def _end(self, *_: object) -> None:
        self._ending = True

    def _drain_wake(self) -> None:
        try:
            while os.read(self._wake, 512):
                pass
        except BlockingIOError:
            pass

    def _obey(self) -> bool:
        received = receive(self._control)
        if received is None:
            return False
        message, fds = received
        if isinstance(message, Ward):
            self._wards.add(message.group)
        elif isinstance(message, Release):
            self._wards.discard(message.group)
        else:
            self._fork(message, fds)
        return True

    def _fork(self, request: Fork, fds: list[int]) -> None:
        """Fork with every signal blocked, so that none meets the child with the zygote's handlers."""
        here = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
        except OSError as error:
            send(self._control, ForkFailed(request.id, f"{error.strerror} (errno {error.errno})"))
            return
        else:
            if pid == 0:
                self._be_child(request, fds, here)
            self._children[pid] = request.id
            send(self._control, Forked(request.id, pid))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for fd in fds:
                os.close(fd)

    def _be_child(self, request: Fork, fds: list[int], parent: int) -> NoReturn:
        self._control.close()
        os.close(self._wake)
        signal.set_wakeup_fd(-1)
        os.close(self._wake_writer)
        become(request, dict(zip(request.fds, fds, strict=True)), parent)

    def _reap(self) -> list[tuple[int, int]]:
        """Those that ended. A child's process group goes before its number is free, so that no other group is hit."""
        ended: list[tuple[int, int]] = []
        while self._children:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if found is None:
                break
            _signal_group(found.si_pid, signal.SIGKILL)
            pid, status = os.waitpid(found.si_pid, 0)
            if pid in self._children:
                ended.append((pid, os.waitstatus_to_exitcode(status)))
        return ended

    def _end_all(self) -> None:
        """SIGTERM to children and wards, a bounded wait, SIGKILL."""
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)
        self._wards = {group for group in self._wards if _signal_group(group, signal.SIGTERM)}
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline and (self._children or self._wards):
            for pid, _ in self._reap():
                del self._children[pid]
            self._wards = {group for group in self._wards if _signal_group(group, 0)}
            time.sleep(0.01)
        for group in (*self._children, *self._wards):
            _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: int) -> bool:
    """Send to a process group; False when it is gone."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # on macOS: only zombies are left in it
    return True


def _threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else 1


def _preload(modules: list[str]) -> None:
    """Import what is installed of ``modules``. One that fails is told and left out: the service says more."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as missing:
            if missing.name is None or not module.startswith(missing.name):
                sys.stderr.write(f"{module} was not imported before forking: {missing}\n")
        except Exception as error:
            sys.stderr.write(f"{module} was not imported before forking: {type(error).__name__}: {error}\n")


def main(arguments: list[str]) -> None:
    """Run as a process: see the module's docstring."""
    signal_when_parent_ends(signal.SIGKILL)  # while importing it cannot hear the end of its supervisor
    started = time.perf_counter()
    name_process("partita-zygote")
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    gc.disable()
    _preload(msgspec.json.decode(arguments[1])["preload"])
    zygote = Zygote(control)
    signal_when_parent_ends(None)
    gc.collect()
    gc.freeze()
    try:
        send(control, Up(os.getpid(), time.perf_counter() - started, _threads()))
        zygote.serve()
    except (BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main(sys.argv[1:])
