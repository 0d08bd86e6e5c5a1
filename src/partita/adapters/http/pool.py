"""The connections of one client to one address: kept, shared out, and bounded."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque

from partita.adapters.http.address import Address
from partita.adapters.http.connection import Connection
from partita.adapters.http.failures import failure
from partita.adapters.http.limits import ClientLimits
from partita.core.errors import DeadlineExceeded, TooManyCalls, Unavailable
from partita.ports.transport import Request

__all__ = ["Pool"]


class Pool:
    """Hands out connections, the one used last first, so that the others grow idle and are closed.

    A call that finds all of them busy waits in line, until its deadline. Whoever waits is given a connection, or
    ``None``: the place of one that was closed, in which a new one may be opened.
    """

    def __init__(self, address: Address, limits: ClientLimits, tls: ssl.SSLContext | None) -> None:
        self._address = address
        self._limits = limits
        self._tls = tls
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._taken = 0  # places: connections that are open or being opened
        self._line: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    # --- taking --------------------------------------------------------------------------------------------------

    def idle(self) -> Connection | None:
        """The idle connection that was used last, if there is one."""
        return self._idle.pop() if self._idle else None

    async def acquire(self, request: Request, *, fresh: bool = False) -> Connection:
        """A connection for ``request``; with ``fresh`` a new one, where that is possible.

        Raises ``TooManyCalls``, ``Unavailable`` and ``DeadlineExceeded``; nothing was sent then.
        """
        while True:
            if not fresh and self._idle:
                return self._idle.pop()
            if fresh and self._idle and self._taken >= self._limits.connections_max:
                self._idle[0].close()
            if self._taken < self._limits.connections_max:
                self._taken += 1
                return await self._open_one(request)
            found = await self._wait(request)
            if found is None:
                return await self._open_one(request)
            if not found.closed:  # by the server, since it was handed over
                return found

    async def _wait(self, request: Request) -> Connection | None:
        if len(self._line) >= self._limits.waiting_max:
            text = f"all {self._limits.connections_max} connections are busy and {len(self._line)} calls wait for one"
            raise failure(TooManyCalls, request, str(self._address), text, sent=False)
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(_remaining(request)):
                return await turn
        except TimeoutError:
            self._pass_on(turn)
            text = "the deadline passed while the call waited for a connection"
            raise failure(DeadlineExceeded, request, str(self._address), text, sent=False) from None
        except BaseException:
            self._pass_on(turn)
            raise

    def _pass_on(self, turn: asyncio.Future[Connection | None]) -> None:
        """Whoever waited has left. What was given to it in the last moment goes to the next."""
        if turn.cancelled() or not turn.done():
            if turn in self._line:
                self._line.remove(turn)
        elif (connection := turn.result()) is None:
            self._free_place()
        elif not connection.closed:
            self.release(connection)

    async def _open_one(self, request: Request) -> Connection:
        """Connect, in a place that was taken for it."""
        address = self._address
        self._check_open(request)
        remaining = _remaining(request)
        patience = self._limits.connect_s if remaining is None else min(self._limits.connect_s, remaining)
        connection: Connection | None = None
        try:
            async with asyncio.timeout(patience):
                connection = await self._connect()
        except TimeoutError:
            if remaining is not None and patience == remaining:
                text = "the deadline passed while connecting"
                raise failure(DeadlineExceeded, request, str(address), text, sent=False) from None
            text = f"nobody took the connection within {patience:g} s; is the service running there?"
            raise failure(Unavailable, request, str(address), text, sent=False) from None
        except OSError as error:  # TLS errors too
            text = f"cannot connect ({error.strerror or error})"
            raise failure(Unavailable, request, str(address), text, sent=False) from error
        finally:
            if connection is None:
                self._free_place()
        if connection.closed:
            self._free_place()
            raise failure(Unavailable, request, str(address), "the server closed the connection at once", sent=False)
        self._open.add(connection)
        self._check_open(request, connection)
        return connection

    def _check_open(self, request: Request, connection: Connection | None = None) -> None:
        """``close`` may have come while the call waited or connected."""
        if self._closed:
            if connection is not None:
                connection.close()
            else:
                self._free_place()
            raise failure(Unavailable, request, str(self._address), "the client is closed", sent=False)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        address = self._address

        def make() -> Connection:
            return Connection(self, str(address), self._limits)

        if address.path is not None:
            _, connection = await loop.create_unix_connection(make, address.path)
        else:
            _, connection = await loop.create_connection(make, address.host, address.port, ssl=self._tls)
        return connection

    # --- giving back: ConnectionOwner ----------------------------------------------------------------------------

    def release(self, connection: Connection) -> None:
        """The connection is idle: the next in line has it, or it is kept."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""
        if connection in self._open:
            self._open.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._free_place()

    def _free_place(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)  # the place goes with it
                return
        self._taken -= 1

    def close(self) -> None:
        """Close all connections; calls that are on fail, and so do those that wait."""
        self._closed = True
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)  # opening finds the pool closed
                self._taken += 1  # and gives back the place
        for connection in list(self._open):
            connection.close()


def _remaining(request: Request) -> float | None:
    return None if request.deadline == float("inf") else request.deadline - time.monotonic()
