"""The command's entry: finds the subcommand, and turns errors that a person can act on into one sentence."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import version

import click

from partita.control.child import describe
from partita.core.errors import PartitaError, Refused

__all__ = ["main"]

COMMANDS = ("call", "check", "dev", "graph", "migrate", "openapi")


class Commands(click.Group):
    """Loads a subcommand when it is asked for, so that each starts quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every subcommand, by name."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, or ``None``."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"partita.cli.{cmd_name}"), cmd_name)
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("partita"), "--version", prog_name="partita", message="%(prog)s %(version)s")
def group() -> None:
    """Run, look at and check systems made of services.

    \b
    partita dev shop.system              every service, PostgreSQL and the gateway
    partita dev shop.system --solo       the same in one process on SQLite
    partita call shop.catalog.product sku=123
    """


def main() -> None:
    """Run the command. Exits with 1 after a failure, 2 after wrong usage, 130 after Ctrl-C."""
    try:
        group.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except Refused as error:
        count = len(error.mistakes)
        click.echo(f"{count} mistake{'s' if count != 1 else ''}:", err=True)
        for mistake in error.mistakes:
            click.echo(f"  {mistake}", err=True)
        sys.exit(1)
    except PartitaError as error:
        click.echo(f"partita: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        if os.environ.get("PARTITA_DEBUG"):
            raise
        sentence, frames = describe(error)
        click.echo(f"partita: {sentence}", err=True)
        for frame in frames:
            click.echo(frame, err=True)
        sys.exit(1)
