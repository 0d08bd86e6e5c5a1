"""How long this process has been running, its interpreter's own start included."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["process_age_s"]

_STARTTIME = 19  # of /proc/PID/stat, counted after the command's closing parenthesis (proc(5): field 22)
_imported = time.monotonic()


def process_age_s() -> float:
    """Seconds since the operating system started this process; where it does not tell, since this module's import."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[_STARTTIME]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, IndexError, AttributeError):
        return time.monotonic() - _imported
