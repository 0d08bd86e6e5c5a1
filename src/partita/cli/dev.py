"""``partita dev``: a whole system on this machine, for developers."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from typing import Protocol

import click

from partita.cli.ensemble import Ensemble
from partita.cli.options import Options
from partita.cli.solo import SoloPlacement
from partita.cli.table import service_table
from partita.control.ports import require_free
from partita.control.state import State, forget_state, write_state
from partita.runtime.process import run_loop
from partita.system.target import DEFAULT_TARGET

__all__ = ["dev"]


class Placement(Protocol):
    """A way to run a system."""

    async def start(self) -> State:
        """Start everything; or stop everything that had started, and raise ``StartFailed``."""
        ...

    async def run(self, stop: asyncio.Event, at_once: asyncio.Event) -> None:
        """Keep it running until ``stop`` is set, then drain and stop; at once when ``at_once`` is set."""
        ...


@click.command()
@click.argument("system", default=DEFAULT_TARGET)
@click.option("--solo", is_flag=True, help="Every service in one process, on SQLite, without PostgreSQL and Envoy.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Where the gateway listens."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="On which address.")
@click.option(
    "--database-url", help="A PostgreSQL server to use instead of the embedded one; its user makes databases and roles."
)
def dev(system: str, solo: bool, port: int, host: str, database_url: str | None) -> None:
    """Run SYSTEM (module[:attr] or a file): each service in its own process with its own PostgreSQL database, behind
    Envoy. Data is kept in .partita/. Ctrl-C drains and stops; a second one stops at once.
    """
    started = time.monotonic()
    if solo and database_url is not None:
        raise click.UsageError("--solo keeps its data in SQLite; leave out --database-url.")
    require_free(host, port)
    options = Options(target=system, port=port, host=host, database_url=database_url, started=started)
    placement: Placement = SoloPlacement(options) if solo else Ensemble(options)
    run_loop(_run(placement, options))


async def _run(placement: Placement, options: Options) -> None:
    stop, at_once = asyncio.Event(), asyncio.Event()

    def interrupted() -> None:
        if stop.is_set():
            at_once.set()
        else:
            stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupted)
    starting = asyncio.ensure_future(placement.start())
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not starting.done():
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        click.echo("Stopped before everything had started.", err=True)
        sys.exit(130)
    state = starting.result()
    try:
        write_state(state)
        for line in service_table(state, time.monotonic() - options.started):
            click.echo(line)
        sys.stdout.flush()
        await placement.run(stop, at_once)
    finally:
        forget_state(state.system)
    click.echo("Stopped.")
