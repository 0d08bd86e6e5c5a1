"""A forked child: from the fork to the end of its entry function.

The entry gets its argument with one more key, ``process``: ``name``; ``listen``, the descriptor of a listening TCP
socket, or None; ``ready``, a descriptor to write one JSON line to when it serves; ``lifeline``, a descriptor that
reaches its end when the supervisor is gone. SIGTERM asks it to drain and return; SIGINT is ignored.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import random
import signal
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TextIO

import msgspec

from partita.control.parenthood import name_process, signal_when_parent_ends
from partita.control.wire import Fork
from partita.core.errors import PartitaError

__all__ = ["FAILED_AT_START", "become", "describe"]

FAILED_AT_START = 3
"""The exit code of a child whose entry raised; before its first readiness it is not started again."""

_FRAMES_MAX = 5
_RESET = (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def become(request: Fork, fds: dict[str, int], parent: int) -> NoReturn:
    """Turn this freshly forked process, its signals blocked, into what ``request`` asks for. Does not return.

    ``fds`` holds the received descriptors by name; ``parent`` is the zygote's process id.
    """
    code = FAILED_AT_START
    try:
        _detach(request, fds, parent)
        code = _run(request, fds)
    except SystemExit as stop:
        code = _exit_code(stop)
    except BaseException as error:  # the last frame of this process: whatever it is, a person must read it
        _tell(error, fds["ready"])
    finally:
        _flush()
        os._exit(code)


def _detach(request: Fork, fds: dict[str, int], parent: int) -> None:
    """Leave everything of the zygote's behind: signals, descriptors, process group, environment."""
    signal.set_wakeup_fd(-1)
    for number in _RESET:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)
    signal_when_parent_ends(signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.getppid() != parent:
        os._exit(FAILED_AT_START)
    for name, standard in (("stdout", 1), ("stderr", 2)):
        os.dup2(fds[name], standard)
        os.close(fds.pop(name))
    for fd in fds.values():
        os.set_inheritable(fd, False)
    sys.stdout, sys.stderr = _lines_to(1), _lines_to(2)
    faulthandler.enable()
    name_process(request.name)
    random.seed()
    gc.enable()
    os.environ.clear()
    os.environ.update(request.environment)
    if request.cwd is not None:
        os.chdir(request.cwd)
    sys.path[:0] = [entry for entry in request.path if entry not in sys.path]
    importlib.invalidate_caches()


def _lines_to(fd: int) -> TextIO:
    """A text stream that hands each line on at its end."""
    return os.fdopen(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _run(request: Fork, fds: dict[str, int]) -> int:
    module, _, function = request.entry.partition(":")
    entry: Callable[[dict[str, Any]], int | None] = getattr(importlib.import_module(module), function)
    process = {"name": request.name, "listen": fds.get("listen"), "ready": fds["ready"], "lifeline": fds["lifeline"]}
    return entry({**request.argument, "process": process}) or 0


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code
    sys.stderr.write(f"{stop.code}\n")
    return 1


def _tell(error: BaseException, ready: int) -> None:
    """Say what happened: one sentence on the readiness pipe, and with the user's own frames on stderr."""
    sentence, frames = describe(error)
    with contextlib.suppress(OSError):  # ready was said before and the pipe is closed: stderr tells
        os.write(ready, msgspec.json.encode({"failed": sentence}) + b"\n")
    sys.stderr.write("\n".join([sentence, *frames]) + "\n")


def describe(error: BaseException) -> tuple[str, list[str]]:
    """One sentence with the place of ``error``, and the lines of the user's own frames, the innermost last.

    Partita's own refusals are sentences already. An error that touches no code of the user's keeps every frame: then
    the fault may be ours.
    """
    if isinstance(error, PartitaError):
        return str(error), []
    text = "; ".join(str(error).split("\n")) if not isinstance(error, SyntaxError) else error.msg
    fact = f"{type(error).__name__}: {text}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_users(frame.filename)]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}:{error.lineno} {fact}", []
    if not own:
        return fact, [line.rstrip() for line in traceback.format_exception(error)]
    sentence = f"{_short(own[-1].filename)}:{own[-1].lineno} {fact}"
    return sentence, [f"  {_short(frame.filename)}:{frame.lineno} {frame.line}" for frame in own[-_FRAMES_MAX:]]


def _is_users(filename: str) -> bool:
    if not Path(filename).is_absolute():  # "<string>", and the sources of compiled modules
        return False
    return not any(Path(filename).is_relative_to(place) for place in _FOREIGN)


def _short(filename: str) -> str:
    path = Path(filename)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else filename


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more
            stream.flush()


_FOREIGN = [
    Path(place)
    for place in {
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        str(Path(__file__).parents[1]),
    }
]
