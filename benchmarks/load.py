"""The load generator: a process of its own that asks the same question over kept connections, as fast as answers come.

A loop on httptools takes about a tenth of the CPU that the services take, so that it is not what is measured; the
share of a core that it used is printed with every table.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import httptools
import msgspec
import uvloop

from benchmarks.shapes import QUESTION, TARGET, Measured, Order, answer_is_right

__all__ = ["main", "run_load"]

PATIENCE_S = 10.0


class _Asker(asyncio.Protocol):
    """One connection: sends the question again as soon as its answer is whole."""

    def __init__(self, request: bytes, until: float, done: asyncio.Event) -> None:
        self._request = request
        self._until = until
        self._done = done
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._right: bytes | None = None
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None
        self.latencies: list[float] = []
        self.wrong = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        self._body = b""
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        status = self._parser.get_status_code()
        if self._right is None and status == 200 and answer_is_right(self._body):
            self._right = self._body
        if status != 200 or self._body != self._right:
            self.wrong += 1
        if now < self._until:
            self._parser = httptools.HttpResponseParser(self) if not self._parser.should_keep_alive() else self._parser
            self._ask()
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.is_set():
            self.wrong += 1
            self._done.set()

    def _end(self) -> None:
        self._done.set()
        if self._transport is not None:
            self._transport.close()


async def run_load(order: Order) -> Measured:
    """Ask over ``order.connections`` connections for ``order.seconds``."""
    head = f"POST {TARGET} HTTP/1.1\r\nhost: 127.0.0.1:{order.port}\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(QUESTION)}\r\n\r\n".encode() + QUESTION
    loop = asyncio.get_running_loop()
    cpu, start = time.process_time(), time.perf_counter()
    ends = [asyncio.Event() for _ in range(order.connections)]
    askers = [_Asker(request, start + order.seconds, end) for end in ends]
    for asker in askers:
        await loop.create_connection(lambda asker=asker: asker, "127.0.0.1", order.port)  # type: ignore[misc]
    async with asyncio.timeout(order.seconds + PATIENCE_S):
        for end in ends:
            await end.wait()
    seconds = time.perf_counter() - start
    latencies = sorted(latency for asker in askers for latency in asker.latencies)
    return Measured(
        calls=len(latencies),
        wrong=sum(asker.wrong for asker in askers),
        seconds=seconds,
        p50_ms=latencies[len(latencies) // 2] * 1000,
        p99_ms=latencies[len(latencies) * 99 // 100] * 1000,
        cpu=(time.process_time() - cpu) / seconds,
    )


def main() -> None:
    """Read an order a line from standard input, and write what was measured."""
    for line in sys.stdin.buffer:
        measured = uvloop.run(run_load(msgspec.json.decode(line, type=Order)))
        sys.stdout.buffer.write(msgspec.json.encode(measured) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
