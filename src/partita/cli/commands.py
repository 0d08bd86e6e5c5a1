"""Finds the subcommand, and turns errors that a person can act on into one sentence each."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import version

import click

from partita.cli.extra import LOCAL, lacking
from partita.cli.screen import tell
from partita.control.child import describe
from partita.core.errors import PartitaError, Refused

__all__ = ["run"]

COMMANDS = {
    "dev": "Run a system on this machine: processes, PostgreSQL, gateway.",
    "call": "Call an operation of a system that runs.",
    "graph": "Draw who calls whom, and who publishes what.",
    "openapi": "Print the OpenAPI document of a system or a service.",
    "check": "Find mistakes without running anything.",
    "migrate": "Write a service's next migration.",
}
INTERRUPTED = 130


class _Commands(click.Group):
    """Loads a subcommand when it is asked for, so that each starts quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every subcommand, by how often it is used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, or ``None``."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"partita.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  partita dev                          run the system in ./system.py
  partita dev shop.system --solo       the same code in one process on SQLite
  partita call catalog.product sku=1   call what runs here
  partita graph shop.system            see what it is made of

\b
partita COMMAND --help says more.
""",
)
@click.version_option(version("partita"), "--version", prog_name="partita", message="%(prog)s %(version)s")
def _group() -> None:
    """Run, look at and check systems made of services."""


def run() -> int:
    """Run the command; the exit code is returned, and what went wrong is told on stderr."""
    try:
        _group.main(prog_name="partita", standalone_mode=False)
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except Refused as error:
        _tell_mistakes(error)
    except PartitaError as error:
        tell(f"partita: {error}")
    except Exception as error:
        if os.environ.get("PARTITA_DEBUG"):
            raise
        _tell_failure(error)
    else:
        return 0
    return 1


def _tell_mistakes(error: Refused) -> None:
    if len(error.mistakes) == 1:
        tell(f"partita: {error.mistakes[0]}")
        return
    tell("\n".join([f"partita: {len(error.mistakes)} mistakes:", *(f"  {mistake}" for mistake in error.mistakes)]))


def _tell_failure(error: Exception) -> None:
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in LOCAL:
        tell(lacking(error))
        return
    sentence, frames = describe(error)
    tell("\n".join([f"partita: {sentence}", *frames]))
