"""The head of a request, as bytes (RFC 9112, sections 2 to 6)."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["encode_head"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_TARGET = re.compile(r"[^\x21-\x7e]")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OWN = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "te", "trailer"}
)
_KNOWN_NAMES_MAX = 1024

_known_names: set[str] = set()


def encode_head(
    method: str, target: str, host: str, headers: Iterable[tuple[str, str]], body_bytes: int | None
) -> bytes:
    """Request line and headers, with the empty line. ``body_bytes`` is ``None`` for a body in chunks.

    Raises ``ValueError`` for what would break out of its line, and for headers that the connection itself writes.
    """
    if method not in _METHODS and not _TOKEN.fullmatch(method):
        raise ValueError(f"{method!r} is no HTTP method")
    if target[:1] != "/" or _NOT_TARGET.search(target):
        raise ValueError(f"{target!r} is no request target: it starts with a slash and is percent-encoded ASCII")
    text = f"{method} {target} HTTP/1.1\r\nhost: {host}\r\n"
    lines = 3
    for name, value in headers:
        if name not in _known_names:
            _learn(name)
        text += f"{name}: {value}\r\n"
        lines += 1
    if body_bytes is None:
        text += "transfer-encoding: chunked\r\n\r\n"
        lines += 1
    elif body_bytes or method in _METHODS_WITH_BODY:
        text += f"content-length: {body_bytes}\r\n\r\n"
        lines += 1
    else:
        text += "\r\n"
    if text.count("\n") != lines or text.count("\r") != lines or "\0" in text:
        raise ValueError(f"the value of {_culprit(headers)} holds a line break or NUL, which a header cannot carry")
    return text.encode("latin-1")


def _learn(name: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no header name (RFC 9110, section 5.6.2)")
    if name.lower() in _OWN:
        raise ValueError(f"the header {name} belongs to the connection, which writes it itself; leave it out")
    if len(_known_names) < _KNOWN_NAMES_MAX:
        _known_names.add(name)


def _culprit(headers: Iterable[tuple[str, str]]) -> str:
    return next((name for name, value in headers if re.search(r"[\r\n\0]", value)), "a header")
