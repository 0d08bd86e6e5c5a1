"""The table of what runs."""

from __future__ import annotations

import os

from partita.cli.screen import count
from partita.control.state import State

__all__ = ["service_table"]

BOLD, DIM, GREEN, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[0m"


def service_table(state: State, seconds: float, *, colour: bool = False) -> list[str]:
    """Lines: services, URLs, versions, databases, processes, and how long the start took."""
    header = ["service", "url", "version", "database", "pid"]
    rows = [
        [name, service.url, service.version, service.database or "-", str(service.pid or os.getpid())]
        for name, service in state.services.items()
    ]
    solo = state.placement == "solo"
    if solo:  # one process for all: its id says nothing about a service
        header, rows = header[:-1], [row[:-1] for row in rows]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    top = "  ".join(text.ljust(width) for text, width in zip(header, widths, strict=True)).rstrip()
    rule = "  ".join("-" * width for width in widths)
    where = "in one process on SQLite" if solo else "each in its own process, behind Envoy"
    ready = f"Ready in {seconds:.1f} s: {state.gateway}"
    if colour:
        top, rule, ready = f"{BOLD}{top}{PLAIN}", f"{DIM}{rule}{PLAIN}", f"{BOLD}{GREEN}{ready}{PLAIN}"
    return [
        "",
        top,
        rule,
        *lines,
        "",
        f"{state.system}: {count(len(rows), 'service')}, {where}. Ctrl-C stops.",
        ready,
        "",
    ]
