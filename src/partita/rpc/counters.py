"""What each operation did: calls, failures and time, and the text that Prometheus reads."""

from __future__ import annotations

import time
from collections import defaultdict

__all__ = ["Counters"]


class _Measured:
    __slots__ = ("_counters", "_operation", "_started", "status")

    def __init__(self, counters: Counters, operation: str) -> None:
        self._counters, self._operation = counters, operation
        self.status = 499

    def __enter__(self) -> _Measured:
        self._counters.in_flight += 1
        self._started = time.perf_counter()
        return self

    def __exit__(self, *exc: object) -> None:
        counters = self._counters
        counters.in_flight -= 1
        row = counters.calls[self._operation, self.status]
        row[0] += 1
        row[1] += time.perf_counter() - self._started


class Counters:
    """Counts of one service. ``in_flight`` is how many calls run now."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.calls: dict[tuple[str, int], list[float]] = defaultdict(lambda: [0, 0.0])

    def measure(self, operation: str) -> _Measured:
        """A ``with`` block around one call; set ``status`` in it (499 stands for a caller that left)."""
        return _Measured(self, operation)

    def prometheus(self, service: str) -> str:
        """The text exposition format, version 0.0.4."""
        lines = [
            "# HELP partita_calls_total Calls answered, by operation and status.",
            "# TYPE partita_calls_total counter",
        ]
        rows = sorted(self.calls.items())
        for (operation, status), (count, _) in rows:
            lines.append(
                f'partita_calls_total{{service="{service}",operation="{operation}",status="{status}"}} {int(count)}'
            )
        lines += [
            "# HELP partita_call_seconds_total Seconds spent in calls, by operation and status.",
            "# TYPE partita_call_seconds_total counter",
        ]
        for (operation, status), (_, seconds) in rows:
            labels = f'service="{service}",operation="{operation}",status="{status}"'
            lines.append(f"partita_call_seconds_total{{{labels}}} {seconds:.6f}")
        lines += [
            "# HELP partita_calls_in_flight Calls that run now.",
            "# TYPE partita_calls_in_flight gauge",
            f'partita_calls_in_flight{{service="{service}"}} {self.in_flight}',
        ]
        return "\n".join(lines) + "\n"
