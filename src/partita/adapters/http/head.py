"""The rules that a request's head has to keep, beyond what the parser of httptools checks (RFC 9112 and 9110)."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from partita.adapters.http.refusal import Refusal

__all__ = ["Fields", "Target", "check_fields", "parse_target", "parser_refusal"]

_HOST = re.compile(rb"(?:[0-9A-Za-z._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.vV]+\])(?::[0-9]{0,5})?")
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)([^?#]*)(\?[^#]*)?", re.IGNORECASE)
_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"})
_REQUEST_LINE = re.compile(rb"\s*([A-Za-z][A-Za-z-]{0,31}) \S+ HTTP/1\.[01]\r\n")

# What the parser says, as far as it is no mere "malformed": part of its text, status, code, detail.
_PARSER_TEXTS = (
    ("PRI", 505, "unsupported-version", "This server speaks HTTP/1.1; the request began HTTP/2."),
    ("HTTP version", 505, "unsupported-version", "This server speaks HTTP/1.1 and HTTP/1.0."),
    ("HTTP/x.x", 501, "unknown-method", "The method is not one of HTTP."),
)


class Target(NamedTuple):
    """A request target, reduced to what ASGI asks for. ``host`` is set where the target named one."""

    path: str
    raw_path: bytes
    query: bytes
    host: bytes | None = None


class Fields(NamedTuple):
    """What the headers say of the request's body: its length (``None`` in chunks), and whether 100 is waited for."""

    length: int | None
    expects_continue: bool


def check_fields(version: str, headers: list[tuple[bytes, bytes]]) -> Fields:
    """Check what the headers say together. Names are in lower case. Raises ``Refusal``."""
    if version != "1.1" and version != "1.0":
        raise Refusal(505, "unsupported-version", f"This server speaks HTTP/1.1 and HTTP/1.0, not HTTP/{version}.")
    hosts = 0
    length: int | None = 0
    expects_continue = False
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not _HOST.fullmatch(value):
                raise Refusal(400, "malformed-request", "The Host header is no host and port.")
        elif name == b"content-length":
            length = int(value)  # the parser has seen that it is a number, once
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise Refusal(400, "unknown-transfer-coding", "The only transfer coding known here is chunked, once.")
            if version == "1.0":
                raise Refusal(400, "unknown-transfer-coding", "HTTP/1.0 has no transfer codings.")
            length = None
        elif name == b"expect" and version == "1.1":
            expects_continue = value.lower() == b"100-continue"
            if not expects_continue:
                raise Refusal(417, "unknown-expectation", "The only expectation known here is 100-continue.")
    if hosts != 1 and (hosts or version == "1.1"):
        raise Refusal(400, "malformed-request", f"The request has {hosts} Host headers; it needs one.")
    return Fields(length, expects_continue)


def parse_target(method: str, url: bytes) -> Target:
    """Take the target apart: origin form, absolute form, or the asterisk of OPTIONS. Raises ``Refusal``."""
    host = None
    if url[:1] == b"/":
        raw_path, _, query = url.partition(b"?")
        if b"#" in url:
            raise _bad_target("holds a fragment")
    elif url == b"*":
        if method != "OPTIONS":
            raise _bad_target("is an asterisk, which only OPTIONS may ask for")
        return Target("*", b"*", b"")
    elif method == "CONNECT":
        raise Refusal(501, "unknown-method", "This server is no proxy: it does not answer CONNECT.")
    else:
        match = _ABSOLUTE.fullmatch(url)
        if match is None or not _HOST.fullmatch(match[1]):
            raise _bad_target("is neither a path nor an http URL")
        host, raw_path, query = match[1], match[2] or b"/", (match[3] or b"")[1:]
    if b"%" in url and _BAD_PERCENT.search(url):
        raise _bad_target("holds a percent sign that begins no code")
    if not url.isascii():
        raise _bad_target("holds bytes beyond ASCII")
    if b"%" not in raw_path:
        return Target(raw_path.decode("ascii"), raw_path, query, host)
    try:
        return Target(unquote_to_bytes(raw_path).decode("utf-8"), raw_path, query, host)
    except UnicodeDecodeError:
        raise _bad_target("decodes to a path that is not UTF-8") from None


def _bad_target(what: str) -> Refusal:
    return Refusal(400, "malformed-target", f"The request target {what}.")


def parser_refusal(reason: str, method_refused: bool, data: bytes) -> Refusal:
    """What is answered when the parser stops at ``data``. Its reason is for logs and people; it holds no input."""
    line = _REQUEST_LINE.match(data) if method_refused else None
    if line is not None and line[1] not in _METHODS:
        return Refusal(501, "unknown-method", "The method is not one of HTTP.")
    for text, status, code, detail in _PARSER_TEXTS:
        if text in reason:
            return Refusal(status, code, detail)
    return Refusal(400, "malformed-request", f"The request is no valid HTTP/1.1: {reason}.")
