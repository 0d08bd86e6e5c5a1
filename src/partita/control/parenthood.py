"""What a process asks of the operating system about its parent: a signal when the parent ends.

Linux has it (prctl). Elsewhere the functions here do nothing and say so, and lifeline pipes do the work alone.
"""

from __future__ import annotations

import ctypes
import signal
import sys

__all__ = ["name_process", "signal_when_parent_ends"]

_SET_PARENT_DEATH_SIGNAL = 1
_SET_NAME = 15
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def signal_when_parent_ends(number: signal.Signals | None) -> bool:
    """Ask for ``number`` when the parent (its thread that forked) ends; None takes it back. False where unsupported."""
    return _libc is not None and _libc.prctl(_SET_PARENT_DEATH_SIGNAL, int(number or 0), 0, 0, 0) == 0


def name_process(name: str) -> None:
    """Show ``name`` (its first 15 bytes) in ``ps -o comm`` and ``top``."""
    if _libc is not None:
        _libc.prctl(_SET_NAME, name.encode()[:15] + b"\0", 0, 0, 0)
