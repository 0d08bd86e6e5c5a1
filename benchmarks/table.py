"""Tables of plain text, medians, and the conditions under which something was measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version

__all__ = ["conditions", "draw"]

PACKAGES = ("uvicorn", "uvloop", "httptools", "msgspec")


def draw(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in the format of Markdown, its first column to the left and the others to the right."""
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *others = (text.rjust(width) for text, width in zip(row, widths, strict=True))
        return f"| {' | '.join([row[0].ljust(len(first)), *others])} |"

    rule = [f"{'-' * width}" if i == 0 else f"{'-' * (width - 1)}:" for i, width in enumerate(widths)]
    return "\n".join([line(head), f"| {' | '.join(rule)} |", *(line(row) for row in rows)])


def conditions(packages: Sequence[str]) -> str:
    """The machine and the versions, in one line."""
    versions = ", ".join(f"{name} {version(name)}" for name in (*PACKAGES, *packages))
    cpu = f"{os.cpu_count()} cores of {_cpu_name()}"
    return f"{cpu}; {platform.system()}; Python {platform.python_version()}; {versions}"


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
