"""One connection of the server: uvicorn's, with bounds, refusals as problems, and cancellation."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from typing import Any, cast

from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser
from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from partita.adapters.http.exchange import Exchange
from partita.adapters.http.head import check_fields, parse_target, parser_refusal
from partita.adapters.http.refusal import Refusal, refusal_bytes
from partita.adapters.http.state import HostState

__all__ = ["Phase", "ServerProtocol"]

_REFUSED_AT_ONCE_MAX = 64  # connections beyond the bound that are told so; the next are just closed
_REQUEST_LINE_BYTES = 64  # method, version and line ends
_DRAIN_GRACE_S = 0.25  # in a drain, how long a new connection may take to send its first byte


class Phase(enum.Enum):
    """How far the request that is being received has come."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    DONE = enum.auto()  # it is whole; its answer, or that of an earlier one, is not
    CLOSING = enum.auto()  # what comes is thrown away until the client closes too


class ServerProtocol(HttpToolsProtocol):
    """Receives requests, one after the other, and runs the application for each.

    ``running`` is the exchange that is answered now, ``cycle`` the one that is received; those between them are
    ``queued``, since answers keep the order of their requests.
    """

    def __init__(self, config: Config, server_state: HostState, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self.host = server_state
        self.limits = self.host.limits
        self.phase = Phase.IDLE
        self.since = self.loop.time()
        self.served = False
        self.running: Exchange | None = None
        self.queued: deque[Exchange] = deque()
        self.half_closed_at: float | None = None
        self._pending: Refusal | None = None
        self._upgrading = False
        self._expects_continue = False
        self._version = "1.1"
        self._requests = 0
        self._head_bytes = 0  # of names, values and the target
        self._raw_bytes = 0  # of the head, as far as one read does not hold the end of an earlier request too
        self._body_bytes = 0
        self._body_left: int | None = None  # of the request's Content-Length
        self._overhead_bytes = 0
        self._discarded_bytes = 0
        self._write_paused_at: float | None = None

    @property
    def date_line(self) -> bytes:
        """The ``Date`` header of answers that are given now."""
        return self.host.date_line

    # --- the transport's side ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by the loop."""
        super().connection_made(transport)
        beyond = len(self.connections) - self.limits.connections_max
        if beyond > _REFUSED_AT_ONCE_MAX:
            transport.abort()
        elif beyond > 0:
            detail = f"{self.limits.connections_max} connections are open, which is the most this server keeps."
            self._write_refusal(Refusal(503, "too-many-connections", detail, retry_after_s=self.limits.retry_after_s))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop: what the client waited for is cancelled."""
        self.connections.discard(self)
        self.phase = Phase.CLOSING
        self.queued.clear()
        if self.running is not None:
            self.running.give_up()
        self.flow.resume_writing()
        self.parser = cast(Any, None)
        self.host.note_end()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Called by the loop: the client sends no more. True keeps the connection open for the answer."""
        if self.running is None:
            return False
        if self.running is self.cycle and self.phase is Phase.BODY:
            return False  # half a request: there is nothing to answer
        self.half_closed_at = self.loop.time()
        return True

    def pause_writing(self) -> None:
        """Called by the transport when the client does not take its answer."""
        self._write_paused_at = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Called by the transport when it does again."""
        self._write_paused_at = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self.phase is Phase.CLOSING:
            if self.running is not None:
                self.flow.pause_reading()
            self._discard(len(data))
            return
        if self.phase is Phase.IDLE:
            self._enter(Phase.HEAD)
            self._head_bytes = self._raw_bytes = 0
        phase, requests, body_bytes = self.phase, self._requests, self._body_bytes
        try:
            self._feed(data)
            if self.phase is Phase.HEAD:
                # The parser keeps the pieces of a header to itself until it is whole: count what came.
                self._raw_bytes = (
                    self._raw_bytes + len(data) if phase is Phase.HEAD and requests == self._requests else 0
                )
                framing_bytes = _REQUEST_LINE_BYTES + 4 * self.limits.headers_max
                if self._raw_bytes > self.limits.head_bytes_max + framing_bytes:
                    raise self._head_too_large()
            elif self.phase is Phase.BODY and phase is Phase.BODY:
                self._count_overhead(len(data), body_bytes)
        except Refusal as refusal:
            self.refuse(refusal)

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                data = self._without_upgrade() + data[upgrade.args[0] :]
                continue
            except HttpParserError as error:
                if self.phase is Phase.CLOSING:
                    return
                if isinstance(error.__context__, Exception):
                    raise error.__context__ from None
                raise parser_refusal(str(error), isinstance(error, HttpParserInvalidMethodError), data) from None
            return

    def _without_upgrade(self) -> bytes:
        """The head once more without ``Upgrade``, which is ignored (RFC 9110, section 7.8), for a new parser."""
        self._upgrading, self._head_bytes = False, 0
        version = self.parser.get_http_version().encode("ascii")
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        lines = [b"%b %b HTTP/%b\r\n" % (self.scope["method"].encode("ascii"), self.url, version)]
        lines += [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        return b"".join(lines) + b"\r\n"

    # --- the parser's side ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self.queued and len(self.queued) >= self.limits.pipelined_max:
            self.queued[-1].keep_alive = False
            self.phase = Phase.CLOSING
            raise ConnectionAbortedError("too many requests wait on this connection")
        super().on_message_begin()
        if self.phase is not Phase.HEAD:
            self._enter(Phase.HEAD)
            self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Called by the parser, with a piece of the target."""
        self.url += url
        if len(self.url) > self.limits.target_bytes_max:
            detail = f"The request target is longer than {self.limits.target_bytes_max} bytes."
            raise Refusal(414, "target-too-long", detail)
        self._head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, with a header or a trailer."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self.limits.head_bytes_max:
            raise self._head_too_large()
        if self.phase is not Phase.HEAD:
            return  # trailers are ignored
        if value[-1:] in (b" ", b"\t"):
            value = value.rstrip(b" \t")
        self.headers.append((name.lower(), value))
        if len(self.headers) > self.limits.headers_max:
            detail = f"The request has more than {self.limits.headers_max} headers."
            raise Refusal(431, "head-too-large", detail)

    def on_headers_complete(self) -> None:
        """Called by the parser: the application is started, or put in line."""
        parser = self.parser
        scope = self.scope
        method = scope["method"] = parser.get_method().decode("ascii")
        if parser.should_upgrade() and method != "CONNECT":
            self._upgrading = True
            return
        version = parser.get_http_version()
        fields = check_fields(version, self.headers)
        target = parse_target(method, self.url)
        if target.host is not None:  # it wins over the header: RFC 9112, section 3.2.2
            self.headers[:] = [header for header in self.headers if header[0] != b"host"]
            self.headers.append((b"host", target.host))
        scope["http_version"] = version
        scope["path"], scope["raw_path"], scope["query_string"] = target.path, target.raw_path, target.query
        self._requests += 1
        self._enter(Phase.BODY)
        self._head_bytes = self._body_bytes = self._overhead_bytes = self._discarded_bytes = 0
        self._body_left = fields.length
        keep = version != "1.0" and parser.should_keep_alive()
        exchange = Exchange(self, scope, expects_continue=fields.expects_continue, keep_alive=keep)
        self.cycle = exchange
        if self.running is None:
            self._start(exchange)
        else:
            self.queued.append(exchange)  # reading goes on, or the end of the connection would not be seen

    def on_body(self, body: bytes) -> None:
        """Called by the parser, with a piece of the body."""
        cycle = self.cycle
        self._body_bytes += len(body)
        if self._body_left is not None:
            self._body_left -= len(body)
        if cycle.response_complete or cycle.disconnected:
            self._discard(len(body))
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._upgrading:
            return
        cycle = self.cycle
        cycle.more_body = False
        cycle.message_event.set()
        if cycle.response_complete:
            self._rest()
        else:
            self.phase = Phase.DONE

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.since = self.loop.time()

    def _rest(self) -> None:
        """Between two requests."""
        self._enter(Phase.IDLE)
        if self.host.draining or self.half_closed_at is not None:
            self.transport.close()

    # --- bounds --------------------------------------------------------------------------------------------------

    def _head_too_large(self) -> Refusal:
        detail = f"The head of the request is larger than {self.limits.head_bytes_max} bytes."
        return Refusal(431, "head-too-large", detail)

    def _count_overhead(self, size: int, body_bytes_before: int) -> None:
        self._overhead_bytes = self._overhead_bytes + size if self._body_bytes == body_bytes_before else 0
        if self._overhead_bytes > self.limits.body_overhead_bytes_max:
            raise Refusal(400, "malformed-request", "The chunks of the body are more frame than content.")

    def _discard(self, size: int) -> None:
        self._discarded_bytes += size
        if self._discarded_bytes > self.limits.linger_bytes_max:
            self.transport.abort()

    def tick(self, now: float) -> None:
        """Look at the clock: called by the server, for each connection."""
        limits = self.limits
        elapsed = now - self.since
        stuck = _passed(self._write_paused_at, limits.write_s, now)
        if stuck or _passed(self.half_closed_at, limits.half_closed_s, now):
            self.transport.abort()
        elif self.phase is Phase.IDLE:
            patience = limits.keep_alive_s if self.served else limits.head_s
            if elapsed > (min(patience, _DRAIN_GRACE_S) if self.host.draining else patience):
                self.transport.close()
        elif self.phase is Phase.CLOSING:
            if self.running is None and elapsed > limits.linger_s:
                self.transport.abort()
        elif self.flow.read_paused:
            self.since = now  # it is us who wait
        elif self.phase is Phase.HEAD and elapsed > limits.head_s:
            self.refuse(Refusal(408, "too-slow", f"The head of the request took longer than {limits.head_s:g} s."))
        elif self.phase is Phase.BODY and elapsed > limits.body_s + self._body_bytes / limits.body_bytes_per_s_min:
            self.refuse(Refusal(408, "too-slow", "The body of the request came too slowly, or not to its end."))

    # --- the exchanges' side -------------------------------------------------------------------------------------

    def _start(self, exchange: Exchange) -> None:
        host = self.host
        self.running = exchange
        self.served = True
        if host.in_flight >= self.limits.in_flight_max:
            detail = f"{self.limits.in_flight_max} requests are being worked on, which is the most this server does."
            exchange.answer(Refusal(503, "too-many-requests", detail, retry_after_s=self.limits.retry_after_s))
            return
        host.in_flight += 1
        app = cast(ASGI3Application, self.app)
        exchange.task = task = self.loop.create_task(exchange.run_asgi(app), context=host.context.copy())
        host.tasks.add(cast(Any, task))

    def may_keep(self, exchange: Exchange) -> bool:
        """Whether the connection can stay open after the answer of ``exchange``, which begins now."""
        if exchange.more_body and (self._body_left is None or self._body_left > self.limits.linger_bytes_max):
            return False  # draining what is left of the body may take for ever
        if self.queued or self._pending is not None:
            return True  # there is more to answer
        return not self.host.draining and self.half_closed_at is None

    def answered(self, exchange: Exchange) -> None:
        """The answer is whole: the next in line has its turn."""
        self.running = None
        self.host.total_requests += 1
        if self.transport.is_closing():
            return
        if not exchange.keep_alive:
            self._close(all_received=self.phase is Phase.DONE and not self.queued)
        elif self.queued:
            self._start(self.queued.popleft())
        elif self._pending is not None:
            self._write_refusal(self._pending)
        else:
            self.flow.resume_reading()
            if self.phase is Phase.DONE:
                self._rest()

    def ended(self, exchange: Exchange) -> None:
        """The application has returned."""
        self.host.in_flight -= 1
        self.host.tasks.discard(cast(Any, exchange.task))
        self.host.note_end()

    # --- ends ----------------------------------------------------------------------------------------------------

    def refuse(self, refusal: Refusal) -> None:
        """Answer the request that is being received with a problem, after those before it, and close."""
        running, cycle = self.running, cast("Exchange | None", self.cycle)
        receiving_body = self.phase is Phase.BODY
        self._enter(Phase.CLOSING)
        if receiving_body and cycle is not None and cycle.response_complete:
            self._close(all_received=False)  # it was answered already
        elif running is None:
            self._write_refusal(refusal)
        elif receiving_body and running is cycle:
            answerable = running.answerable
            running.give_up()
            self.running = None
            if answerable:
                self._write_refusal(refusal, head_only=running.scope["method"] == "HEAD")
            else:
                self.transport.abort()
        else:
            if receiving_body and self.queued:
                self.queued.pop()
            self._pending = refusal

    def _write_refusal(self, refusal: Refusal, *, head_only: bool = False) -> None:
        scope = cast("HTTPScope | None", self.scope)
        head_only = head_only or (scope is not None and scope.get("method") == "HEAD")
        self.transport.write(refusal_bytes(refusal, self.host.date_line, head_only=head_only))
        self._close(all_received=False)

    def _close(self, *, all_received: bool) -> None:
        """Close after what was written.

        With bytes under way, closing would reset the connection before the client has read its answer (RFC 9112,
        section 9.6): so one side is closed, and what comes is thrown away for a while.
        """
        self._enter(Phase.CLOSING)
        self.queued.clear()
        self.flow.resume_reading()
        if all_received or self.half_closed_at is not None or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()

    def shutdown(self) -> None:
        """A drain begins. An idle connection closes at once, others after their answers."""
        if self.phase is Phase.IDLE and self.running is None and self.served:
            self.transport.close()


def _passed(since: float | None, patience_s: float, now: float) -> bool:
    return since is not None and now - since > patience_s
