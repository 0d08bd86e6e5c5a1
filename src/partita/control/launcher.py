"""Starts a foreign program (Envoy, PostgreSQL) so that it ends with its parent. Runs as a script of its own.

``python -I -S launcher.py JSON program argument...``: in a fresh process group, with SIGINT as it was, as another user
where asked, and with a signal at the parent's end. Where the operating system has no such signal, it stays as a
watcher: it forwards signals, and ends the program when its lifeline pipe does. It uses nothing but the standard
library, since it starts without site-packages, in 15 ms.

JSON: ``parent`` (process id), ``signal`` (number at the parent's end), ``lifeline`` (descriptor), ``user`` and
``group`` (ids or null), ``reach`` (keep the right to pass directories of other users), ``listen`` (descriptor of a
listening socket, handed on as systemd does: number 3, LISTEN_FDS and LISTEN_PID), ``watch`` (stay, in any case).
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
from typing import Any, NoReturn

__all__: list[str] = []

_SET_PARENT_DEATH_SIGNAL, _KEEP_CAPABILITIES, _AMBIENT, _AMBIENT_RAISE = 1, 8, 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2
_LISTEN_FD = 3
_GRACE_S = 1.5


def _become(user: int, group: int, reach: bool) -> None:
    """Change to another user; with ``reach`` keep one capability: to pass directories that are closed to that user."""
    libc = ctypes.CDLL(None, use_errno=True)
    if reach:
        libc.prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    if reach:
        for capability in (_DAC_READ_SEARCH, _DAC_OVERRIDE):
            header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
            bit = 1 << capability
            data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
            raised = libc.capset(header, data) == 0
            if raised and libc.prctl(_AMBIENT, _AMBIENT_RAISE, capability, 0, 0) == 0:
                return


def _hand_on(listen: int | None) -> None:
    """Put the listening socket where systemd's protocol has it."""
    if listen is None:
        return
    if listen != _LISTEN_FD:
        os.dup2(listen, _LISTEN_FD)
        os.close(listen)
    os.set_inheritable(_LISTEN_FD, True)
    os.environ["LISTEN_FDS"] = "1"
    os.environ["LISTEN_PID"] = str(os.getpid())


def _run(argv: list[str]) -> NoReturn:
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"{argv[0]} cannot be run: {error.strerror}.\n")
        sys.stderr.flush()
        os._exit(127 if error.errno == 2 else 126)


def _watch(argv: list[str], lifeline: int, number: int) -> int:
    """Run ``argv`` as a child, forward signals, and end it with the lifeline."""
    wake, waker = os.pipe()
    for fd in (wake, waker):
        os.set_blocking(fd, False)
    child = os.fork()
    if child == 0:
        os.close(lifeline)
        _run(argv)
    signal.set_wakeup_fd(waker)
    for forwarded in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(forwarded, lambda received, _frame: os.kill(child, received))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    timeout: float | None = None
    watched = [wake, lifeline]
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        ready, _, _ = select.select(watched, [], [], timeout)
        if not ready:
            os.kill(child, signal.SIGKILL)
        if lifeline in ready:
            watched.remove(lifeline)
            os.kill(child, number)
            timeout = _GRACE_S
        if wake in ready:
            os.read(wake, 512)


def _main(arguments: list[str]) -> int:
    wanted: dict[str, Any] = json.loads(arguments[0])
    argv = arguments[1:]
    lifeline: int | None = wanted.get("lifeline")
    try:
        if wanted.get("user") is not None:
            _become(wanted["user"], wanted["group"], wanted.get("reach", False))
    except OSError as error:
        sys.stderr.write(f"Changing to user {wanted['user']} is not allowed here: {error.strerror}.\n")
        return 126
    if lifeline == _LISTEN_FD:
        lifeline = os.dup(lifeline)
    _hand_on(wanted.get("listen"))
    if sys.platform != "linux" or wanted.get("watch"):
        code = _watch(argv, lifeline, wanted["signal"]) if lifeline is not None else _run(argv)
        return code if code >= 0 else 128 - code
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, wanted["signal"], 0, 0, 0)  # after setuid, which clears it
    if os.getppid() != wanted["parent"]:
        return 126
    if lifeline is not None:
        os.close(lifeline)
    _run(argv)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
