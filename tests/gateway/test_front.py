"""The gateway's rules in front of an application in the same process."""

from __future__ import annotations

from collections.abc import MutableMapping
from itertools import count
from typing import Any

import pytest

from partita.gateway.front import Front

HEADERS = [(b"host", b"a"), (b"partita-caller", b"x"), (b"x-forwarded-for", b"1.2.3.4"), (b"x-request-id", b"mine")]


class Inside:
    """An application that keeps what it was asked, and answers 200."""

    def __init__(self) -> None:
        self.scopes: list[MutableMapping[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"server", b"inside")]})
        await send({"type": "http.response.body", "body": b""})


async def ask(
    inside: Inside, path: bytes, method: str = "GET", headers: list[tuple[bytes, bytes]] | None = None
) -> tuple[int, dict[bytes, bytes]]:
    """The status and the headers that come out."""
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    ids = count(1)
    scope = {"type": "http", "method": method, "raw_path": path, "headers": headers or [], "query_string": b""}
    await Front(inside, new_id=lambda: next(ids))(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/a/b", b"/a/b"),
        (b"//a//b/", b"/a/b/"),
        (b"/a/./b", b"/a/b"),
        (b"/a/../b", b"/b"),
        (b"/a/%2e%2E/b", b"/b"),
        (b"/../../b", b"/b"),
        (b"/a/..", b"/"),
        (b"/a/b/.", b"/a/b/"),
        (b"/a.b/..c", b"/a.b/..c"),
        (b"/a%20b", b"/a%20b"),
        (b"/", b"/"),
    ],
)
async def test_paths_are_read_in_one_way(path: bytes, expected: bytes) -> None:
    """Dot segments and doubled slashes are gone before a route is looked for."""
    inside = Inside()
    assert (await ask(inside, path))[0] == 200
    assert inside.scopes[0]["raw_path"] == expected


@pytest.mark.parametrize("path", [b"/a%2Fb", b"/a%5cb"])
async def test_escaped_slashes_are_refused(path: bytes) -> None:
    """What could be one segment or two is answered 400, and reaches nobody."""
    inside = Inside()
    assert (await ask(inside, path))[0] == 400
    assert inside.scopes == []


async def test_headers_of_services_are_taken_away() -> None:
    """A client can neither pass for a service nor choose its address or the id of its request."""
    inside = Inside()
    _, answered = await ask(inside, b"/", headers=list(HEADERS))
    assert inside.scopes[0]["headers"] == [(b"host", b"a"), (b"x-request-id", b"1")]
    assert answered == {b"server": b"partita", b"x-request-id": b"1"}


async def test_headers_with_underscores_are_refused() -> None:
    """partita_caller is refused, since some frameworks read it as Partita-Caller."""
    inside = Inside()
    assert (await ask(inside, b"/", headers=[(b"partita_caller", b"x")]))[0] == 400
    assert inside.scopes == []


@pytest.mark.parametrize(
    ("method", "given", "expected"), [("POST", b"", b"1"), ("POST", b"own", b"own"), ("GET", b"", None)]
)
async def test_writes_get_a_key(method: str, given: bytes, expected: bytes | None) -> None:
    """A write without an Idempotency-Key gets the id of its request as one; a read needs none."""
    inside = Inside()
    await ask(inside, b"/", method, [(b"idempotency-key", given)] if given else [])
    assert dict(inside.scopes[0]["headers"]).get(b"idempotency-key") == expected
