"""``partita migrate``: write a service's next migration."""

from __future__ import annotations

from pathlib import Path

import click

from partita.cli.parts import has_database
from partita.cli.screen import say
from partita.cli.values import meant
from partita.core.errors import StartFailed
from partita.data.migrations import revision
from partita.runtime.tables import migrations_of, tables_of
from partita.system.target import DEFAULT_TARGET, load_system

__all__ = ["migrate"]


@click.command(
    epilog="""\b
Examples:
  partita migrate orders -m "first tables"
  partita migrate orders -m "when an order was paid" --system examples.shop.system
"""
)
@click.argument("service")
@click.option("-m", "--message", required=True, help="What changes, in a few words.")
@click.option(
    "--system", "target", default=DEFAULT_TARGET, show_default=True, help="module[:attr] or a file.", metavar="SYSTEM"
)
def migrate(service: str, message: str, target: str) -> None:
    """Compare SERVICE's tables with its history, and write the migration between them.

    The file goes to migrations/versions/ beside the service. Read it before you commit it. Migrations are applied
    by themselves before a service takes traffic.
    """
    system = load_system(target)
    member = system.members.get(service)
    if member is None:
        raise StartFailed(f"{system.name} has no service {service}. {meant(service, system.members)}")
    if not has_database(member):
        raise StartFailed(f"{service} has no tables: it asks for no database. Give it a field: db: Database")
    tables = tables_of(member.cls)
    if tables is None:
        raise StartFailed(f"{service} has no tables: neither its module nor a module tables beside it defines any.")
    written = revision(migrations_of(member.cls), tables, message)
    if written is None:
        say(f"{service}: nothing has changed since the last migration; no file was written.")
        return
    here = Path.cwd()
    say(f"Wrote {written.relative_to(here) if written.is_relative_to(here) else written}. Read it, then commit it.")
