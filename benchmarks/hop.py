"""A typed call from service A to service B, in Partita and in what teams would write instead.

``python -m benchmarks.hop`` prints the table.

For each row a process (or two) serves on loopback, and a load generator in a process of its own asks A, which asks B.
Rows take turns, so that a change of the machine's mood falls on all of them; each figure is the median of the runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.processes import Generator, Row, started
from benchmarks.shapes import ENSEMBLE, PEERS, SOLO, Measured, Order
from benchmarks.table import conditions, draw

__all__ = ["NAMES", "QUICK", "Figures", "Settings", "main", "measure", "report"]

BASE = "FastAPI + httpx"
NAMES = [*PEERS, ENSEMBLE, SOLO]


@dataclass(frozen=True)
class Settings:
    """``runs`` of ``seconds`` each with ``connections``, and of ``single_s`` with one connection."""

    runs: int = 9
    seconds: float = 1.5
    single_s: float = 0.5
    warm_s: float = 0.5
    connections: int = 32


QUICK = Settings(runs=1, seconds=0.2, single_s=0.1, warm_s=0.05, connections=4)


@dataclass
class Figures:
    """What was measured of one row: a value for each run."""

    name: str
    many: list[Measured] = field(default_factory=list)
    one: list[Measured] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second, the median of the runs."""
        return median(run.rate for run in self.many)

    @property
    def latency_ms(self) -> float:
        """Median latency on one connection, the median of the runs."""
        return median(run.p50_ms for run in self.one)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of A and B together for a thousand calls, the median of the runs."""
        return median(self.cpu_ms)

    @property
    def wrong(self) -> int:
        """Answers that were not right, in all runs."""
        return sum(run.wrong for run in (*self.many, *self.one))


def measure(settings: Settings, tell: Callable[[str], None], names: Sequence[str] = NAMES) -> list[Figures]:
    """Start the rows of these names, let them take turns, and end them."""
    found = {name: Figures(name) for name in names}
    generator = Generator()
    try:
        with started(names) as rows:
            for row in rows:
                generator.run(Order(port=row.port, connections=settings.connections, seconds=settings.warm_s))
            for number in range(settings.runs):
                for row in rows:
                    _run(row, generator, settings, found[row.name])
                tell(f"run {number + 1} of {settings.runs}")
    finally:
        generator.end()
    return list(found.values())


def _run(row: Row, generator: Generator, settings: Settings, figures: Figures) -> None:
    before = row.cpu_s()
    many = generator.run(Order(port=row.port, connections=settings.connections, seconds=settings.seconds))
    figures.cpu_ms.append((row.cpu_s() - before) / many.calls * 1000)
    figures.many.append(many)
    figures.one.append(generator.run(Order(port=row.port, connections=1, seconds=settings.single_s)))


def report(found: list[Figures], settings: Settings) -> str:
    """The table, and what it was measured under."""
    base = next((each for each in found if each.name == BASE), None)
    head = ("A calls B", "requests/s", f"x {BASE}", "p50 ms, 1 connection", "CPU s per 1,000 calls")
    rows = [
        (
            each.name,
            f"{each.rate:,.0f}",
            f"{each.rate / base.rate:.1f}" if base is not None else "-",
            f"{each.latency_ms:.2f}",
            f"{each.cpu_s:.2f}",
        )
        for each in found
    ]
    used = max(run.cpu for each in found for run in each.many)
    many = f"{settings.runs} alternating runs of {settings.seconds:g} s with {settings.connections} connections"
    return "\n".join(
        [
            draw(head, rows),
            "",
            f"{conditions(('fastapi', 'httpx', 'aiohttp', 'starlette', 'pydantic'))}.",
            f"Median of {many}, and of {settings.single_s:g} s with one. Access logs are off.",
            f"A, B and the load generator share the cores; the generator used at most {used:.0%} of one.",
        ]
    )


def _each_run(found: list[Figures]) -> str:
    """Every run's values."""
    lines = []
    for each in found:
        lines.append(each.name)
        for number, (many, one, cpu) in enumerate(zip(each.many, each.one, each.cpu_ms, strict=True), 1):
            lines.append(
                f"  {number}: {many.rate:,.0f}/s, p50 {many.p50_ms:.2f} ms, p99 {many.p99_ms:.2f} ms, "
                f"CPU {cpu:.3f} s per 1,000, generator {many.cpu:.0%}; "
                f"one connection: p50 {one.p50_ms:.3f} ms, p99 {one.p99_ms:.3f} ms"
            )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the table. Exits with 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hop", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--quick", action="store_true", help="one short run, which proves that it works and no more")
    parser.add_argument("--verbose", action="store_true", help="every run's values")
    parser.add_argument("--runs", type=int, help="how many runs of each row (9)")
    parser.add_argument("--seconds", type=float, help="how long each is (1.5)")
    parser.add_argument("--only", default="", help="only the rows whose name has this in it")
    asked = parser.parse_args(arguments)
    settings = QUICK if asked.quick else Settings()
    if asked.runs or asked.seconds:
        settings = Settings(runs=asked.runs or settings.runs, seconds=asked.seconds or settings.seconds)
    names = [name for name in NAMES if asked.only.lower() in name.lower()]
    found = measure(settings, lambda line: print(line, flush=True) if asked.verbose else None, names)
    if asked.verbose:
        print(_each_run(found), end="\n\n")
    print(report(found, settings))
    wrong = {each.name: each.wrong for each in found if each.wrong}
    if wrong:
        raise SystemExit(f"answers that were not right: {wrong}")


if __name__ == "__main__":
    main()
