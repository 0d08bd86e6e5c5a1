"""A connection of the client by itself, over a transport that the test holds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from partita.adapters.http.connection import Connection
from partita.adapters.http.limits import ClientLimits
from partita.core.errors import ConnectionLost
from partita.ports.transport import Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Held:
    """A transport that keeps what is written, and an owner that keeps what is given back."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.released: list[Connection] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True

    def get_extra_info(self, name: str) -> Any:
        return None

    def release(self, connection: Connection) -> None:
        self.released.append(connection)

    def forget(self, connection: Connection) -> None:
        """Nothing to do."""


def connected() -> tuple[Connection, Held]:
    """A connection that is open, and its other end."""
    held = Held()
    connection = Connection(held, "here", ClientLimits())
    transport: Any = held
    connection.connection_made(transport)
    return connection, held


def request(**rest: Any) -> Request:
    """A request of an operation named shop.buy."""
    return Request(service="shop", operation="buy", method="POST", target="/", **rest)


async def test_head_and_body_are_one_write() -> None:
    """A request goes to the network in one piece, unless its body is too large to copy."""
    connection, held = connected()
    answer = connection.begin(request(), b"head ", b"body")
    connection.data_received(OK)
    assert (await answer).body == b"hi"
    connection.begin(request(), b"head ", b"x" * 100_000)
    assert [len(data) for data in held.written] == [9, 5, 100_000]


async def test_a_late_cancellation_leaves_the_next_call_alone() -> None:
    """A call may learn that it was cancelled when its connection serves another already, which it must not end."""
    connection, held = connected()
    first = connection.begin(request(), b"head")
    connection.data_received(OK)
    second = connection.begin(request(), b"head")
    connection.abandon(first)
    assert not connection.closed
    connection.data_received(OK)
    assert (await second).body == b"hi"
    assert held.released == [connection, connection]


async def test_an_answer_that_nobody_asked_for_closes_the_connection() -> None:
    """Taken for an answer, it would go to the wrong call."""
    connection, held = connected()
    answer = connection.begin(request(), b"head")
    connection.data_received(OK)
    await answer
    connection.data_received(OK)
    assert connection.closed
    assert held.aborted


async def test_a_call_is_told_of_the_end_once() -> None:
    """Whatever comes after the end of an exchange changes nothing for its call."""
    connection, _ = connected()
    answer = connection.begin(request(), b"head")
    connection.connection_lost(None)
    connection.connection_lost(ConnectionResetError())
    connection.close()
    with pytest.raises(ConnectionLost):
        await answer


async def test_a_call_that_was_cancelled_is_not_answered() -> None:
    """An answer that comes after all is thrown away, and the connection can be used again."""
    connection, held = connected()
    answer = connection.begin(request(), b"head")
    answer.cancel()
    await asyncio.sleep(0)
    connection.data_received(OK)
    assert held.released == [connection]
    assert answer.cancelled()
