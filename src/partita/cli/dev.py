"""``partita dev``: a whole system on this machine, for developers."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from importlib import import_module
from ipaddress import ip_address
from typing import Any, Protocol

import click

from partita.cli.age import process_age_s
from partita.cli.interrupts import Interrupts, interruptible
from partita.cli.options import Options
from partita.cli.screen import coloured, say, tell
from partita.cli.table import service_table
from partita.control.forks import PRELOAD, Forks
from partita.control.logs import Logs
from partita.control.ports import require_free
from partita.control.state import State, forget_state, only_here, was_left
from partita.core.errors import StartFailed
from partita.gateway.envoy import find_envoy
from partita.runtime.loop import run_loop
from partita.system.model import System
from partita.system.target import DEFAULT_TARGET, load_system

__all__ = ["dev"]

EARLIER_ENDS_S = 3.0
"""How long an earlier run that was killed may hold the port: its zygote ends what is left within two seconds."""

EARLIER_POLL_S = 0.05
OWN_PRELOAD = ("partita.runtime.process", "partita.adapters.postgresql.engine", "partita.data.revisions", "partita")
"""Partita's own modules. Imported once before forking, as they do not change while a system is developed."""


class _Placement(Protocol):
    """A way to run a system."""

    system: System

    async def start(self) -> State:
        """Start everything, and say what runs. Raises ``StartFailed``; ``stop`` clears up then too."""
        ...

    async def stop(self, at_once: asyncio.Event) -> None:
        """Drain and stop what was started; at once when ``at_once`` is set."""
        ...


@click.command(
    epilog="""\b
Examples:
  partita dev                            the system in ./system.py
  partita dev examples.shop.system       a module; its attribute is `system` unless told: module:attr
  partita dev --solo --port 9000         one process, SQLite, another port
  partita dev --database-url postgresql://me:secret@localhost/postgres
"""
)
@click.argument("system", default=DEFAULT_TARGET)
@click.option("--solo", is_flag=True, help="Every service in one process, on SQLite, without PostgreSQL and Envoy.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Of the gateway.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address that the gateway listens on.")
@click.option(
    "--database-url",
    metavar="URL",
    envvar="PARTITA_DATABASE_URL",
    help="A PostgreSQL server to use instead of the embedded one; its user must be allowed to create databases and "
    "roles. Also read from PARTITA_DATABASE_URL, where a password is not seen by others.",
)
def dev(system: str, solo: bool, port: int, host: str, database_url: str | None) -> None:
    """Run SYSTEM on this machine.

    SYSTEM is a module (module[:attr]) or a file. Each service runs in a process of its own with a PostgreSQL database
    of its own, behind Envoy. Data is kept in .partita/ between runs. Ctrl-C finishes what is under way and stops; a
    second one stops at once.
    """
    if solo and database_url is not None:
        raise click.UsageError("--solo keeps its data in SQLite: leave out --database-url.")
    run_loop(_run(Options(target=system, port=port, host=_address(host), database_url=database_url), solo))


def _address(host: str) -> str:
    try:
        return str(ip_address("127.0.0.1" if host == "localhost" else host))
    except ValueError:
        raise click.UsageError(
            f"--host {host} is no address: write it in numbers, as 127.0.0.1, ::1, or 0.0.0.0 for all."
        ) from None


async def _run(options: Options, solo: bool) -> None:
    async with AsyncExitStack() as stack:
        placement = await _prepare(options, solo, stack)
        interrupts = Interrupts()
        name = placement.system.name
        stack.enter_context(only_here(name))
        await _port_is_free(options, name, interrupts)
        stack.callback(forget_state, name)
        state = await _start(placement, interrupts)
        say(service_table(state, process_age_s(), colour=coloured()))
        await interrupts.stop.wait()
        say("Stopping: what is under way is finished first. Ctrl-C again stops at once.")
        await placement.stop(interrupts.at_once)
    say("Stopped.")


async def _prepare(options: Options, solo: bool, stack: AsyncExitStack) -> _Placement:
    """Import the system's code and the placement's. The zygote's imports, in another process, go on beside it."""
    arguments: list[Any] = []
    if not solo:
        find_envoy()
        logs = Logs()
        stack.callback(logs.close)
        forks = Forks(logs, preload=(*PRELOAD, *OWN_PRELOAD))
        stack.push_async_callback(forks.close)
        starting = asyncio.ensure_future(forks.start())
        stack.push_async_callback(_cancelled, starting)
        await asyncio.sleep(0)  # in which the zygote is executed
        arguments = [logs, forks]
    try:
        with interruptible():
            found = load_system(options.target)
            # Imported here because it brings SQLAlchemy, which takes as long as the zygote needs to be under way.
            module = import_module("partita.cli.solo" if solo else "partita.cli.ensemble")
    except KeyboardInterrupt:
        raise _Stopped from None
    placement: _Placement = module.placement(found, options, *arguments)
    return placement


class _Stopped(click.Abort):
    """Asked to stop before everything ran."""

    def __init__(self) -> None:
        super().__init__()
        tell("Stopped before everything had started.")


async def _cancelled(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _start(placement: _Placement, interrupts: Interrupts) -> State:
    """Start everything. What fails or is stopped leaves nothing behind, and nobody is waited for then."""
    starting = asyncio.ensure_future(placement.start())
    try:
        stopped = asyncio.ensure_future(interrupts.stop.wait())
        waits: list[asyncio.Future[Any]] = [starting, stopped]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not starting.done():
            raise _Stopped
        return starting.result()
    except BaseException:
        starting.cancel()
        interrupts.at_once.set()
        await placement.stop(interrupts.at_once)
        await _cancelled(starting)
        raise


async def _port_is_free(options: Options, system: str, interrupts: Interrupts) -> None:
    """Raise ``StartFailed`` where the port is taken. What an earlier run left behind may take a moment to end."""
    until = time.monotonic() + (EARLIER_ENDS_S if was_left(system) else 0)
    while True:
        try:
            return require_free(options.host, options.port)
        except StartFailed:
            if time.monotonic() >= until:
                raise
        if interrupts.stop.is_set():
            raise _Stopped
        await asyncio.sleep(EARLIER_POLL_S)
