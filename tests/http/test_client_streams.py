"""Bodies that come and go piece by piece."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from partita.adapters.http.client import HttpTransport
from partita.adapters.http.limits import ClientLimits
from partita.core.errors import BadResponse, ConnectionLost, DeadlineExceeded
from partita.ports.transport import Request

Serve = Callable[..., Awaitable[Any]]
Misbehave = Callable[..., Awaitable[int]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def request(method: str = "POST", target: str = "/", **rest: Any) -> Request:
    """A request of an operation named shop.watch."""
    return Request(service="shop", operation="watch", method=method, target=target, **rest)


class Feed:
    """An application that streams what it is given, and tells when it is cancelled."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.cancelled = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-feed", b"1")]})
        try:
            while piece := await self.pieces.get():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        await send({"type": "http.response.body"})


async def test_a_stream_comes_piece_by_piece(serve: Serve) -> None:
    """The head comes before the body, each piece as it is sent, and the connection is used again after the end."""
    feed = Feed()
    served = await serve(feed)
    transport = HttpTransport(("127.0.0.1", served.port))
    for _ in range(2):
        async with transport.stream(request("GET")) as response:
            assert (response.status, response.headers["x-feed"]) == (200, "1")
            feed.pieces.put_nowait(b"one")
            chunks = response.chunks()
            assert await anext(chunks) == b"one"
            feed.pieces.put_nowait(b"two")
            assert await anext(chunks) == b"two"
            feed.pieces.put_nowait(b"")
            assert [chunk async for chunk in chunks] == []
    assert served.server.connections == 1
    await transport.close()


async def test_leaving_a_stream_early_cancels_the_work(serve: Serve, until: Any) -> None:
    """The server is told at once that nobody reads."""
    feed = Feed()
    served = await serve(feed)
    transport = HttpTransport(("127.0.0.1", served.port))
    with pytest.raises(LookupError):
        async with transport.stream(request("GET")):
            raise LookupError
    async with asyncio.timeout(10):
        await feed.cancelled.wait()
    await until(lambda: served.server.connections == 0)
    await transport.close()


async def test_a_stream_that_nobody_reads_waits_in_the_server(serve: Serve) -> None:
    """The client keeps a bounded part; the server waits, and goes on when the client reads."""
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(400):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            sent += 1
        await send({"type": "http.response.body"})

    served = await serve(app)
    transport = HttpTransport(("127.0.0.1", served.port))
    async with transport.stream(request("GET")) as response:
        before = -1
        while sent != before:
            before = sent
            for _ in range(50):
                await asyncio.sleep(0)
        assert sent < 400
        size = 0
        async for chunk in response.chunks():
            size += len(chunk)
        assert size == 400 * 65536
    await transport.close()


@pytest.mark.parametrize("ended", [False, True])
async def test_reading_a_stream_as_a_whole_is_bounded(misbehave: Misbehave, ended: bool) -> None:
    """Beyond the bound of a body, read() fails, whether the rest has come already or not."""

    async def behaviour(reader: Any, writer: Any, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + b"x" * 255 + b"\r\n")
        writer.write(b"0\r\n\r\n" if ended else b"")
        await reader.read()

    transport = HttpTransport(("127.0.0.1", await misbehave(behaviour)), limits=ClientLimits(body_bytes_max=100))
    async with transport.stream(request()) as response:
        with pytest.raises(BadResponse, match="larger than 100 bytes"):
            await response.read()
    await transport.close()


async def test_a_stream_that_breaks_off_says_so(misbehave: Misbehave) -> None:
    """What came is handed on, then the loss."""

    async def behaviour(reader: Any, writer: Any, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")

    transport = HttpTransport(("127.0.0.1", await misbehave(behaviour)))
    got = []
    with pytest.raises(ConnectionLost, match=r"shop\.watch.*middle of the answer"):
        async with transport.stream(request()) as response:
            async for chunk in response.chunks():
                got.append(chunk)
    assert got == [b"half"]
    await transport.close()


async def test_the_deadline_holds_for_the_whole_stream(serve: Serve) -> None:
    """A stream that takes longer than its call may is ended."""
    feed = Feed()
    served = await serve(feed)
    transport = HttpTransport(("127.0.0.1", served.port))
    with pytest.raises(DeadlineExceeded):
        async with transport.stream(request(deadline=time.monotonic() + 0.03)) as response:
            await response.read()
    await transport.close()


async def test_an_answer_before_the_end_of_the_body_ends_the_upload(misbehave: Misbehave) -> None:
    """A server that refuses early is heard, the rest of the body is not asked for, and the connection not kept."""
    asked = 0

    async def refusing(reader: Any, writer: Any, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while asked < 100_000:
            asked += 1
            yield b"x" * 10_000
            await asyncio.sleep(0)

    transport = HttpTransport(("127.0.0.1", await misbehave(refusing)))
    for _ in range(2):
        assert (await transport.send(request(body=endless()))).status == 413
    async with transport.stream(request(body=endless())) as response:
        assert response.status == 413
    assert asked < 100_000
    await transport.close()


async def test_an_upload_waits_for_a_server_that_reads_slowly(misbehave: Misbehave, until: Any) -> None:
    """Pieces are asked for as the server takes them."""
    asked, go_on = 0, asyncio.Event()

    async def slow(reader: Any, writer: Any, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.write(OK)

    async def large() -> AsyncIterator[bytes]:
        nonlocal asked
        for asked in range(1, 501):  # noqa: B007 - read from outside
            yield b"x" * 60_000

    async def patient(reader: Any, writer: Any, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        tail = b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            tail = tail[-16:] + await reader.read(1 << 20)
        writer.write(OK)

    transport = HttpTransport(("127.0.0.1", await misbehave(patient)))
    call = asyncio.ensure_future(transport.send(request(body=large())))
    before = -1
    while asked != before or asked == 0:
        before = asked
        for _ in range(50):
            await asyncio.sleep(0)
    assert 0 < asked < 500
    go_on.set()
    assert (await call).body == b"hi"
    assert asked == 500
    await transport.close()


async def test_a_body_that_fails_breaks_the_call_off(serve: Serve, echo: Any, until: Any) -> None:
    """The body's own error comes to the caller, and the server sees no whole request."""
    served = await serve(echo)

    async def failing() -> AsyncIterator[bytes]:
        yield b"half"
        await until(lambda: served.server.in_flight == 1)
        raise LookupError("of the body")

    transport = HttpTransport(("127.0.0.1", served.port))
    with pytest.raises(LookupError, match="of the body"):
        await transport.send(request(body=failing()))
    await until(lambda: served.server.connections == 0 and served.server.in_flight == 0)
    await transport.close()


async def test_a_body_that_does_not_come_has_the_deadline(serve: Serve, echo: Any, until: Any) -> None:
    """A body that hangs ends with its call, and may have been executed."""
    served = await serve(echo)

    async def hanging() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.Event().wait()

    transport = HttpTransport(("127.0.0.1", served.port))
    with pytest.raises(DeadlineExceeded) as caught:
        await transport.send(request(body=hanging(), deadline=time.monotonic() + 0.03))
    assert caught.value.may_have_executed
    await until(lambda: served.server.connections == 0)
    await transport.close()


async def test_a_server_that_goes_during_an_upload_is_a_lost_connection(misbehave: Misbehave) -> None:
    """The loss is told when the next piece is to be sent."""

    async def going(reader: Any, writer: Any, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100_000):
            yield b"x" * 1000
            await asyncio.sleep(0)

    transport = HttpTransport(("127.0.0.1", await misbehave(going)))
    with pytest.raises(ConnectionLost):
        await transport.send(request(body=endless()))
    await transport.close()
