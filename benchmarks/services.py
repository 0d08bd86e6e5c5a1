"""Partita's rows: two services, each in a process as in an ensemble, or both in one as with ``--solo``."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, Protocol

import msgspec

from benchmarks.shapes import SOLO, TARGET, UNIT_PRICE, Config
from partita import PUBLIC, Contract, Message, Service, post
from partita.identity.tokens import SigningKey, jwk_of, keys_of, mint_service_token
from partita.runtime.identification import operator_issuer
from partita.runtime.loop import run_loop
from partita.runtime.plan import Plan
from partita.runtime.process import main as run_process
from partita.runtime.process import stop_signals
from partita.runtime.solo import Solo

__all__ = ["credentials", "run_partita"]

SYSTEM = "bench"
DRAIN_S = 1.0


class Question(Message):
    """What is asked of both services."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]


class Quote(Message):
    """What both answer."""

    sku: str
    quantity: int
    unit: int
    total: int
    currency: str


class Prices(Contract, Protocol, name="prices"):
    """The callee."""

    @post("/price")
    async def price(self, question: Question) -> Quote:
        """The price of so many pieces."""
        ...


class Quotes(Contract, Protocol, name="quotes"):
    """The caller, which the load generator asks."""

    @post(TARGET, access=PUBLIC)
    async def quote(self, question: Question) -> Quote:
        """What the callee says."""
        ...


class PricesService(Prices, Service):
    """Multiplies."""

    async def price(self, question: Question) -> Quote:
        total = question.quantity * UNIT_PRICE
        return Quote(sku=question.sku, quantity=question.quantity, unit=UNIT_PRICE, total=total, currency="EUR")


class QuotesService(Quotes, Service):
    """Asks the other service."""

    prices: Prices

    async def quote(self, question: Question) -> Quote:
        return await self.prices.price(question)


def credentials() -> tuple[str, str]:
    """A service token for the caller to show to the callee, and the key set that it is verified with."""
    key = SigningKey.generate("bench")
    token = mint_service_token(
        key, system=operator_issuer(SYSTEM), caller="quotes", callee="prices", now_s=time.time(), life_s=3600
    )
    return token, msgspec.json.encode({"keys": [jwk_of(key.kid, key.public)]}).decode()


def run_partita(config: Config, listening: socket.socket, lifeline: int) -> None:
    """Serve until ``lifeline`` ends. ``config.role`` is ``callee`` or ``caller``; solo has one process, the caller."""
    if config.row == SOLO:
        run_loop(_serve_solo(config, listening, lifeline))
        return
    name, cls = ("prices", PricesService) if config.role == "callee" else ("quotes", QuotesService)
    peers = {"prices": f"http://127.0.0.1:{config.peer}"} if config.role == "caller" else {}
    plan = Plan(
        system=SYSTEM,
        service=name,
        entry=f"{__name__}:{cls.__name__}",
        version="0",
        database_url=None,
        peers=peers,
        tokens={"prices": config.token} if peers else {},
        trusted=config.trusted,
    )
    read, ready = os.pipe()
    os.set_inheritable(ready, False)
    process = {"listen": listening.detach(), "ready": ready, "lifeline": lifeline}
    drain = threading.Thread(target=os.read, args=(read, 4096), daemon=True)
    drain.start()
    run_process({"plan": msgspec.to_builtins(plan), "process": process})


async def _serve_solo(config: Config, listening: socket.socket, lifeline: int) -> None:
    stop = stop_signals(lifeline)
    sockets = {name: _local_socket() for name in ("prices", "quotes")}
    no_database: Callable[[str], Any] = lambda _: None  # noqa: E731
    solo = Solo(
        SYSTEM,
        [PricesService, QuotesService],
        database_url=no_database,
        gateway=listening,
        sockets=sockets,
        trusted=keys_of(config.trusted.encode()),
        users=None,
        environment={},
        versions={},
    )
    await solo.start()
    try:
        await stop.wait()
    finally:
        await solo.stop(DRAIN_S)


def _local_socket() -> socket.socket:
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    found.listen(128)
    found.setblocking(False)
    return found
