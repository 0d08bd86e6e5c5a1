"""What travels in every row of the table: one small question and one small answer, and what the processes are told."""

from __future__ import annotations

import msgspec

__all__ = [
    "ANSWER",
    "ENSEMBLE",
    "PEERS",
    "QUESTION",
    "SOLO",
    "TARGET",
    "UNIT_PRICE",
    "Config",
    "Measured",
    "Order",
    "answer_is_right",
]

PEERS = ("FastAPI + httpx", "FastAPI + aiohttp", "Starlette + aiohttp, by hand")
ENSEMBLE = "Partita, ensemble"
SOLO = "Partita, in one process"
TARGET = "/quote"
UNIT_PRICE = 1250
QUESTION = b'{"sku":"desk-lamp-07","quantity":3,"country":"NL"}'
ANSWER = {"sku": "desk-lamp-07", "quantity": 3, "unit": UNIT_PRICE, "total": 3 * UNIT_PRICE, "currency": "EUR"}


class Config(msgspec.Struct, kw_only=True):
    """What one server process is told. ``peer`` is the port of the service that it calls, if it calls one."""

    row: str
    role: str
    peer: int = 0
    token: str = ""
    trusted: str = ""


class Order(msgspec.Struct, kw_only=True):
    """What the load generator is told: how many connections, and for how many seconds."""

    port: int
    connections: int
    seconds: float


class Measured(msgspec.Struct, kw_only=True):
    """What one run of the load generator saw. Latencies are in milliseconds, ``cpu`` is the generator's own share of
    one core while it ran, ``wrong`` counts answers with another status or body than the first, right one."""

    calls: int
    wrong: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu: float

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return self.calls / self.seconds if self.seconds else 0.0


def answer_is_right(body: bytes) -> bool:
    """Whether ``body`` is the answer to ``QUESTION``."""
    try:
        return bool(msgspec.json.decode(body) == ANSWER)
    except msgspec.DecodeError:
        return False
