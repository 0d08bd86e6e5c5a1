"""The client's connections: kept, shared, bounded, given up, and lost."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from partita.adapters.http.client import HttpTransport
from partita.adapters.http.limits import ClientLimits
from partita.core.errors import ConnectionLost, DeadlineExceeded, TooManyCalls, Unavailable
from partita.ports.transport import Request

Serve = Callable[..., Awaitable[Any]]
Misbehave = Callable[..., Awaitable[int]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def request(method: str = "POST", target: str = "/", **rest: Any) -> Request:
    """A request of an operation named shop.buy."""
    return Request(service="shop", operation="buy", method=method, target=target, **rest)


class Gate:
    """An application that answers when it is let, and counts those who wait."""

    def __init__(self) -> None:
        self.waiting, self.cancelled = 0, 0
        self.open = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.waiting += 1
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"hi"})


async def silent(reader: Any, writer: Any, number: int) -> None:
    """A server that takes everything and says nothing."""
    await reader.read()


async def test_calls_beyond_the_bound_wait_for_a_connection(serve: Serve, until: Any) -> None:
    """At most so many connections are open; further calls take their turn, in order."""
    gate = Gate()
    served = await serve(gate)
    transport = HttpTransport(("127.0.0.1", served.port), limits=ClientLimits(connections_max=2))
    calls = [asyncio.ensure_future(transport.send(request())) for _ in range(7)]
    await until(lambda: gate.waiting == 2)
    assert served.server.connections == 2
    gate.open.set()
    assert [response.body for response in await asyncio.gather(*calls)] == [b"hi"] * 7
    assert served.server.connections == 2
    await transport.close()


async def test_too_many_waiting_calls_are_refused(serve: Serve, until: Any) -> None:
    """Beyond the bound of the line a call fails at once, and was not executed."""
    gate = Gate()
    served = await serve(gate)
    transport = HttpTransport(("127.0.0.1", served.port), limits=ClientLimits(connections_max=1, waiting_max=1))
    calls = [asyncio.ensure_future(transport.send(request())) for _ in range(2)]
    await until(lambda: gate.waiting == 1)
    with pytest.raises(TooManyCalls, match=r"shop\.buy.*1 connections are busy and 1 calls wait") as caught:
        await transport.send(request())
    assert not caught.value.may_have_executed
    gate.open.set()
    await asyncio.gather(*calls)
    await transport.close()


async def test_a_call_that_waits_has_its_deadline(serve: Serve, until: Any) -> None:
    """A deadline that passes in the line ends the call unexecuted, and leaves the line in order."""
    gate = Gate()
    served = await serve(gate)
    transport = HttpTransport(("127.0.0.1", served.port), limits=ClientLimits(connections_max=1))
    first = asyncio.ensure_future(transport.send(request()))
    await until(lambda: gate.waiting == 1)
    with pytest.raises(DeadlineExceeded, match="waited for a connection") as caught:
        await transport.send(request(deadline=time.monotonic() + 0.02))
    assert not caught.value.may_have_executed
    second = asyncio.ensure_future(transport.send(request()))
    gate.open.set()
    assert [(await call).status for call in (first, second)] == [200, 200]
    await transport.close()


async def test_a_cancelled_call_in_the_line_makes_room(serve: Serve, until: Any) -> None:
    """Who leaves the line, even in the moment of its turn, does not take the connection with it."""
    gate = Gate()
    served = await serve(gate)
    transport = HttpTransport(("127.0.0.1", served.port), limits=ClientLimits(connections_max=1))

    async def cancel_the_next() -> None:
        await transport.send(request())
        second.cancel()  # which has been given the connection, and has not run since

    first = asyncio.ensure_future(cancel_the_next())
    second, third = (asyncio.ensure_future(transport.send(request())) for _ in range(2))
    await until(lambda: gate.waiting == 1)
    gate.open.set()
    async with asyncio.timeout(5):
        assert (await third).status == 200
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    assert (await transport.send(request())).status == 200
    await transport.close()


async def test_the_connection_used_last_is_used_first(serve: Serve, echo: Any) -> None:
    """After a burst, calls in a row use one connection, so that the others can grow idle."""
    served = await serve(echo)
    transport = HttpTransport(("127.0.0.1", served.port))
    await asyncio.gather(*(transport.send(request()) for _ in range(4)))
    echo.scopes.clear()
    for _ in range(4):
        await transport.send(request())
    assert len({scope["client"] for scope in echo.scopes}) == 1
    await transport.close()


async def test_idle_connections_close(serve: Serve, echo: Any, until: Any) -> None:
    """The client closes a connection that was idle for its time, before the server does."""
    served = await serve(echo)
    transport = HttpTransport(("127.0.0.1", served.port), limits=ClientLimits(idle_s=0.02))
    await transport.send(request())
    assert served.server.connections == 1
    await until(lambda: served.server.connections == 0)
    assert (await transport.send(request())).status == 200
    await transport.close()


async def test_the_deadline_of_a_call_ends_it(serve: Serve, until: Any) -> None:
    """When the deadline passes the call fails, the server's work is cancelled, and may have been done."""
    gate = Gate()
    served = await serve(gate)
    transport = HttpTransport(("127.0.0.1", served.port))
    for safe in (False, True):
        with pytest.raises(DeadlineExceeded, match=r"shop\.buy at .*deadline") as caught:
            await transport.send(request(deadline=time.monotonic() + 0.03, safe=safe))
        assert caught.value.may_have_executed is not safe
    await until(lambda: gate.cancelled == 2 and served.server.connections == 0)
    await transport.close()


async def test_a_deadline_that_has_passed_sends_nothing(serve: Serve, echo: Any) -> None:
    """What cannot finish is not sent."""
    served = await serve(echo)
    transport = HttpTransport(("127.0.0.1", served.port))
    with pytest.raises(DeadlineExceeded) as caught:
        await transport.send(request(deadline=time.monotonic() - 1))
    assert not caught.value.may_have_executed
    assert echo.scopes == []
    await transport.close()


async def test_an_earlier_deadline_after_a_later_one_is_kept(serve: Serve) -> None:
    """The connection's one timer is moved forward for a call that has less time, and does not harm later calls."""
    gate = Gate()
    gate.open.set()
    served = await serve(gate)
    transport = HttpTransport(("127.0.0.1", served.port))
    await transport.send(request(deadline=time.monotonic() + 60))
    await transport.send(request(deadline=time.monotonic() + 0.03))
    gate.open.clear()
    began = time.monotonic()
    waiting = asyncio.ensure_future(transport.send(request(deadline=time.monotonic() + 60)))
    with pytest.raises(DeadlineExceeded):
        await transport.send(request(deadline=time.monotonic() + 0.06))
    assert time.monotonic() - began < 5
    assert not waiting.done()
    gate.open.set()
    assert (await waiting).status == 200
    await transport.close()


async def test_a_cancelled_call_cancels_the_work(serve: Serve, until: Any) -> None:
    """The connection is reset, by which the server knows at once; it is not used again."""
    gate = Gate()
    served = await serve(gate)
    transport = HttpTransport(("127.0.0.1", served.port))
    call = asyncio.ensure_future(transport.send(request()))
    await until(lambda: gate.waiting == 1)
    call.cancel()
    await until(lambda: gate.cancelled == 1 and served.server.connections == 0)
    gate.open.set()
    assert (await transport.send(request())).status == 200
    await transport.close()


async def test_a_kept_connection_that_the_server_closed_is_replaced_for_safe_calls(misbehave: Misbehave) -> None:
    """A safe call is sent again on a new connection, once; any other may have been executed, and fails."""

    async def once(reader: Any, writer: Any, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")  # and closes without an answer

    port = await misbehave(once)
    transport = HttpTransport(("127.0.0.1", port))
    assert (await transport.send(request("GET", safe=True))).body == b"hi"
    assert (await transport.send(request("GET", safe=True))).body == b"hi"
    with pytest.raises(ConnectionLost) as caught:
        await transport.send(request())
    assert caught.value.may_have_executed
    await transport.close()


async def test_a_new_connection_that_the_server_closes_is_not_replaced(misbehave: Misbehave) -> None:
    """A server that closes at each request is not asked for ever."""
    asked = 0

    async def never(reader: Any, writer: Any, number: int) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1

    transport = HttpTransport(("127.0.0.1", await misbehave(never)))
    with pytest.raises(ConnectionLost):
        await transport.send(request("GET", safe=True))
    assert asked == 1
    await transport.close()


async def test_nobody_there_is_unavailable() -> None:
    """A refused connection is an error that says where, and that nothing was executed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    transport = HttpTransport(f"http://127.0.0.1:{port}")
    with pytest.raises(Unavailable, match=rf"shop\.buy at http://127\.0\.0\.1:{port}: cannot connect") as caught:
        await transport.send(request())
    assert not caught.value.may_have_executed
    await transport.close()


async def test_failed_connections_take_no_place() -> None:
    """After more failures than there may be connections, the next call fails at once too and does not wait."""
    transport = HttpTransport("unix:/nonexistent/socket", limits=ClientLimits(connections_max=1))
    for _ in range(3):
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable, match="unix:/nonexistent/socket"):
                await transport.send(request())
    await transport.close()


async def test_connecting_has_its_time() -> None:
    """A server that does not take the connection is unavailable after a while, or at the call's deadline."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        transport = HttpTransport(address, limits=ClientLimits(connect_s=0.03))
        with pytest.raises(Unavailable, match=r"within 0\.03 s"):
            await transport.send(request())
        with pytest.raises(DeadlineExceeded, match="connecting") as caught:
            await transport.send(request(deadline=time.monotonic() + 0.01))
        assert not caught.value.may_have_executed
        await transport.close()
        for filler in fillers:
            filler.close()


async def test_closing_fails_what_is_on(serve: Serve, until: Any) -> None:
    """Calls in flight are lost, those in line and later ones unavailable; no connection stays."""
    gate = Gate()
    served = await serve(gate)
    transport = HttpTransport(("127.0.0.1", served.port), limits=ClientLimits(connections_max=1))
    flying, waiting = (asyncio.ensure_future(transport.send(request())) for _ in range(2))
    await until(lambda: gate.waiting == 1)
    await transport.close()
    with pytest.raises(ConnectionLost, match="closed"):
        await flying
    for late in (waiting, transport.send(request())):
        with pytest.raises(Unavailable, match="closed") as caught:
            await late
        assert not caught.value.may_have_executed
    await until(lambda: served.server.connections == 0)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of localhost, with its key in the same file."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(hours=1)).add_extension(
        x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
    )
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    path = tmp_path / "certificate.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + pem)
    return path


@pytest.fixture
async def secure_port(certificate: Path) -> AsyncIterator[int]:
    """A server with TLS."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_https_is_spoken_and_checked(secure_port: int, certificate: Path) -> None:
    """A certificate that is trusted serves; one that is not makes the service unavailable."""
    trusting = HttpTransport(
        f"https://localhost:{secure_port}", ssl_context=ssl.create_default_context(cafile=str(certificate))
    )
    assert (await trusting.send(request())).body == b"hi"
    await trusting.close()
    wary = HttpTransport(f"https://localhost:{secure_port}")
    with pytest.raises(Unavailable, match="certificate"):
        await wary.send(request())
    await wary.close()
