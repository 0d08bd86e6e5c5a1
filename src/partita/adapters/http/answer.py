"""Reading answers off a connection: what the parser of httptools finds, within the client's bounds."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from partita.adapters.http.limits import ClientLimits
from partita.adapters.http.streamed import Streamed

__all__ = ["Answer"]

_INTERIM_MAX = 16
_KNOWN_NAMES_MAX = 1024

_names: dict[bytes, str] = {}


def _name_of(raw: bytes) -> str:
    name = raw.decode("latin-1").lower()
    if len(_names) < _KNOWN_NAMES_MAX:
        _names[raw] = name
    return name


class _BreachError(Exception):
    """The answer breaks a bound or a rule; the text says which. It travels through the parser."""


class _HeadOnly(Exception):
    """The answer to HEAD has come; this stops the parser, which would wait for a body."""


class Answer:
    """The answer that comes on a connection; the same object is used for one answer after the other.

    ``complete`` says that it is whole, ``keep`` that the server keeps the connection open after it, ``extra`` that
    bytes came which belong to no answer. Interim answers (1xx) are skipped and trailers ignored.
    """

    __slots__ = (
        "_head_bytes",
        "_head_only",
        "_interims",
        "_limits",
        "_parser",
        "_size",
        "_streamed",
        "_version_known",
        "body",
        "complete",
        "extra",
        "head_done",
        "headers",
        "keep",
        "status",
    )

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._parser = HttpResponseParser(self)
        self._version_known = False
        self.expect(None, head_only=False)

    def expect(self, streamed: Streamed | None, *, head_only: bool) -> None:
        """A request was sent: what comes next is its answer. ``head_only`` for HEAD."""
        self._streamed = streamed
        self._head_only = head_only
        self._head_bytes = 0
        self._interims = 0
        self._size = 0
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.head_done = False
        self.complete = False
        self.keep = False
        self.extra = False

    @property
    def ends_with_connection(self) -> bool:
        """Nothing says how long the body is: it ends where the connection does (RFC 9112, section 6.3)."""
        headers = self.headers
        return self.head_done and "content-length" not in headers and "transfer-encoding" not in headers

    def feed(self, data: bytes) -> str | None:
        """Take what the connection brought. Returns what is wrong with it, if something is."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            return "the server changed the protocol, which was not asked for"
        except HttpParserError as error:
            return self._stopped(error, data)
        if not self.head_done:
            # A header that comes in many pieces is collected by the parser, and seen here only.
            self._head_bytes += len(data)
            if self._head_bytes > 2 * self._limits.head_bytes_max:
                return self._head_too_large()
        return None

    def _stopped(self, error: HttpParserError, data: bytes) -> str | None:
        cause = error.__context__
        if isinstance(cause, _HeadOnly):
            self._parser = HttpResponseParser(self)
            self.extra = not data.endswith(b"\r\n\r\n")
            return None
        if self.complete:
            self.extra = True  # the answer itself is whole
            return None
        return str(cause) if isinstance(cause, _BreachError) else f"the answer is not HTTP/1.1: {error}"

    def _head_too_large(self) -> str:
        return f"the head of the answer is larger than {self._limits.head_bytes_max} bytes"

    # --- the parser's callbacks ----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            self.extra = True
            raise _BreachError("a second answer followed the first")
        if self._interims:
            self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self._limits.head_bytes_max:
            raise _BreachError(self._head_too_large())
        if self.head_done:
            return  # a trailer
        key = _names.get(name) or _name_of(name)
        text = value.decode("latin-1")
        headers = self.headers
        if key in headers:
            headers[key] = f"{headers[key]}, {text}"
        else:
            headers[key] = text
            if len(headers) > self._limits.headers_max:
                raise _BreachError(f"the answer has more than {self._limits.headers_max} headers")

    def on_headers_complete(self) -> None:
        if not self._version_known:  # it does not change on a connection
            version = self._parser.get_http_version()
            if version not in ("1.1", "1.0"):
                raise _BreachError(f"the answer is not HTTP/1.1 but HTTP/{version}")
            self._version_known = True
        self.status = status = self._parser.get_status_code()
        if status < 200:
            self._interims += 1
            if status < 100 or self._interims > _INTERIM_MAX:
                raise _BreachError(f"an interim answer with status {status} came as number {self._interims}")
            return
        if status > 599:
            raise _BreachError(f"{status} is no status of HTTP")
        self.head_done = True
        self.keep = self._parser.should_keep_alive()
        if self._streamed is not None:
            self._streamed.begin(status, self.headers)
        elif not self._head_only:
            length = self.headers.get("content-length", "")
            if len(length) > 6 and int(length) > self._limits.body_bytes_max:
                raise _BreachError(f"the answer is {length} bytes long; the bound is {self._limits.body_bytes_max}")
        if self._head_only:
            self.complete = True
            raise _HeadOnly

    def on_body(self, data: bytes) -> None:
        if self._streamed is not None:
            self._streamed.feed(data)
            return
        self._size += len(data)
        if self._size > self._limits.body_bytes_max:
            raise _BreachError(f"the body of the answer is larger than {self._limits.body_bytes_max} bytes")
        self.body.append(data)

    def on_message_complete(self) -> None:
        if self.head_done:
            self.complete = True
