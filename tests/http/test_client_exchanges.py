"""What the client sends, and how it reads answers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from partita.adapters.http.client import HttpTransport
from partita.adapters.http.limits import ClientLimits
from partita.core.errors import BadResponse, ConnectionLost
from partita.ports.transport import Request, Transport

Serve = Callable[..., Awaitable[Any]]
Misbehave = Callable[..., Awaitable[int]]


def request(method: str = "GET", target: str = "/", **rest: Any) -> Request:
    """A request of an operation named shop.buy."""
    return Request(service="shop", operation="buy", method=method, target=target, **rest)


def answering(*answers: bytes) -> Any:
    """A server that gives these answers, one for each request head, and closes after the last."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)

    return behaviour


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """A body in pieces."""
    for part in parts:
        yield part


async def test_a_request_arrives_as_it_was_made(serve: Serve, echo: Any) -> None:
    """Method, target, headers and body arrive; Host and Content-Length are added."""
    served = await serve(echo)
    transport: Transport = HttpTransport(("127.0.0.1", served.port))
    response = await transport.send(request("POST", "/a?b=1", headers=(("x-a", "ä"), ("accept", "*/*")), body=b"hi"))
    told = json.loads(response.body)
    assert response.status == 200
    assert response.headers["content-length"] == str(len(response.body))
    assert told == {
        "method": "POST",
        "path": "/a",
        "query": "b=1",
        "headers": {"host": f"127.0.0.1:{served.port}", "x-a": "ä", "accept": "*/*", "content-length": "2"},
        "body": "hi",
    }
    await transport.close()


async def test_the_path_of_the_address_goes_before_the_target(serve: Serve, echo: Any) -> None:
    """An address with a path reaches what lies below it."""
    served = await serve(echo)
    transport = HttpTransport(f"http://localhost:{served.port}/v1/")
    told = json.loads((await transport.send(request(target="/orders"))).body)
    assert (told["path"], told["headers"]["host"]) == ("/v1/orders", f"localhost:{served.port}")
    await transport.close()


async def test_a_connection_is_used_again(serve: Serve, echo: Any) -> None:
    """Calls in a row go over one connection, whatever their method and size."""
    served = await serve(echo)
    transport = HttpTransport(("127.0.0.1", served.port))
    for method, body in (("GET", b""), ("HEAD", b""), ("POST", b"x" * 200_000), ("DELETE", b""), ("POST", b"")):
        assert (await transport.send(request(method, body=body))).status == 200
    assert served.server.connections == 1
    assert len({scope["client"] for scope in echo.scopes}) == 1
    await transport.close()


@pytest.mark.parametrize(
    ("wire", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\nh\r\n1\r\ni\r\n0\r\nT: 1\r\n\r\n", 200, b"hi"),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.0 200 OK\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
        (b"HTTP/1.1 103 Early Hints\r\nX-A: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", 599, b""),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_answers_of_every_framing_are_read(
    misbehave: Misbehave, wire: bytes, status: int, body: bytes, streamed: bool
) -> None:
    """Length, chunks, the connection's end, no body, interim answers before: whole or streamed."""
    transport = HttpTransport(("127.0.0.1", await misbehave(answering(wire))))
    if streamed:
        async with transport.stream(request()) as response:
            assert (response.status, await response.read()) == (status, body)
            assert "x-a" not in response.headers
    else:
        answer = await transport.send(request())
        assert (answer.status, answer.body) == (status, body)
        assert "x-a" not in answer.headers
    await transport.close()


async def test_an_answer_may_come_byte_by_byte(misbehave: Misbehave) -> None:
    """How the bytes are cut into packets makes no difference."""

    async def behaviour(reader: Any, writer: Any, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: abc def\r\nContent-Length: 3\r\n\r\nxyz":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    transport = HttpTransport(("127.0.0.1", await misbehave(behaviour)))
    response = await transport.send(request())
    assert (response.headers["x-long"], response.body) == ("abc def", b"xyz")
    await transport.close()


async def test_repeated_headers_are_joined(misbehave: Misbehave) -> None:
    """Header names come in lower case, and values of a repeated one with commas between."""
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: 1\r\nx-a: 2\r\nX-B: \r\n\r\n"
    transport = HttpTransport(("127.0.0.1", await misbehave(answering(wire))))
    headers = (await transport.send(request())).headers
    assert (headers["x-a"], headers["x-b"]) == ("1, 2", "")
    await transport.close()


async def test_an_answer_to_head_ends_with_its_head(misbehave: Misbehave) -> None:
    """HEAD's Content-Length announces no body, and the connection goes on."""
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"
    after = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    transport = HttpTransport(("127.0.0.1", await misbehave(answering(wire, wire, after))))
    for _ in range(2):
        response = await transport.send(request("HEAD"))
        assert (response.headers["content-length"], response.body) == ("50", b"")
    assert (await transport.send(request())).body == b"hi"
    await transport.close()


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\0",
    ],
)
async def test_a_connection_that_may_not_be_used_again_is_not(misbehave: Misbehave, wire: bytes) -> None:
    """After Connection: close, HTTP/1.0, or bytes that nobody asked for, the next call has a new connection."""
    transport = HttpTransport(("127.0.0.1", await misbehave(answering(wire, b""))))
    for _ in range(3):
        assert (await transport.send(request("POST"))).body == b"hi"
    await transport.close()


BAD = {
    "no HTTP": (b"220 smtp ready\r\n\r\n", "not HTTP"),
    "another version": (b"HTTP/2.0 200 OK\r\n\r\n", "not HTTP"),
    "no status": (b"HTTP/1.1 abc OK\r\n\r\n", "not HTTP"),
    "a status of nothing": (b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n", "999"),
    "another protocol": (b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "protocol"),
    "length and chunks": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "not HTTP"),
    "bad chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not HTTP"),
    "large header": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600 + b"\r\n\r\n", "512 bytes"),
    "endless header": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000, "512 bytes"),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(12)) + b"\r\n", "10 headers"),
    "many interim answers": (b"HTTP/1.1 102 Processing\r\n\r\n" * 40, "interim"),
    "announced body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n", "1000000"),
    "large body": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_001, "1000000"),
}


@pytest.mark.parametrize(("wire", "told"), BAD.values(), ids=BAD.keys())
async def test_bad_answers_are_told_apart(misbehave: Misbehave, wire: bytes, told: str) -> None:
    """What is not HTTP/1.1, or beyond the client's bounds, is a BadResponse that names service and operation."""
    limits = ClientLimits(head_bytes_max=512, headers_max=10, body_bytes_max=1_000_000)
    transport = HttpTransport(("127.0.0.1", await misbehave(answering(wire, b""))), limits=limits)
    with pytest.raises(BadResponse, match=rf"shop\.buy at http://127\.0\.0\.1:\d+: .*{told}") as caught:
        await transport.send(request("POST"))
    assert (caught.value.service, caught.value.operation) == ("shop", "buy")
    assert caught.value.may_have_executed
    await transport.close()


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
@pytest.mark.parametrize("safe", [False, True])
async def test_an_answer_that_breaks_off_is_a_lost_connection(misbehave: Misbehave, wire: bytes, safe: bool) -> None:
    """Whether the work was done is not known, unless the request is safe."""
    transport = HttpTransport(("127.0.0.1", await misbehave(answering(wire))))
    with pytest.raises(ConnectionLost, match=r"shop\.buy") as caught:
        await transport.send(request(safe=safe))
    assert caught.value.may_have_executed is not safe
    await transport.close()


@pytest.mark.parametrize(
    "bad",
    [
        {"headers": (("x-a", "1\r\nx-evil: 1"),)},
        {"headers": (("x-a", "1\n"),)},
        {"headers": (("x-a", "1\r"),)},
        {"headers": (("x-a", "1\0"),)},
        {"headers": (("x-a\r\nx-evil", "1"),)},
        {"headers": (("", "1"),)},
        {"headers": (("x a", "1"),)},
        {"headers": (("x-a", "€"),)},
        {"headers": (("Content-Length", "3"),)},
        {"headers": (("transfer-encoding", "chunked"),)},
        {"headers": (("host", "other"),)},
        {"target": "/a b"},
        {"target": "/a\r\nx-evil: 1"},
        {"target": "/ü"},
        {"target": "a"},
        {"target": ""},
        {"method": "GET / HTTP/1.1\r\nx-evil:"},
    ],
)
async def test_what_would_break_out_of_its_line_is_refused(serve: Serve, echo: Any, bad: dict[str, Any]) -> None:
    """A request that is not what it seems is a ValueError, and nothing is sent."""
    served = await serve(echo)
    transport = HttpTransport(("127.0.0.1", served.port))
    with pytest.raises(ValueError):
        await transport.send(request(**bad))
    assert (await transport.send(request())).status == 200
    assert len(echo.scopes) == 1
    await transport.close()


async def test_a_body_in_pieces_is_sent_in_chunks(serve: Serve, echo: Any) -> None:
    """The pieces arrive as one body, empty ones between do not end it, and the connection goes on."""
    served = await serve(echo)
    transport = HttpTransport(("127.0.0.1", served.port))
    for _ in range(2):
        told = json.loads((await transport.send(request("POST", body=pieces(b"ab", b"", b"cd")))).body)
        assert (told["body"], told["headers"]["transfer-encoding"]) == ("abcd", "chunked")
    assert served.server.connections == 1
    await transport.close()


@pytest.mark.parametrize("place", ["ftp://a", "a:80", "http://", "http://me@a", "http://a?b", "http://a#b", ""])
def test_an_address_that_is_none_is_refused(place: str) -> None:
    """The error says what an address looks like."""
    with pytest.raises(ValueError, match="address of a server"):
        HttpTransport(place)


def test_the_client_needs_no_server() -> None:
    """Importing the client imports neither uvicorn nor anything else beyond httptools and msgspec."""
    code = "import sys, partita.adapters.http.client; print(*{name.partition('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"httptools", "msgspec"} <= set(found)
    assert not {"uvicorn", "uvloop", "sqlalchemy", "click", "aiohttp", "httpx"} & set(found)
