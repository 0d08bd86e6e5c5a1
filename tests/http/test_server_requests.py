"""What the server makes of a request, and how it writes the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

Serve = Callable[..., Awaitable[Any]]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def saying(*messages: dict[str, Any], status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> Any:
    """An application that sends a head and these messages."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers or []})
        for message in messages:
            await send({"type": "http.response.body", **message})

    return app


async def test_an_answer_carries_what_the_application_sent(serve: Serve) -> None:
    """Status, headers and body arrive, with a Date and without the name of a server."""
    served = await serve(saying({"body": b"hi"}, status=201, headers=[(b"X-One", b"1"), (b"content-length", b"2")]))
    answer = await served.ask(GET)
    assert (answer.status, answer.body) == (201, b"hi")
    assert answer.headers["x-one"] == "1"
    assert parsedate_to_datetime(answer.headers["date"]).tzinfo is not None
    assert "server" not in answer.headers
    assert "connection" not in answer.headers


async def test_a_connection_serves_one_request_after_the_other(serve: Serve, echo: Any) -> None:
    """A connection is kept after an answer, with and without a body before."""
    served = await serve(echo)
    wire = await served.open()
    for number in range(3):
        answer = await wire.ask(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab" % number)
        assert (json.loads(answer.body)["path"], json.loads(answer.body)["body"]) == (f"/{number}", "ab")
    assert served.server.connections == 1


async def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    """The answer to a later request waits for that to an earlier one, which took longer."""
    later_came = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/0":
            await asyncio.wait_for(later_came.wait(), 10)
        await saying({"body": scope["path"].encode()})(scope, receive, send)

    served = await serve(app)
    wire = await served.open()
    await wire.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(5)))
    later_came.set()
    assert [(await wire.answer()).body for _ in range(5)] == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_a_client_that_pipelines_too_much_is_closed_after_the_bound(serve: Serve) -> None:
    """Requests beyond those that may wait are not served; the last answer announces the end."""
    served = await serve(saying({"body": b"x"}), pipelined_max=3)
    wire = await served.open()
    await wire.send(GET * 200)
    answers = [await wire.answer() for _ in range(4)]
    assert [answer.headers.get("connection") for answer in answers] == [None, None, None, "close"]
    assert await wire.end() == b""


async def test_a_request_may_come_byte_by_byte(serve: Serve, echo: Any) -> None:
    """How the bytes are cut into packets makes no difference."""
    served = await serve(echo)
    wire = await served.open()
    for byte in b"POST /slow?q=1 HTTP/1.1\r\nHost: a\r\nX-Long: abc def \t\r\nContent-Length: 3\r\n\r\nxyz":
        await wire.send(bytes([byte]))
        await asyncio.sleep(0)
    told = json.loads((await wire.answer()).body)
    assert told == {
        "path": "/slow",
        "query": "q=1",
        "method": "POST",
        "headers": {"host": "a", "x-long": "abc def", "content-length": "3"},
        "body": "xyz",
    }


async def test_a_chunked_body_arrives_without_extensions_and_trailers(serve: Serve, echo: Any) -> None:
    """Chunks are put together; extensions and trailers are ignored."""
    served = await serve(echo)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await served.ask(head + b"3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n")
    told = json.loads(answer.body)
    assert told["body"] == "abcde"
    assert "x-trailer" not in told["headers"]


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        (b"/a%20b/%C3%BC?x=%20&y", "/a b/ü", "x=%20&y", "h"),
        (b"http://other:81/p?q", "/p", "q", "other:81"),
        (b"HTTP://other", "/", "", "other"),
        (b"http://other?q=1", "/", "q=1", "other"),
        (b"//double//slash", "//double//slash", "", "h"),
    ],
)
async def test_targets_are_reduced_to_path_and_query(
    serve: Serve, echo: Any, target: bytes, path: str, query: str, host: str
) -> None:
    """The absolute form is taken apart, and its host wins over the header (RFC 9112, section 3.2.2)."""
    served = await serve(echo)
    told = json.loads((await served.ask(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)).body)
    assert (told["path"], told["query"], told["headers"]["host"]) == (path, query, host)


async def test_options_may_ask_about_the_whole_server(serve: Serve, echo: Any) -> None:
    """The asterisk form reaches the application as the path "*"."""
    served = await serve(echo)
    told = json.loads((await served.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")).body)
    assert (told["method"], told["path"]) == ("OPTIONS", "*")


@pytest.mark.parametrize("length", [[], [(b"content-length", b"5")]])
async def test_an_answer_to_head_has_no_body(serve: Serve, length: list[tuple[bytes, bytes]]) -> None:
    """The body that the application sends is left out, its length is told, and the connection goes on."""
    served = await serve(saying({"body": b"hello"}, headers=length))
    wire = await served.open()
    for _ in range(2):
        answer = await wire.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", to_head=True)
        assert answer.headers.get("content-length") == ("5" if length else None)
        assert "transfer-encoding" not in answer.headers
    await wire.send(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (await wire.end()).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
async def test_some_statuses_have_no_body(serve: Serve, status: int) -> None:
    """What an application sends with 204 or 304 does not reach the wire, where it would be taken for an answer."""
    served = await serve(saying({"body": b"hello"}, status=status))
    wire = await served.open()
    for _ in range(2):
        answer = await wire.ask(GET, to_head=True)
        assert answer.status == status
        assert "transfer-encoding" not in answer.headers
        assert "content-length" not in answer.headers


async def test_a_body_of_unknown_length_is_sent_in_chunks(serve: Serve) -> None:
    """Without a Content-Length the pieces go out as chunks, and empty ones do not end the body."""
    served = await serve(saying({"body": b"ab", "more_body": True}, {"body": b"", "more_body": True}, {"body": b"c"}))
    answer = await served.ask(GET)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body == b"abc"


async def test_http_1_0_gets_no_chunks(serve: Serve) -> None:
    """The end of the connection is the end of the body."""
    served = await serve(saying({"body": b"ab", "more_body": True}, {"body": b"c"}))
    answer = await served.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"
    assert answer.body == b"abc"


async def test_the_head_of_a_stream_does_not_wait_for_its_first_piece(serve: Serve) -> None:
    """A client sees the head as soon as it is sent."""
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"late"})

    served = await serve(app)
    wire = await served.open()
    await wire.send(GET)
    async with asyncio.timeout(10):
        head = await wire.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    go_on.set()
    async with asyncio.timeout(10):
        assert await wire.reader.readuntil(b"0\r\n\r\n") == b"4\r\nlate\r\n0\r\n\r\n"


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
async def test_an_upgrade_is_ignored(serve: Serve, echo: Any, upgrade: bytes) -> None:
    """The request is served as if it had not asked, its body included, and so is the one after it."""
    served = await serve(echo)
    wire = await served.open()
    large = b"X: %b\r\n" % (b"x" * 12_000)
    head = b"POST /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %b\r\nContent-Length: 3\r\n" % upgrade
    head += large + b"\r\n"
    await wire.send(head + b"abcGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    first, second = json.loads((await wire.answer()).body), json.loads((await wire.answer()).body)
    assert (first["path"], first["body"], second["path"]) == ("/1", "abc", "/2")


async def test_continue_is_sent_when_the_body_is_read(serve: Serve, echo: Any) -> None:
    """With Expect, 100 comes before the answer, as soon as the application asks for the body."""
    served = await serve(echo)
    wire = await served.open()
    await wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n")
    assert (await wire.answer()).status == 100
    answer = await wire.ask(b"ab")
    assert json.loads(answer.body)["body"] == "ab"
    assert "connection" not in answer.headers


async def test_an_answer_without_reading_the_body_ends_the_wait_for_it(serve: Serve, echo: Any) -> None:
    """With Expect, a final answer comes at once, and the connection closes, since the body may come or not."""
    served = await serve(echo)
    wire = await served.open()
    answer = await wire.ask(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await wire.end() == b""


async def test_an_unread_body_is_drained_before_the_next_request(serve: Serve, echo: Any) -> None:
    """After an answer that did not need the body, its rest is not taken for a request."""
    served = await serve(echo)
    wire = await served.open()
    body = b"GET /evil HTTP/1.1\r\nHost: smuggled\r\n\r\n"
    head = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert (await wire.ask(head)).status == 200
    await wire.send(body)
    answer = await wire.ask(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    assert json.loads(answer.body)["path"] == "/next"
    assert [scope["path"] for scope in echo.scopes] == ["/unread", "/next"]


async def test_a_large_unread_body_closes_the_connection(serve: Serve, echo: Any) -> None:
    """What is left is more than the server drains: the answer says that the connection closes, and arrives whole."""
    served = await serve(echo, linger_bytes_max=1000)
    wire = await served.open()
    answer = await wire.ask(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + b"x" * 500)
    assert answer.headers["connection"] == "close"
    assert await wire.end() == b""


async def test_a_client_may_ask_for_the_connection_to_close(serve: Serve, echo: Any) -> None:
    """Connection: close is honoured and confirmed; what follows the request is not served."""
    served = await serve(echo)
    wire = await served.open()
    answer = await wire.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    assert answer.headers["connection"] == "close"
    assert await wire.end() == b""
    assert len(echo.scopes) == 1
