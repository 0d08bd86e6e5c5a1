"""What the server refuses by itself: each refusal is a problem, and the server goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Serve = Callable[..., Awaitable[Any]]

HOST = b"Host: a\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST

MALFORMED = {
    "no request at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no method": b" / HTTP/1.1\r\n" + HOST + b"\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "header without a name": b"GET / HTTP/1.1\r\n" + HOST + b": x\r\n\r\n",
    "header without a colon": b"GET / HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "folded Host": b"GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "control in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x0bb\r\n\r\n",
    "carriage return in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "two Hosts in HTTP/1.0": b"GET / HTTP/1.0\r\n" + HOST + HOST + b"\r\n",
    "Host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with a user": b"GET / HTTP/1.1\r\nHost: me@a\r\n\r\n",
    "length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "chunked, and once more": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, but not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "a length with a sign": POST + b"Content-Length: +3\r\n\r\nabc",
    "an endless length": POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "an empty length": POST + b"Content-Length: \r\n\r\nabc",
    "no target": b"GET HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes beyond ASCII in the target": b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "a control in the target": b"GET /a\tb HTTP/1.1\r\n" + HOST + b"\r\n",
    "authority form": b"GET a:80 HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_requests_are_refused(serve: Serve, echo: Any, data: bytes) -> None:
    """What could be read in two ways is not read at all: 400, the connection closes, no application runs."""
    served = await serve(echo)
    wire = await served.open()
    answer = await wire.ask(data)
    assert (answer.status, answer.code) == (400, "malformed-request")
    assert answer.headers["connection"] == "close"
    assert await wire.end() == b""
    assert echo.scopes == []
    assert (await served.ask(GET)).status == 200


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "unsupported-version"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "unsupported-version"),
        (b"GET / HTTP/3.7\r\nHost: a\r\n\r\n", 505, "unsupported-version"),
        (b"GET /\r\n\r\n", 505, "unsupported-version"),
        (b"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 501, "unknown-method"),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501, "unknown-method"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n", 417, "unknown-expectation"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400, "unknown-transfer-coding"),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "unknown-transfer-coding"),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "unknown-transfer-coding"),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed-target"),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed-target"),
        (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed-target"),
        (b"GET /?q=%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed-target"),
        (b"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed-target"),
        (b"GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed-target"),
        (b"GET http://me@a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed-target"),
    ],
)
async def test_requests_that_are_not_served_say_why(
    serve: Serve, echo: Any, data: bytes, status: int, code: str
) -> None:
    """Versions, methods, expectations, codings and targets that this server does not serve have codes of their own."""
    served = await serve(echo)
    wire = await served.open()
    answer = await wire.ask(data)
    assert (answer.status, answer.code) == (status, code)
    assert await wire.end() == b""
    assert echo.scopes == []


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET /" + b"x" * 300 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "target-too-long"),
        (b"GET /" + b"x" * 300, 414, "target-too-long"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 600 + b"\r\n\r\n", 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 12 + b"\r\n", 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"x" * 200 + b"\r\nY: " + b"y" * 400, 431, "head-too-large"),
    ],
)
@pytest.mark.parametrize("piece", [16, 10_000])
async def test_large_heads_are_refused(
    serve: Serve, echo: Any, data: bytes, status: int, code: str, piece: int
) -> None:
    """Target, headers and their number are bounded, in whatever pieces they come, and before they are whole."""
    served = await serve(echo, target_bytes_max=256, head_bytes_max=512, headers_max=10)
    wire = await served.open()
    for start in range(0, len(data), piece):
        await wire.send(data[start : start + piece])
        await asyncio.sleep(0)
    answer = await wire.ask(b"y" * 600 if data.endswith(b"y") else b"")
    assert (answer.status, answer.code) == (status, code)
    assert echo.scopes == []


@pytest.mark.parametrize("half_closed", [False, True])
async def test_a_refusal_waits_for_the_answers_before_it(serve: Serve, echo: Any, half_closed: bool) -> None:
    """After good pipelined requests a malformed one is refused in its turn."""
    served = await serve(echo)
    wire = await served.open()
    await wire.send(GET + GET + b"nonsense\r\n\r\n" + GET)
    if half_closed:
        wire.half_close()
    assert [(await wire.answer()).status for _ in range(3)] == [200, 200, 400]
    assert await wire.end() == b""


async def test_a_malformed_chunk_ends_the_request_that_is_running(
    serve: Serve, echo: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that turns out malformed is refused, though the application runs already; it is cancelled silently."""
    served = await serve(echo)
    wire = await served.open()
    answer = await wire.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
    assert (answer.status, answer.code) == (400, "malformed-request")
    assert await wire.end() == b""
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_body_of_frames_without_content_is_refused(serve: Serve, echo: Any) -> None:
    """Chunk extensions without end do not keep a connection busy for nothing."""
    served = await serve(echo, body_overhead_bytes_max=2000)
    wire = await served.open()
    await wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n3;x=")
    for _ in range(60):
        await wire.send(b"y" * 100)
        await asyncio.sleep(0)
    assert (await wire.answer()).code == "malformed-request"


async def test_trailers_are_bounded(serve: Serve, echo: Any) -> None:
    """What follows the last chunk has the bound of a head."""
    served = await serve(echo, head_bytes_max=512)
    wire = await served.open()
    await wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
    answer = await wire.ask(b"X: " + b"y" * 300 + b"\r\nZ: " + b"y" * 300 + b"\r\nZ: 1\r\n\r\n")
    assert answer.code == "head-too-large"


async def test_a_head_that_takes_too_long_is_refused(serve: Serve, echo: Any) -> None:
    """A client that began a head and stopped is told 408."""
    served = await serve(echo, head_s=0.03)
    wire = await served.open()
    answer = await wire.ask(b"GET / HTTP/1.1\r\nHo")
    assert (answer.status, answer.code, answer.headers["connection"]) == (408, "too-slow", "close")
    assert await wire.end() == b""


async def test_a_connection_that_never_asks_is_closed(serve: Serve, echo: Any) -> None:
    """Without a byte there is nothing to answer: the connection just ends."""
    served = await serve(echo, head_s=0.03)
    assert await (await served.open()).end() == b""


async def test_an_idle_connection_is_closed(serve: Serve, echo: Any) -> None:
    """A kept connection ends after its idle time, without an answer that could be taken for that of a request."""
    served = await serve(echo, keep_alive_s=0.03)
    wire = await served.open()
    assert (await wire.ask(GET)).status == 200
    assert await wire.end() == b""


async def test_half_a_body_is_refused_after_its_time(serve: Serve, echo: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A client that stops in the middle of a body is told 408, and the application is cancelled silently."""
    served = await serve(echo, body_s=0.03)
    wire = await served.open()
    answer = await wire.ask(POST + b"Content-Length: 10\r\n\r\nhalf")
    assert (answer.status, answer.code) == (408, "too-slow")
    assert await wire.end() == b""
    assert served.server.in_flight == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_body_that_keeps_coming_has_its_time(serve: Serve) -> None:
    """Each byte that comes prolongs the time for the body, so that large bodies are not cut off."""
    seen = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
            if size >= 1000:
                seen.set()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % size})

    served = await serve(app, body_s=0.02, body_bytes_per_s_min=100)
    wire, slow = await served.open(), await served.open()
    await wire.send(POST + b"Content-Length: 1001\r\n\r\n" + b"x" * 1000)
    assert (await slow.ask(POST + b"Content-Length: 2\r\n\r\nx")).status == 408
    assert seen.is_set()
    assert (await wire.ask(b"x")).body == b"1001"


async def test_connections_beyond_the_bound_are_refused(serve: Serve, echo: Any, until: Any) -> None:
    """A further connection is told 503 and when to come again; one that closes makes room."""
    served = await serve(echo, connections_max=2, retry_after_s=7)
    first, second = await served.open(), await served.open()
    assert (await first.ask(GET)).status == (await second.ask(GET)).status == 200
    third = await served.open()
    answer = await third.ask(GET)
    assert (answer.status, answer.code) == (503, "too-many-connections")
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("7", "close")
    assert await third.end() == b""
    third.close()
    first.close()
    await until(lambda: served.server.connections == 1)
    assert (await served.ask(GET)).status == 200


async def test_requests_beyond_the_bound_are_refused(serve: Serve) -> None:
    """A request that finds the application full is told 503 and when to come again; those in flight go on."""
    started, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.release()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    served = await serve(app, in_flight_max=2)
    first, second = await served.open(), await served.open()
    await first.send(GET)
    await second.send(GET)
    async with asyncio.timeout(10):
        await started.acquire()
        await started.acquire()
    third = await served.open()
    for _ in range(2):
        answer = await third.ask(GET)
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "too-many-requests", "1")
    go_on.set()
    assert (await first.answer()).status == (await second.answer()).status == 200


async def test_a_refusal_of_head_has_no_body(serve: Serve) -> None:
    """What HEAD asks for is told in headers, when the server itself answers too."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError

    served = await serve(app)
    wire = await served.open()
    await wire.send(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (await wire.end()).endswith(b"\r\n\r\n")
