"""Clients that go, applications that fail, and the end of a server."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from partita.adapters.http.server import HttpServer
from partita.core.errors import Misuse, StartFailed

Serve = Callable[..., Awaitable[Any]]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


class Slow:
    """An application that works until it is let go or cancelled, and tells which."""

    def __init__(self) -> None:
        self.started, self.cancelled, self.go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.started.set()
        try:
            async with asyncio.timeout(10):
                await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})


async def soon(event: asyncio.Event) -> None:
    """Wait for an event that is due."""
    async with asyncio.timeout(10):
        await event.wait()


def complaints(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What was logged as a warning or worse."""
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_reset_connection_cancels_the_work(serve: Serve, until: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The application is cancelled at once when its client is gone, and nothing is logged."""
    slow = Slow()
    served = await serve(slow)
    wire = await served.open()
    await wire.send(GET)
    await soon(slow.started)
    wire.reset()
    await soon(slow.cancelled)
    await until(lambda: served.server.in_flight == 0 and served.server.connections == 0)
    assert complaints(caplog) == []


async def test_a_client_that_leaves_in_the_middle_of_its_body_cancels_the_work(
    serve: Serve, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a request and an end: there is nothing to answer, so the application stops, and nothing is logged."""
    slow = Slow()
    served = await serve(slow)
    wire = await served.open()
    await wire.send(POST + b"Content-Length: 10\r\n\r\nhalf")
    await soon(slow.started)
    wire.close()
    await soon(slow.cancelled)
    await until(lambda: served.server.in_flight == 0)
    assert complaints(caplog) == []


async def test_a_half_closed_client_gets_its_answer(serve: Serve) -> None:
    """A client may end its side after its request and read on; the connection ends with the answer."""
    slow = Slow()
    served = await serve(slow)
    wire = await served.open()
    await wire.send(GET)
    wire.half_close()
    await soon(slow.started)
    slow.go_on.set()
    answer = await wire.answer()
    assert (answer.body, answer.headers["connection"]) == (b"done", "close")
    assert await wire.end() == b""
    assert not slow.cancelled.is_set()


async def test_a_half_closed_client_is_given_up_after_a_while(serve: Serve, until: Any) -> None:
    """TCP does not tell an orderly close from a half-close, so the work of either is cancelled after its time."""
    slow = Slow()
    served = await serve(slow, half_closed_s=0.03)
    wire = await served.open()
    await wire.send(GET)
    await soon(slow.started)
    wire.close()
    await soon(slow.cancelled)
    await until(lambda: served.server.in_flight == 0)
    assert served.server.connections == 0


async def test_work_that_shields_itself_is_not_interrupted(serve: Serve, until: Any) -> None:
    """What runs under asyncio.shield, such as a COMMIT, comes to its end though the client is gone."""
    started, go_on, committed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def commit() -> None:
        started.set()
        await go_on.wait()
        committed.set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        work = asyncio.ensure_future(commit())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await work
            raise

    served = await serve(app)
    wire = await served.open()
    await wire.send(GET)
    await soon(started)
    wire.reset()
    await until(lambda: served.server.connections == 0)
    assert served.server.in_flight == 1
    go_on.set()
    await soon(committed)
    await until(lambda: served.server.in_flight == 0)


async def test_pipelined_requests_of_a_client_that_left_do_not_start(serve: Serve, until: Any) -> None:
    """What waited behind a cancelled request is dropped with it."""
    slow = Slow()
    served = await serve(slow)
    wire = await served.open()
    await wire.send(GET * 3)
    await soon(slow.started)
    slow.started.clear()
    wire.reset()
    await until(lambda: served.server.in_flight == 0)
    assert not slow.started.is_set()


async def test_an_exception_is_answered_without_its_details(
    serve: Serve, echo: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The client learns that the server failed; the log has the exception, once."""
    served = await serve(echo)
    answer = await served.ask(b"GET /raise HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (answer.status, answer.code) == (500, "internal-error")
    assert b"secret" not in answer.body
    (record,) = complaints(caplog)
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a secret detail"
    assert "GET /raise" in record.getMessage()


BROKEN: dict[str, list[dict[str, Any]]] = {
    "says nothing": [],
    "begins with a body": [{"type": "http.response.body", "body": b"x"}],
    "sends more than it announced": [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]},
        {"type": "http.response.body", "body": b"xyz"},
    ],
    "sends less than it announced": [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]},
        {"type": "http.response.body", "body": b"xyz"},
    ],
    "splits the answer by a value": [
        {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1\r\nset-cookie: evil=1")]},
        {"type": "http.response.body"},
    ],
    "splits the answer by a name": [
        {"type": "http.response.start", "status": 200, "headers": [(b"x-a: 1\r\nevil", b"1")]},
        {"type": "http.response.body"},
    ],
}


@pytest.mark.parametrize("messages", BROKEN.values(), ids=BROKEN.keys())
async def test_an_application_that_breaks_the_rules_fails(
    serve: Serve, caplog: pytest.LogCaptureFixture, messages: list[dict[str, Any]]
) -> None:
    """What is no proper answer does not reach the wire; the client gets a 500, and the log says why."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    served = await serve(app)
    answer = await served.ask(GET)
    assert (answer.status, answer.code) == (500, "internal-error")
    assert "evil" not in str(answer)
    assert len(complaints(caplog)) == 1


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """When the application fails in the middle of a body, the last chunk is missing, and the connection is cut."""
    failing = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await failing.wait()
        raise LookupError

    served = await serve(app)
    wire = await served.open()
    await wire.send(GET)
    async with asyncio.timeout(10):
        await wire.reader.readuntil(b"half\r\n")
    failing.set()
    assert b"0\r\n\r\n" not in await wire.end()
    assert len(complaints(caplog)) == 1


async def test_the_application_waits_for_a_client_that_reads_slowly(serve: Serve, until: Any) -> None:
    """What the client does not take is not piled up: send waits, and a client that never reads is cut off."""
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while sent < 1000:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            sent += 1

    served = await serve(app, write_s=0.05)
    wire = await served.open()
    wire.writer.transport.pause_reading()
    await wire.send(GET)
    await until(lambda: sent > 1)
    await until(lambda: served.server.connections == 0)
    assert sent < 900


async def test_the_server_reads_no_more_than_the_application_takes(serve: Serve, until: Any) -> None:
    """A large body waits in the client while the application does not read, without being too slow for it."""
    slow = Slow()
    served = await serve(slow, body_s=0.02, body_bytes_per_s_min=10**9)
    wire = await served.open()
    await wire.send(POST + b"Content-Length: 100000000\r\n\r\n")
    await soon(slow.started)
    transport = wire.writer.transport
    for _ in range(400):
        transport.write(b"x" * 65536)
        await asyncio.sleep(0)
    assert transport.get_write_buffer_size() > 10_000_000
    assert (await served.ask(POST + b"Content-Length: 2\r\n\r\nx")).status == 408  # the time of a body has passed
    slow.go_on.set()
    assert (await wire.answer()).headers["connection"] == "close"


async def test_a_drain_answers_what_is_in_flight(serve: Serve, echo: Any, until: Any) -> None:
    """Idle connections close at once, new ones are not taken, and running requests are answered with close."""
    slow = Slow()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (slow if scope["path"] == "/slow" else echo)(scope, receive, send)

    served = await serve(app)
    idle, busy = await served.open(), await served.open()
    assert (await idle.ask(GET)).status == 200
    await busy.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await soon(slow.started)
    draining = asyncio.ensure_future(served.server.drain(10))
    assert await idle.end() == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", served.port)
    assert not draining.done()
    slow.go_on.set()
    answer = await busy.answer()
    assert (answer.body, answer.headers["connection"]) == (b"done", "close")
    async with asyncio.timeout(10):
        await draining
    assert (served.server.connections, served.server.in_flight) == (0, 0)


async def test_a_drain_serves_what_was_pipelined(serve: Serve, echo: Any) -> None:
    """Requests that were received before the drain are answered; the last answer closes."""
    slow = Slow()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (slow if scope["path"] == "/slow" else echo)(scope, receive, send)

    served = await serve(app)
    wire = await served.open()
    await wire.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
    await soon(slow.started)
    draining = asyncio.ensure_future(served.server.drain(10))
    await asyncio.sleep(0)
    slow.go_on.set()
    answers = [await wire.answer(), await wire.answer()]
    assert [answer.headers.get("connection") for answer in answers] == [None, "close"]
    await draining


async def test_a_drain_ends_at_its_time(serve: Serve) -> None:
    """What takes longer is left for stop, which cancels it."""
    slow = Slow()
    served = await serve(slow)
    wire = await served.open()
    await wire.send(GET)
    await soon(slow.started)
    await served.server.drain(0.01)
    assert not slow.cancelled.is_set()
    await served.server.stop()
    assert slow.cancelled.is_set()
    assert await wire.end() == b""
    await served.server.stop()


async def test_requests_share_the_context_of_the_start_and_not_each_others() -> None:
    """A context variable that was set before the start is seen; what a request sets is its own."""
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(variable.get())
        variable.set("of a request")
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    variable.set("of the start")
    server = HttpServer(app)
    port = await server.start()
    variable.set("later")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await server.stop()
    assert seen == ["of the start", "of the start"]


async def test_a_port_that_is_taken_is_told_in_a_sentence(serve: Serve, echo: Any) -> None:
    """The start fails with the address and what to do."""
    served = await serve(echo)
    with pytest.raises(StartFailed, match=rf"127\.0\.0\.1 port {served.port}: .*in use"):
        await HttpServer(echo).start(port=served.port)
    with pytest.raises(Misuse):
        await served.server.start()


async def test_a_server_listens_on_a_socket_that_it_is_given(echo: Any, tmp_path: Any) -> None:
    """A socket that was bound by another part of the system serves, TCP or Unix."""
    server = HttpServer(echo)
    sock = socket.create_server(("127.0.0.1", 0))
    assert await server.start(sock=sock) == sock.getsockname()[1]
    await server.stop()
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "socket"))
    server = HttpServer(echo)
    assert await server.start(sock=unix) == 0
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "socket"))
    writer.write(GET)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    await server.stop()
