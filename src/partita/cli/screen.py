"""What the command says. A terminal that was closed does not stop it from ending in order."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable

import click

__all__ = ["coloured", "count", "say", "tell"]


def coloured() -> bool:
    """Whether colours show: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def count(number: int, noun: str) -> str:
    """``1 service``, ``2 services``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def say(lines: str | Iterable[str]) -> None:
    """Write lines to stdout, all at once."""
    _write("\n".join([lines] if isinstance(lines, str) else lines), err=False)


def tell(text: str) -> None:
    """Write to stderr."""
    _write(text, err=True)


def _write(text: str, *, err: bool) -> None:
    # Colours were left out where they do not belong, so nothing is stripped here.
    with contextlib.suppress(OSError, ValueError):
        click.echo(text, err=err, color=None)
        (sys.stderr if err else sys.stdout).flush()
