"""``partita check``: everything about a system that can be found without running it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from partita.cli.parts import has_database
from partita.cli.screen import count, say
from partita.core.errors import Mistake, SystemRefused
from partita.data.migrations import pending_changes
from partita.runtime.tables import migrations_of, tables_of
from partita.system.imports import forbidden_imports
from partita.system.model import System
from partita.system.target import DEFAULT_TARGET, load_system

__all__ = ["check"]


@click.command(
    epilog="""\b
Examples:
  partita check                         the system in ./system.py
  partita check examples.shop.system
"""
)
@click.argument("system", default=DEFAULT_TARGET)
def check(system: str) -> None:
    """Check SYSTEM (module[:attr] or a file): contracts, wiring, imports between services, migrations.

    Prints every mistake with its place and remedy, and exits with 1; or says what was checked.
    """
    found = load_system(system)
    mistakes = [*forbidden_imports(found.members), *_migrations(found)]
    if mistakes:
        raise SystemRefused(mistakes)
    operations = sum(len(member.contract.operations) for member in found.members.values())
    events = sum(len(member.contract.publishes) for member in found.members.values())
    counts = (count(len(found.members), "service"), count(operations, "operation"), count(events, "event"))
    say(f"{found.name}: {', '.join(counts)}. No mistakes.")


def _migrations(system: System) -> list[Mistake]:
    """Services whose tables say something that their history does not."""
    mistakes = []
    with tempfile.TemporaryDirectory(prefix="partita-check-") as scratch:
        for name, member in system.members.items():
            if not has_database(member):
                continue
            tables, history = tables_of(member.cls), migrations_of(member.cls)
            if tables is None:
                continue
            where = f"{member.cls.__module__}.{member.cls.__qualname__}"
            remedy = f'Run: partita migrate {name} -m "..."'
            if not history.is_dir():
                mistakes.append(Mistake(where, "it has tables and no migrations.", remedy))
                continue
            changes = pending_changes(history, tables, Path(scratch) / f"{name}.db")
            if changes:
                fact = f"its tables have changed since the last migration: {'; '.join(changes)}."
                mistakes.append(Mistake(where, fact, remedy))
    return mistakes
