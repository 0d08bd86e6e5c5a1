"""A client sees the same system, whether it runs as an ensemble behind Envoy or in one process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import pytest

# What is chance, or says how the bytes were framed.
UNEQUAL = {"date", "x-request-id", "content-length", "connection", "cache-control"}
MINE = str(UUID(int=7))


def token(dev: Any, **query: str) -> dict[str, str]:
    """The header of a user of this system."""
    words = "&".join(f"{name}={value}" for name, value in {"user": MINE, **query}.items())
    answer = dev.request("POST", f"/tokens?{words}")
    assert answer.status == 201
    return {"authorization": f"Bearer {answer.json()['token']}"}


def asked(method: str, path: str, body: Any = None, /, **headers: str) -> Callable[[Any], Any]:
    """A request, whose headers are written with - for _."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda dev: dev.request(method, path, headers=told, body=body)


def as_user(method: str, path: str, /, **query: str) -> Callable[[Any], Any]:
    return lambda dev: dev.request(method, path, headers=token(dev, **query))


def shouted(dev: Any) -> Any:
    text = token(dev)["authorization"]
    return dev.request("GET", "/me", headers={"authorization": text.replace("Bearer", "BEARER")})


CASES: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "a stream": (200, asked("GET", "/numbers/2")),
    "HEAD": (200, asked("HEAD", "/.well-known/jwks.json")),
    "OPTIONS": (204, asked("OPTIONS", "/notes")),
    "OPTIONS of what needs a token": (204, asked("OPTIONS", "/me")),
    "no such path": (404, asked("GET", "/nowhere")),
    "no such path, HEAD": (404, asked("HEAD", "/nowhere")),
    "no such path, OPTIONS": (404, asked("OPTIONS", "/nowhere")),
    "an internal operation": (404, asked("GET", "/weight?text=a")),
    "a service's health": (404, asked("GET", "/healthz")),
    "a service's counts": (404, asked("GET", "/metrics")),
    "another case": (404, asked("GET", "/ME")),
    "a slash at the end": (404, asked("GET", "/notes/")),
    "a wrong method": (405, asked("DELETE", "/notes")),
    "GET where there is only POST": (405, asked("GET", "/notes")),
    "TRACE": (405, asked("TRACE", "/me")),
    "a wrong method of the document": (405, asked("POST", "/openapi.json")),
    "OPTIONS of the document": (204, asked("OPTIONS", "/openapi.json")),
    "HEAD of the document": (200, asked("HEAD", "/openapi.json")),
    "no token": (401, asked("GET", "/me")),
    "another scheme": (401, asked("GET", "/me", authorization="Basic YTpi")),
    "no JWT": (401, asked("GET", "/me", authorization="Bearer nonsense")),
    "another's token": (401, as_user("GET", "/me", audience="other")),
    "a bad token where none is needed": (401, asked("GET", "/numbers/1", authorization="Bearer nonsense")),
    "another scheme where none is needed": (401, asked("GET", "/numbers/1", authorization="Basic YTpi")),
    "a token": (200, as_user("GET", "/me")),
    "a token, shouted": (200, shouted),
    "without the role": (403, as_user("GET", "/admin")),
    "with the role": (200, as_user("GET", "/admin", roles="admin")),
    "a false service": (200, asked("GET", "/numbers/1", partita_caller="words")),
    "a false deadline": (200, asked("GET", "/numbers/1", partita_deadline_ms="0")),
    "a header with an underscore": (400, lambda dev: dev.request("GET", "/numbers/1", headers={"x_y": "1"})),
    "an escaped slash": (400, asked("GET", "/notes/a%2Fb")),
    "doubled slashes": (200, asked("GET", "//numbers//1")),
    "dot segments": (401, asked("GET", "/notes/../me")),
    "escaped dot segments": (401, asked("GET", "/notes/%2e%2E/me")),
    "escaped letters": (401, asked("GET", "/%6De")),
    "bad UTF-8": (400, asked("GET", "/numbers/%ff")),
    "a body that is too large": (413, asked("POST", "/notes", b"x" * (1 << 20) + b"x")),
    "headers that are too large": (431, asked("GET", "/numbers/1", x_large="x" * 20_000)),
    "a target that is too long": (414, asked("GET", f"/numbers/1?x={'x' * 9000}")),
    "broken JSON": (400, asked("POST", "/notes", b"{", content_type="application/json")),
    "invalid fields": (422, asked("POST", "/notes", {"text": "", "stars": "many"})),
    "another media type": (415, asked("POST", "/notes", b"x", content_type="text/plain")),
    "a repeated query key": (422, asked("POST", "/wait?seconds=0&seconds=0")),
    "a declared problem": (409, asked("POST", "/notes", {"text": "rude"})),
    "a service's own 404": (404, asked("GET", f"/notes/{UUID(int=1)}")),
    "a preflight": (204, asked("OPTIONS", "/notes", origin="http://x", access_control_request_method="POST")),
}


def seen(answer: Any) -> tuple[int, dict[str, str], Any]:
    """What of an answer must agree. The words in which a token or a head is refused may differ."""
    headers = {name: text for name, text in answer.headers.items() if name not in UNEQUAL}
    try:
        body = json.loads(answer.body)
    except ValueError:
        return answer.status, headers, answer.body
    if isinstance(body, Mapping):
        body = {name: ... if name in ("reason", "detail", "kid", "x") else value for name, value in body.items()}
    return answer.status, headers, body


@pytest.mark.parametrize("case", CASES)
def test_both_placements_answer_alike(pairs: dict[str, Any], case: str) -> None:
    """Status, headers and body are the same from Envoy and from the process that stands in for it."""
    expected, ask = CASES[case]
    ensemble, solo = ask(pairs["ensemble"]), ask(pairs["solo"])
    if expected in (414, 431) or case == "bad UTF-8":  # refused before anything of ours is reached
        solo.headers.setdefault("server", "partita")
    if case == "OPTIONS of the document":  # Envoy names a type for everything that it answers by itself
        ensemble.headers.pop("content-type")
    assert ensemble.status == expected, ensemble.body
    assert seen(ensemble) == seen(solo)


def test_each_answer_has_an_id_of_its_own(placed: Any) -> None:
    """A client cannot choose the id of its request."""
    answers = [placed.request("GET", "/numbers/1", headers={"x-request-id": "mine"}) for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(UUID(each) for each in ids)


def test_the_gateway_shows_the_public_document(placed: Any, run: Any) -> None:
    """GET /openapi.json is what ``partita openapi`` prints, with the gateway's address."""
    answer = placed.request("GET", "/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document.pop("servers") == [{"url": f"http://localhost:{placed.port}"}]
    assert document == json.loads(run(placed.folder, "openapi").stdout)
