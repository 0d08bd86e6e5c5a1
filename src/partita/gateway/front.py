"""What the gateway does to requests and answers, for a system in one process that has no Envoy before it."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from partita.contract.problem import Problem
from partita.contract.problems import Malformed
from partita.gateway.listener import SERVER_NAME, UNTRUSTED_HEADERS, UNTRUSTED_PREFIXES
from partita.gateway.table import SAFE
from partita.rpc.answer import answer_problem
from partita.rpc.http import ASGIApp, Receive, Scope, Send
from partita.rpc.sending import send_answer

__all__ = ["Front"]

_ESCAPED_SLASH = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)
_SLASHES = re.compile(rb"/{2,}")


class Front:
    """Puts an ASGI application behind the gateway's own rules, so that a client sees the same in both placements.

    Headers by which a client could pass for a service are taken away, paths are read in one way only, each request gets
    an id, and writes a key to be told apart by. ``new_id`` makes the ids.
    """

    def __init__(self, app: ASGIApp, *, new_id: Callable[[], object]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(self._new_id()).encode("ascii")

        async def told(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [header for header in message["headers"] if header[0] != b"server"]
                message["headers"] = [*headers, (b"server", SERVER_NAME.encode()), (b"x-request-id", request_id)]
            await send(message)

        try:
            inner = self._read(scope, request_id)
        except Problem as problem:
            await send_answer(told, answer_problem(problem), None, None, head=scope["method"] == "HEAD")
            return
        await self._app(inner, receive, told)

    @staticmethod
    def _read(scope: Scope, request_id: bytes) -> Scope:
        """The request as a service may see it. Raises ``Malformed``."""
        path = _path(scope["raw_path"])
        headers = [header for header in scope["headers"] if _is_trusted(header[0])]
        headers.append((b"x-request-id", request_id))
        if scope["method"] not in SAFE and all(name != b"idempotency-key" for name, _ in headers):
            headers.append((b"idempotency-key", request_id))
        return {**scope, "raw_path": path, "path": unquote_to_bytes(path).decode(errors="replace"), "headers": headers}


def _is_trusted(name: bytes) -> bool:
    text = name.decode("latin-1")
    if "_" in text:
        raise Malformed(reason="http1.unexpected_underscore")
    return text not in UNTRUSTED_HEADERS and not text.startswith(UNTRUSTED_PREFIXES)


def _path(raw: bytes) -> bytes:
    """Without dot segments (RFC 3986, section 5.2.4) and doubled slashes. Raises ``Malformed`` for escaped slashes."""
    if _ESCAPED_SLASH.search(raw):
        raise Malformed(reason="path_normalization_failed")
    if b"//" not in raw and b"." not in raw and b"\\" not in raw and b"%2" not in raw:
        return raw
    kept: list[bytes] = []
    segments = raw.replace(b"\\", b"/").split(b"/")[1:]
    for segment in segments:
        dots = unquote_to_bytes(segment)
        if dots == b"..":
            kept = kept[:-1]
        elif dots != b".":
            kept.append(segment)
    if unquote_to_bytes(segments[-1]) in (b".", b".."):
        kept.append(b"")
    return _SLASHES.sub(b"/", b"/" + b"/".join(kept))
