"""The bounds of the server and of the client, with their units."""

from __future__ import annotations

import msgspec

__all__ = ["ClientLimits", "ServerLimits"]


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one server takes on. Beyond a bound it answers with the status named here, as ``application/problem+json``.

    Times are checked by one timer for all connections, which ticks at a quarter of the shortest of them (at most every
    second): an answer may come that much later.
    """

    target_bytes_max: int = 8 * 1024
    """Length of the request target: 414."""
    head_bytes_max: int = 16 * 1024
    """Names and values of the request's headers, and its target, in sum: 431."""
    headers_max: int = 100
    """Number of header lines: 431."""
    connections_max: int = 1024
    """Open connections: a further one is answered 503 and closed."""
    in_flight_max: int = 512
    """Requests that the application works on: a further one is answered 503 with ``Retry-After``."""
    pipelined_max: int = 32
    """Requests of one connection that wait for the one before: the connection is closed after the last of them."""
    head_s: float = 10.0
    """From the first byte of a head (or the connection) to its end: 408, or closed if not a byte came."""
    body_s: float = 30.0
    """From the head to the end of the body: 408. Time in which the application does not read, with the connection's
    buffer full, does not count."""
    body_bytes_per_s_min: int = 4 * 1024
    """For each of these bytes that came, ``body_s`` grows by a second, so that large bodies have their time."""
    body_overhead_bytes_max: int = 64 * 1024
    """Bytes of chunk headers, chunk extensions and trailers in a row, without a byte of body: 400."""
    keep_alive_s: float = 75.0
    """An idle connection is closed. A client's own bound should be lower."""
    write_s: float = 30.0
    """A client that does not read its answer is cut off after this time without progress."""
    half_closed_s: float = 5.0
    """A client that ended its side after a whole request may read on, which is legal, or be gone: TCP does not tell.
    Its request is given this long, then cancelled. A reset connection is told apart, and cancels at once."""
    linger_s: float = 1.0
    """How long a connection that was refused is read on, so that the client sees the answer and no reset."""
    linger_bytes_max: int = 256 * 1024
    """How much of it is read on; also how much is drained of a body that the application did not read."""
    retry_after_s: int = 1
    """What ``Retry-After`` says with 503."""
    backlog: int = 1024
    """Connections that the system keeps until they are accepted."""


class ClientLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one client (of one address) takes on. What happens beyond a bound stands at each."""

    connections_max: int = 128
    """Open connections; further calls wait for one."""
    waiting_max: int = 1024
    """Calls that wait for a connection: a further one raises ``TooManyCalls``."""
    connect_s: float = 5.0
    """Time to connect (with TLS): ``Unavailable``."""
    idle_s: float = 60.0
    """An idle connection is closed after this time; below the server's 75 s, so that the server is rarely first."""
    head_bytes_max: int = 64 * 1024
    """Names and values of an answer's headers, in sum: ``BadResponse``."""
    headers_max: int = 200
    """Number of an answer's header lines: ``BadResponse``."""
    body_bytes_max: int = 16 * 1024 * 1024
    """An answer's body, when it is read as a whole: ``BadResponse``. A streamed one has no bound, and backpressure."""
    buffer_bytes_max: int = 256 * 1024
    """What is kept of a streamed body until it is asked for; beyond it the connection is not read."""
