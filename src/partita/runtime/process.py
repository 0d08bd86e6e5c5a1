"""The main function of a process that runs one service of an ensemble."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
from typing import Any

import msgspec

from partita.adapters.http.client import HttpTransport
from partita.adapters.http.server import HttpServer
from partita.core.errors import StartFailed
from partita.identity.tokens import keys_of
from partita.ports.transport import Transport
from partita.rpc.app import ServiceApp
from partita.rpc.wire import WireChannel
from partita.runtime.identification import Identification
from partita.runtime.logs import log_to_stderr
from partita.runtime.loop import run_loop
from partita.runtime.plan import Plan
from partita.runtime.replica import Replica
from partita.runtime.stalls import watching_stalls
from partita.runtime.users import tokens_from_transport

__all__ = ["main", "run_loop", "stop_signals"]

DRAIN_S = 8.0
log = logging.getLogger("partita.runtime")


def main(argument: dict[str, Any]) -> int:
    """Run the service that ``argument["plan"]`` describes, until SIGTERM or the end of the lifeline.

    ``argument["process"]`` has the descriptors: the listening socket, the readiness pipe, the lifeline.
    """
    log_to_stderr()
    plan = msgspec.convert(argument["plan"], Plan)
    process = argument["process"]
    run_loop(_serve(plan, process["listen"], process["ready"], process["lifeline"]))
    return 0


def stop_signals(lifeline: int | None = None) -> asyncio.Event:
    """An event that SIGTERM, SIGINT, or the end of the lifeline sets."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if lifeline is not None:
        os.set_blocking(lifeline, False)

        def parent_ended() -> None:
            loop.remove_reader(lifeline)
            stop.set()

        loop.add_reader(lifeline, parent_ended)
    return stop


async def _serve(plan: Plan, listen: int, ready: int, lifeline: int) -> None:
    stop = stop_signals(lifeline)
    transports: dict[str, Transport] = {}

    def transport(url: str) -> Transport:
        if url not in transports:
            transports[url] = HttpTransport(url)
        return transports[url]

    def channel(callee: str) -> WireChannel:
        if callee not in plan.peers:
            raise StartFailed(f"{plan.service} calls {callee}, and was not told where it is.")
        token = plan.tokens.get(callee)
        return WireChannel(transport(plan.peers[callee]), service_token=lambda: token)

    module, _, name = plan.entry.partition(":")
    cls = getattr(importlib.import_module(module), name)
    replica = Replica(
        cls, channels=channel, database_url=plan.database_url, environment=os.environ, version=plan.version
    )
    users = tokens_from_transport(plan.users, transport(plan.users.url)) if plan.users is not None else None
    trusted = keys_of(plan.trusted.encode())
    identify = Identification(system=plan.system, service=plan.service, trusted=trusted, users=users)
    app = ServiceApp(replica.endpoints.values(), identify=identify, pages=replica.pages())
    server = HttpServer(app)
    if not await _started(replica, stop):
        return
    try:
        port = await server.start(sock=socket.socket(fileno=listen))
        _tell_ready(ready, {"ready": True, "version": plan.version, "port": port})
        with watching_stalls():
            await stop.wait()
        replica.ready = False
        await server.drain(DRAIN_S)
    finally:
        await server.stop()
        await replica.stop()
        for each in transports.values():
            await each.close()


async def _started(replica: Replica, stop: asyncio.Event) -> bool:
    """Start it. False when it was asked to stop meanwhile; whatever it waited for is given up then."""
    starting = asyncio.ensure_future(replica.start())
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if starting.done():
        starting.result()
        return True
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    return False


def _tell_ready(ready: int, line: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # whoever asked has gone; the lifeline tells that
        os.write(ready, msgspec.json.encode(line) + b"\n")
        os.close(ready)
