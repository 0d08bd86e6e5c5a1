"""One request and its answer on the server's side."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from typing import Any, Protocol, cast

from uvicorn._types import ASGI3Application, ASGISendEvent, HTTPResponseStartEvent, HTTPScope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from partita.adapters.http.refusal import Refusal

__all__ = ["Exchange", "ExchangeOwner"]

_log = logging.getLogger("partita.http")

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_KNOWN_NAMES_MAX = 1024

_known_names: set[bytes] = set()


class ExchangeOwner(Protocol):
    """What an exchange asks of its connection."""

    transport: asyncio.Transport
    flow: FlowControl
    loop: asyncio.AbstractEventLoop

    @property
    def date_line(self) -> bytes:
        """The ``Date`` header."""
        ...

    def may_keep(self, exchange: Exchange) -> bool:
        """Whether the connection can stay open after the answer that begins now."""
        ...

    def answered(self, exchange: Exchange) -> None:
        """The answer is whole."""
        ...

    def ended(self, exchange: Exchange) -> None:
        """The application has returned."""
        ...


class Exchange(RequestResponseCycle):
    """Uvicorn's cycle of a request, with these differences.

    The application is cancelled when the client is gone; what it raises is logged once and answered as
    ``application/problem+json``; head and first piece of the body are written together; an answer to HEAD, 204 and 304
    has no body, and one to HTTP/1.0 no chunks; and the connection closes where the rest of the request is not wanted.
    """

    def __init__(self, owner: ExchangeOwner, scope: HTTPScope, *, expects_continue: bool, keep_alive: bool) -> None:
        super().__init__(
            scope=scope,
            transport=owner.transport,
            flow=owner.flow,
            logger=_log,
            access_logger=_log,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=expects_continue,
            keep_alive=keep_alive,
            on_response=_nothing,
        )
        self._owner = owner
        self._held: bytes | None = None  # the head, until the first piece of the body
        self._bodiless = False
        self.task: asyncio.Task[None] | None = None
        self.app: ASGI3Application | None = None

    # --- running the application ---------------------------------------------------------------------------------

    async def run_asgi(self, app: ASGI3Application) -> None:
        """Run the application to its end, and see that an answer was given."""
        try:
            await app(self.scope, cast(Any, self.receive), cast(Any, self.send))
        except asyncio.CancelledError:
            if not self.disconnected:
                self._break(f"{self._name()} was cancelled from inside of the server before it answered", None)
            raise
        except Exception as error:
            if self.disconnected:
                _log.debug("%s failed after its client had gone", self._name(), exc_info=error)
            else:
                self._break(f"{self._name()} raised an exception that nothing handled", error)
        else:
            if not self.response_complete and not self.disconnected:
                self._break(f"{self._name()} returned without a whole answer", None)
        finally:
            self._owner.ended(self)

    @property
    def answerable(self) -> bool:
        """Nothing of an answer is out."""
        return not self.response_started or self._held is not None

    def give_up(self) -> None:
        """The client is gone, or was refused: nothing that is sent from now on reaches it."""
        self._held = None
        if not self.response_complete:
            self.disconnected = True
            self.message_event.set()
            if self.task is not None:
                self.task.cancel()

    def _name(self) -> str:
        return f"{self.scope['method']} {self.scope['path']}"

    def _break(self, text: str, error: Exception | None) -> None:
        _log.error("%s", text, exc_info=error)
        if self.transport.is_closing():
            return
        if not self.answerable:
            self.transport.abort()  # part of an answer is out: only a broken connection says that it is not whole
        elif not self.response_complete:
            self._held = None
            self.chunked_encoding = None
            self.expected_content_length = 0
            self.answer(
                Refusal(500, "internal-error", "The server failed at this request. What happened is in its log.")
            )

    def answer(self, refusal: Refusal) -> None:
        """Answer in place of the application."""
        body = refusal.body()
        self.response_started = True
        self._begin(refusal.status, [*refusal.headers(), (b"content-length", b"%d" % len(body))])
        self._go_on(body, more=False)

    # --- sending -------------------------------------------------------------------------------------------------

    async def send(self, message: ASGISendEvent) -> None:
        """ASGI's ``send``. Waits while the client does not take what was sent."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind != "http.response.start":
                raise RuntimeError(f"the application sent {kind!r} before 'http.response.start'")
            start = cast(HTTPResponseStartEvent, message)
            self._begin(start["status"], start.get("headers", ()))
            self.response_started = True
        elif self.response_complete or kind != "http.response.body":
            raise RuntimeError(f"the application sent {kind!r} after 'http.response.start', where it does not belong")
        else:
            self._go_on(cast(bytes, message.get("body", b"")), more=cast(bool, message.get("more_body", False)))

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._bodiless = self.scope["method"] == "HEAD" or status in (204, 304)
        if self.waiting_for_100_continue or not self._owner.may_keep(self):
            self.keep_alive = False
        lines = [STATUS_LINE[status]]
        dated = closing = False
        for name, value in headers:
            if name not in _known_names:
                name = _learn(name)
            if name == b"content-length":
                if status == 204:
                    continue
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"transfer-encoding":
                continue  # how the body is framed is decided here
            elif name == b"connection":
                closing = b"close" in value.lower()
                continue
            elif name == b"date":
                dated = True
            lines.append(b"%b: %b\r\n" % (name, value))
        if self.chunked_encoding is None and not self._bodiless:
            if self.scope["http_version"] == "1.0":
                self.keep_alive = False  # the end of the connection is the end of the body
            else:
                self.chunked_encoding = True
                lines.append(b"transfer-encoding: chunked\r\n")
        if closing or not self.keep_alive:
            self.keep_alive = False
            lines.append(b"connection: close\r\n")
        if not dated:
            lines.append(self._owner.date_line)
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise RuntimeError("the application sent a header whose value holds a line break or NUL")
        self.waiting_for_100_continue = False
        self._held = head + b"\r\n"
        self._owner.loop.call_soon(self._release)  # a stream's head does not wait for its first piece

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None and not self.disconnected and not self.transport.is_closing():
            self.transport.write(held)

    def _go_on(self, body: bytes, *, more: bool) -> None:
        held, self._held = self._held, None
        if self._bodiless:
            data = b""
        elif self.chunked_encoding:
            data = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more:
                data += b"0\r\n\r\n"
        elif self.chunked_encoding is None:
            data = body
        else:
            left = self.expected_content_length - len(body)
            if left < 0 or (left and not more):
                self._held = held
                raise RuntimeError(f"the application sent {'more' if left < 0 else 'less'} than its Content-Length")
            self.expected_content_length = left
            data = body
        if held is not None:
            data = held + data
        if data:
            self.transport.write(data)
        if not more:
            self.response_complete = True
            self.message_event.set()
            self._owner.answered(self)


def _learn(name: bytes) -> bytes:
    if not _TOKEN.fullmatch(name):
        raise RuntimeError(f"the application sent a header with the name {name!r}, which is none")
    lower = name.lower()
    if len(_known_names) < _KNOWN_NAMES_MAX:
        _known_names.add(lower)
    return lower


def _nothing() -> None:
    pass
