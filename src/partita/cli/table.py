"""The table of what runs."""

from __future__ import annotations

from partita.control.state import State

__all__ = ["service_table"]


def service_table(state: State, seconds: float) -> list[str]:
    """Lines: services, URLs, versions, and how long it took."""
    rows = [("service", "url", "version")]
    rows += [(name, service.url, service.version) for name, service in state.services.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "",
        *("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows),
    ]
    lines.insert(2, "  ".join("-" * width for width in widths))
    where = "in one process on SQLite" if state.placement == "solo" else "each in its own process, behind Envoy"
    count = len(state.services)
    lines += [
        "",
        f"{state.system}: {count} service{'s' if count != 1 else ''}, {where}. Ready in {seconds:.1f} s at {state.gateway}",
        "Ctrl-C stops.",
        "",
    ]
    return lines
