"""Servers for the tests of HTTP: Partita's own, talked to byte by byte, and one that misbehaves towards clients."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from partita.adapters.http.limits import ServerLimits
from partita.adapters.http.server import HttpServer

PATIENCE_S = 10.0


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Each test here runs on both event loops: their transports differ in what they tell of a connection's end."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass
class Answer:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The body, where it is a problem as RFC 9457 has it, with all members that every refusal has."""
        assert self.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = json.loads(self.body)
        assert set(found) == {"type", "title", "status", "detail"}
        assert found["status"] == self.status
        assert "Traceback" not in found["detail"]
        return found

    @property
    def code(self) -> str:
        """The end of the problem's type."""
        kind = str(self.problem["type"])
        assert kind.startswith("urn:partita:problem:")
        return kind.removeprefix("urn:partita:problem:")


class Wire:
    """A client's end of a connection, in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send bytes. That the server has closed is seen when reading."""
        with suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def answer(self, *, to_head: bool = False) -> Answer:
        """Read one answer, however its body is framed."""
        async with asyncio.timeout(PATIENCE_S):
            first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            pairs = [line.split(": ", 1) for line in lines]
            headers = {name.lower(): value for name, value in pairs}
            assert len(headers) == len(pairs), f"a header came twice: {lines}"
            status = int(first.split(" ")[1])
            return Answer(status, headers, b"" if to_head or status < 200 else await self._body(headers))

    async def _body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return await self.reader.read()
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
        assert await self.reader.readexactly(2) == b"\r\n"
        return body

    async def ask(self, data: bytes, *, to_head: bool = False) -> Answer:
        """Send bytes and read one answer."""
        await self.send(data)
        return await self.answer(to_head=to_head)

    async def end(self) -> bytes:
        """What comes until the server closes."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def half_close(self) -> None:
        """Send no more, and read on."""
        self.writer.write_eof()

    def close(self) -> None:
        """Close in an orderly way."""
        self.writer.close()

    def reset(self) -> None:
        """Close as a program that crashed, or one that wants its server to stop."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Served:
    """A server that runs, and its clients."""

    server: HttpServer
    port: int
    wires: list[Wire] = field(default_factory=list)

    async def open(self) -> Wire:
        """A new connection."""
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        self.wires.append(wire)
        return wire

    async def ask(self, data: bytes, *, to_head: bool = False) -> Answer:
        """Send bytes on a new connection and read one answer."""
        return await (await self.open()).ask(data, to_head=to_head)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until ``condition`` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens inside of transports
            await asyncio.sleep(0)


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """``await until(lambda: ...)`` lets the loop run until that holds."""
    return until


@dataclass
class Echo:
    """An application that tells what it was asked. Paths: ``/unread`` does not read the body; ``/raise`` raises."""

    scopes: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        body, more = b"", scope["path"] != "/unread"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"] == "/raise":
            raise LookupError("a secret detail")
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        told = {"path": scope["path"], "query": scope["query_string"].decode(), "method": scope["method"]}
        content = json.dumps({**told, "headers": headers, "body": body.decode("latin-1")}).encode()
        length = (b"content-length", str(len(content)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": content})


@pytest.fixture
def echo() -> Echo:
    """An application that tells what it was asked."""
    return Echo()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    """``served = await serve(app, head_s=0.1)`` starts a server with these limits; it is stopped after the test."""
    running: list[Served] = []

    async def start(app: Any, **limits: Any) -> Served:
        # What is cancelled by a reset should not pass since an orderly close is given up after a while too.
        server = HttpServer(app, limits=ServerLimits(**{"half_closed_s": 60.0, **limits}))
        running.append(Served(server, await server.start()))
        return running[-1]

    yield start
    for served in running:
        for wire in served.wires:
            wire.writer.transport.abort()
        await served.server.stop()


@pytest.fixture
async def misbehave() -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """``port = await misbehave(behaviour)`` listens, and gives connections to ``behaviour(reader, writer, number)``.

    ``number`` counts the connections from 0. A connection is closed when its behaviour returns.
    """
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def start(behaviour: Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]) -> int:
        count = 0

        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal count
            number, count = count, count + 1
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await behaviour(reader, writer, number)
                    await writer.drain()
            finally:
                tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(run, "127.0.0.1", 0)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
