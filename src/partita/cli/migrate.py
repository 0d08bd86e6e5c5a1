"""``partita migrate``: write a service's next migration."""

from __future__ import annotations

from pathlib import Path

import click

from partita.core.errors import StartFailed
from partita.data.migrations import revision
from partita.runtime.tables import migrations_of, tables_of
from partita.system.target import DEFAULT_TARGET, load_system

__all__ = ["migrate"]


@click.command()
@click.argument("service")
@click.option("-m", "--message", required=True, help="What changes, in a few words.")
@click.option("--system", "target", default=DEFAULT_TARGET, show_default=True, help="module[:attr] or a file.")
def migrate(service: str, message: str, target: str) -> None:
    """Compare SERVICE's tables with its history, and write the migration between them.

    The file goes to ``migrations/versions/`` beside the service. Read it before you commit it. Migrations are applied
    by themselves before a service takes traffic.
    """
    system = load_system(target)
    member = system.members.get(service)
    if member is None:
        raise StartFailed(f"{system.name} has no service {service}. It has {', '.join(system.members)}.")
    tables = tables_of(member.cls)
    if tables is None:
        raise StartFailed(f"{service} has no tables: neither its module nor a module tables beside it defines any.")
    written = revision(migrations_of(member.cls), tables, message)
    if written is None:
        click.echo(f"{service}: nothing has changed since the last migration; no file was written.")
        return
    here = Path.cwd()
    click.echo(
        f"Wrote {written.relative_to(here) if written.is_relative_to(here) else written}. Read it, then commit it."
    )
