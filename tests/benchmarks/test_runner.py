"""The benchmarks run and are whole. How fast anything is, no test says: machines differ."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from benchmarks import data, hop
from benchmarks.shapes import Measured


def columns(table: str) -> list[list[str]]:
    """The cells of a table's lines, without its rule."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


@pytest.mark.timeout(120)  # nine server processes start one after the other
def test_every_row_of_the_hop_answers_rightly() -> None:
    """Each row's services answer every call with the right body, and the table has a figure in each cell."""
    found = hop.measure(hop.QUICK, lambda line: None)
    assert [(each.name, each.wrong) for each in found] == [(name, 0) for name in hop.NAMES]
    assert all(run.calls > 0 for each in found for run in (*each.many, *each.one))
    head, *rows = columns(hop.report(found, hop.QUICK))
    assert [row[0] for row in rows] == hop.NAMES
    assert all(len(row) == len(head) and all(row) for row in rows)
    assert "cores" in hop.report(found, hop.QUICK)


def test_the_ratio_is_to_the_first_row() -> None:
    """A row that answers twice as fast as FastAPI + httpx has a 2.0."""
    rows = []
    for name, calls in ((hop.NAMES[0], 100), (hop.NAMES[-1], 200)):
        run = Measured(calls=calls, wrong=0, seconds=1.0, p50_ms=1.0, p99_ms=2.0, cpu=0.1)
        rows.append(hop.Figures(name, many=[run], one=[run], cpu_ms=[1.0]))
    assert [row[2] for row in columns(hop.report(rows, hop.Settings()))[1:]] == ["1.0", "2.0"]


def test_every_row_of_the_data_reads_what_it_wrote() -> None:
    """Both databases, with and without the unit of work, do all four kinds of work; a wrong row would raise."""
    with tempfile.TemporaryDirectory(prefix="partita-bench-") as folder:
        Path(folder).chmod(0o755)
        rows = asyncio.run(data.measure(data.QUICK, Path(folder)))
    assert all(rate > 0 for row in rows for rates in row.found.values() for rate in rates)
    head, *lines = columns(data.report(rows, data.QUICK))
    assert len(lines) == 4
    assert all(len(line) == len(head) for line in lines)
