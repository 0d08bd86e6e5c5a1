"""Reading an HTTP request as ASGI hands it over: headers, query, cookies, media types, body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from partita.contract.operation import Operation
from partita.contract.problems import BodyTooLarge, Malformed, NotAcceptable, UnsupportedMediaType

__all__ = [
    "ASGIApp",
    "ClientGoneError",
    "Receive",
    "Scope",
    "Send",
    "body_chunks",
    "body_size",
    "check_accept",
    "check_encoding",
    "read_body",
    "read_cookies",
    "read_headers",
    "read_query",
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

QUERY_FIELDS_MAX = 256


class ClientGoneError(Exception):
    """The client left before its request was whole. There is nobody to answer."""


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; repeated ones are joined by a comma, cookies by a semicolon (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
        if name in headers:
            value = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}"
        headers[name] = value
    return headers


def read_query(raw: bytes) -> dict[str, list[str]]:
    """The query's fields, in order, by name. Raises ``Malformed``."""
    fields: dict[str, list[str]] = {}
    parts = raw.split(b"&")
    if len(parts) > QUERY_FIELDS_MAX:
        raise Malformed(reason=f"the query has more than {QUERY_FIELDS_MAX} fields")
    for part in parts:
        if part:
            name, _, value = part.partition(b"=")
            fields.setdefault(_text(name), []).append(_text(value))
    return fields


def _text(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(reason="the query is not UTF-8") from None


def read_cookies(header: str | None) -> dict[str, str]:
    """Cookies by name; the first of a name counts (RFC 6265, section 5.4)."""
    cookies: dict[str, str] = {}
    for part in (header or "").split(";"):
        name, equals, value = part.strip().partition("=")
        if equals and name:
            cookies.setdefault(name, value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value)
    return cookies


def check_accept(operation: Operation, accept: str | None) -> None:
    """Raise ``NotAcceptable`` where the client excludes what the operation produces (RFC 9110, 12.5.1)."""
    if not accept or operation.kind in ("download", "nothing"):
        return
    media = "text/event-stream" if operation.kind == "stream" else "application/json"
    kind = media.partition("/")[0] + "/*"
    best, refused = -1, False
    for entry in accept.split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        rank = {"*/*": 0, kind: 1, media: 2}.get(name, -1)
        if rank > best:
            best = rank
            refused = any(_is_zero(parameter) for parameter in parameters)
    if best < 0 or refused:
        raise NotAcceptable(available=(media,))


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    try:
        return name.strip() == "q" and float(value) == 0
    except ValueError:
        return False


def body_size(headers: dict[str, str], bytes_max: int) -> int | None:
    """What Content-Length says. Raises ``BodyTooLarge`` and ``Malformed`` before a byte of the body is read."""
    length = headers.get("content-length")
    if length is None:
        return None
    if not (length.isascii() and length.isdigit()):
        raise Malformed(reason="Content-Length is no number")
    if len(length) > 18 or int(length) > bytes_max:
        raise BodyTooLarge(bytes_max=bytes_max)
    return int(length)


def check_encoding(headers: dict[str, str]) -> None:
    """Refuse compressed bodies: what they grow to is not bounded by their length."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType(supported=("identity",))


async def body_chunks(receive: Receive, bytes_max: int) -> AsyncIterator[bytes]:
    """The body's pieces. Raises ``BodyTooLarge`` past the bound and ``ClientGoneError``."""
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = message.get("body", b"")
        total += len(chunk)
        if total > bytes_max:
            raise BodyTooLarge(bytes_max=bytes_max)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


async def read_body(receive: Receive, bytes_max: int) -> bytes:
    """The whole body."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > bytes_max:
            raise BodyTooLarge(bytes_max=bytes_max)
        return bytes(body)

    async def replay() -> MutableMapping[str, Any]:
        nonlocal message
        current, message = message, {}
        return current or await receive()

    return b"".join([chunk async for chunk in body_chunks(replay, bytes_max)])
