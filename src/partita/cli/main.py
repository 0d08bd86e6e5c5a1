"""The command's entry. It imports nothing that ``pip install partita`` alone does not bring."""

from __future__ import annotations

import sys
from importlib import import_module

from partita.cli.extra import lacking

__all__ = ["main"]


def main() -> None:
    """Run the command. Exits with 1 after a failure, 2 after wrong usage, 130 after Ctrl-C."""
    try:
        run = import_module("partita.cli.commands").run
    except ModuleNotFoundError as missing:
        sys.exit(lacking(missing))
    sys.exit(run())
