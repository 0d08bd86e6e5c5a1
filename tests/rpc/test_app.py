"""What the ASGI application answers to requests as strangers send them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from partita import BlockingFull, CommitUnknown, ConnectionLost, Contended, DatabaseUnavailable, Unavailable
from partita.contract.contract import compiled
from partita.rpc.answer import answer_failure
from partita.rpc.app import ServiceApp
from tests.rpc import conftest as ours

ID = "00000000-0000-0000-0000-000000000007"
JSON = ("content-type", "application/json")
BANK = {"service": "bank", "operation": "pay"}
GOOD = b'{"lines": [{"sku": "a", "quantity": 1}]}'


@dataclass
class Reply:
    """An answer, as ASGI sent it."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


async def ask(
    app: ServiceApp,
    method: str,
    path: str,
    *headers: tuple[str, str],
    body: bytes | Iterable[bytes] = b"",
    leaves: bool = False,
) -> Reply:
    """Send one request through ASGI; with ``leaves`` the client goes before its body is whole."""
    raw, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "raw_path": raw.encode("latin-1"),
        "path": raw,
        "query_string": query.encode("latin-1"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    pieces = [body] if isinstance(body, bytes) else list(body)
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = leaves
    messages.append({"type": "http.disconnect"})
    reply = Reply()

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            reply.body += message.get("body", b"")

    await app(scope, receive, send)
    return reply


@pytest.fixture
def app() -> ServiceApp:
    """The service of the conftest as an application."""
    return ServiceApp(ours.endpoints_of(ours.ThingsService()).values(), identify=ours.identify)


def assert_problem(reply: Reply, status: int, code: str) -> Any:
    """The answer is a problem document that agrees with itself; gives it."""
    document = reply.json()
    assert (reply.status, document["status"]) == (status, status)
    assert document["type"].endswith(f":{code}")
    assert reply.headers["content-type"] == "application/problem+json"
    assert document["title"]
    assert "Traceback" not in reply.body.decode()
    return document


async def test_a_good_request(app: ServiceApp) -> None:
    """A well-formed request gets the declared status, its value as JSON, and the handler's headers."""
    reply = await ask(app, "POST", "/baskets", JSON, body=GOOD)
    assert (reply.status, reply.headers["content-type"], reply.headers["x-baskets"]) == (201, "application/json", "1")
    assert reply.json()["lines"] == [{"sku": "a", "quantity": 1}]
    assert reply.headers["content-length"] == str(len(reply.body))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"lines": []} x', "not JSON"),
        (b'{"note": "\xff\xfe"}', "UTF-8"),
        (b"[" * 100 + b"]" * 100, "nested"),
        (b'{"note": ' * 100000, "nested"),
    ],
)
async def test_a_body_that_cannot_be_read(app: ServiceApp, body: bytes, reason: str) -> None:
    """Malformed JSON, bad UTF-8 and deep nesting are 400 with the reason."""
    document = assert_problem(await ask(app, "POST", "/baskets", JSON, body=body), 400, "malformed")
    assert reason in document["reason"]


async def test_brackets_in_strings_are_no_nesting(app: ServiceApp) -> None:
    """A text full of brackets and quotes is a text."""
    note = json.dumps('["' * 100 + "\\" * 7)
    reply = await ask(app, "POST", "/baskets", JSON, body=b'{"lines": [], "note": %s}' % note.encode())
    assert reply.status == 201


async def test_several_wrong_fields(app: ServiceApp) -> None:
    """Every wrong field is named, in the body, the path, the query and the headers."""
    body = b'{"lines": [{"sku": "", "quantity": "x"}, {"quantity": 100}], "note": 1}'
    document = assert_problem(await ask(app, "POST", "/baskets", JSON, body=body), 422, "invalid")
    assert {error["path"] for error in document["errors"]} == {
        "body.lines[0].sku", "body.lines[0].quantity", "body.lines[1].sku", "body.lines[1].quantity", "body.note",
    }  # fmt: skip
    document = assert_problem(await ask(app, "GET", "/texts/x?colour=green&limit=0&exact=maybe"), 422, "invalid")
    assert {error["path"] for error in document["errors"]} == {
        "query.day",
        "query.colour",
        "query.limit",
        "query.exact",
    }
    document = assert_problem(await ask(app, "DELETE", "/baskets/seven"), 422, "invalid")
    assert [error["path"] for error in document["errors"]] == ["path.id"]
    document = assert_problem(await ask(app, "POST", "/raw", body=b"x"), 422, "invalid")
    assert [error["path"] for error in document["errors"]] == ["header.bank-signature"]


async def test_a_doubled_query_key(app: ServiceApp) -> None:
    """A key given twice is refused, unless it may be repeated."""
    document = assert_problem(
        await ask(app, "GET", "/texts/x?day=2030-01-01T00:00:00Z&limit=1&limit=2"), 422, "invalid"
    )
    assert [error["path"] for error in document["errors"]] == ["query.limit"]
    reply = await ask(app, "GET", "/texts/x?day=2030-01-01T00:00:00Z&tag=a&tag=b")
    assert reply.json()["texts"][3:5] == ["a", "b"]


@pytest.mark.parametrize("path", ["/texts/x?day=%ff", "/texts/%ff", "/texts/x?%c3=1"])
async def test_texts_that_are_not_utf8(app: ServiceApp, path: str) -> None:
    """A path or a query that is not UTF-8 is 400."""
    assert_problem(await ask(app, "GET", path), 400, "malformed")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/baskets/",
        "//baskets",
        "/texts",
        "/texts/a/b",
        "/texts/..",
        "/texts/%2e%2e",
        "/BASKETS",
        "/texts/",
    ],
)
async def test_unknown_routes(app: ServiceApp, path: str) -> None:
    """What is no route is 404, however near it comes."""
    assert_problem(await ask(app, "GET", path), 404, "not-found")


async def test_an_encoded_slash_stays_in_its_segment(app: ServiceApp) -> None:
    """%2F belongs to the parameter and makes no new segment."""
    reply = await ask(app, "GET", "/texts/a%2Fb?day=2030-01-01T00:00:00Z")
    assert reply.json()["texts"][0] == "a/b"


@pytest.mark.parametrize("method", ["PUT", "TRACE", "BREW", "CONNECT"])
async def test_wrong_methods(app: ServiceApp, method: str) -> None:
    """A method that the path does not know is 405 with Allow."""
    reply = await ask(app, method, f"/baskets/{ID}")
    assert_problem(reply, 405, "method-not-allowed")
    assert reply.headers["allow"] == "DELETE, OPTIONS, PATCH"


async def test_options(app: ServiceApp) -> None:
    """OPTIONS tells the methods."""
    reply = await ask(app, "OPTIONS", "/pages")
    assert (reply.status, reply.headers["allow"], reply.body) == (204, "GET, HEAD, OPTIONS", b"")


async def test_head(app: ServiceApp) -> None:
    """HEAD is GET without the body, with its length."""
    full, head = await ask(app, "GET", "/pages"), await ask(app, "HEAD", "/pages")
    assert (head.status, head.body, head.headers) == (200, b"", full.headers)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("content-type", "text/plain"),),
        (("content-type", "application/x-www-form-urlencoded"),),
        (("content-type", "application/json; charset=utf-16"),),
        (JSON, ("content-encoding", "gzip")),
    ],
)
async def test_media_types_that_are_not_understood(app: ServiceApp, headers: tuple[tuple[str, str], ...]) -> None:
    """A body that is not JSON in UTF-8, or compressed, is 415."""
    assert_problem(await ask(app, "POST", "/baskets", *headers, body=GOOD), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "value", ["application/json; charset=UTF-8", "Application/JSON", "application/merge-patch+json"]
)
async def test_media_types_that_are_json(app: ServiceApp, value: str) -> None:
    """JSON is known by any of its spellings."""
    assert (await ask(app, "POST", "/baskets", ("content-type", value), body=GOOD)).status == 201


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200), ("application/json", 200), ("text/html, application/*;q=0.1", 200), ("", 200),
        ("text/html", 406), ("application/json;q=0", 406), ("*/*, application/json;q=0.0", 406),
    ],
)  # fmt: skip
async def test_accept(app: ServiceApp, accept: str, status: int) -> None:
    """A client that takes no JSON is told what there is, before anything runs."""
    reply = await ask(app, "GET", "/pages", ("accept", accept))
    assert reply.status == status
    if status == 406:
        assert assert_problem(reply, 406, "not-acceptable")["available"] == ["application/json"]


@pytest.mark.parametrize("length", ["2000000", "9" * 30])
async def test_a_length_over_the_bound(app: ServiceApp, length: str) -> None:
    """A Content-Length over the bound is 413 before a byte is read."""
    document = assert_problem(
        await ask(app, "POST", "/baskets", JSON, ("content-length", length), leaves=True), 413, "body-too-large"
    )
    assert document["bytes_max"] == 1 << 20


async def test_a_body_that_grows_over_the_bound(app: ServiceApp) -> None:
    """A body without a length is counted as it comes."""
    assert_problem(await ask(app, "POST", "/baskets", JSON, body=[b"x" * 600_000] * 2), 413, "body-too-large")


async def test_a_client_that_leaves(app: ServiceApp) -> None:
    """A client that leaves in the middle of its body gets no answer, and nothing breaks."""
    assert (await ask(app, "POST", "/baskets", JSON, body=b'{"li', leaves=True)).status == 0


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer mallory", "ada"])
async def test_bad_tokens(app: ServiceApp, value: str) -> None:
    """A token that is not valid is 401 with the scheme, for public operations too."""
    for path in ("/me", "/pages"):
        reply = await ask(app, "GET", path, ("authorization", value))
        assert_problem(reply, 401, "unauthenticated")
        assert reply.headers["www-authenticate"] == "Bearer"


async def test_access_goes_before_validation(app: ServiceApp) -> None:
    """Who may not call learns nothing of what the operation takes."""
    assert_problem(await ask(app, "GET", "/inside"), 403, "forbidden")


async def test_an_event_stream(app: ServiceApp) -> None:
    """A stream is sent as server-sent events; a failure in the middle is an event of its own."""
    reply = await ask(app, "GET", "/count/2")
    assert reply.headers["content-type"] == "text/event-stream"
    events = reply.body.decode().split("\n\n")
    assert events[0] == 'data: {"sku":"s1","quantity":1}'
    assert events[2].startswith('event: problem\ndata: {"type":"urn:partita:problem:out-of-stock"')


async def test_a_stream_that_fails_at_once_has_its_status(app: ServiceApp) -> None:
    """A problem before the first item is an ordinary answer."""
    assert_problem(await ask(app, "GET", "/count/0"), 409, "out-of-stock")


async def test_a_cookie_is_read(app: ServiceApp) -> None:
    """A cookie among others is found; the first of a name counts."""
    reply = await ask(app, "GET", "/texts/x?day=2030-01-01T00:00:00Z", ("cookie", 'a=1; guest="g7"; guest=late'))
    assert reply.json()["texts"][-1] == "g7"


async def test_a_failure_tells_nothing(app: ServiceApp, caplog: pytest.LogCaptureFixture) -> None:
    """A crash is a bare 500: its cause is in the log and not in the answer."""
    reply = await ask(app, "POST", "/fail?how=crash")
    assert_problem(reply, 500, "internal")
    assert b"secret cause" not in reply.body
    assert "the secret cause" in caplog.text


async def test_public_only_hides_what_is_internal(app: ServiceApp) -> None:
    """Where only public operations are served, an internal one is as unknown as any other path."""
    public = ServiceApp(ours.endpoints_of(ours.ThingsService()).values(), identify=ours.identify, public_only=True)
    assert_problem(await ask(public, "GET", "/inside", ("partita-caller", "orders")), 404, "not-found")
    assert (await ask(public, "GET", "/pages", ("partita-caller", "orders"))).status == 200


@pytest.mark.parametrize(
    ("error", "status", "code", "executed"),
    [
        (DatabaseUnavailable("no connection"), 503, "busy", False),
        (Contended("too often"), 503, "contended", False),
        (CommitUnknown("lost"), 500, "commit-unknown", True),
        (BlockingFull("every thread"), 503, "busy", False),
        (TimeoutError(), 504, "deadline-exceeded", True),
        (
            Unavailable("x", service="bank", operation="pay", may_have_executed=False),
            503,
            "dependency-unavailable",
            False,
        ),
        (ConnectionLost("x", **BANK, may_have_executed=True), 502, "dependency-failed", True),
    ],
)
def test_failures_that_have_a_meaning(error: Exception, status: int, code: str, executed: bool) -> None:
    """Each failure of what a handler stands on has its status, and says whether the work may have been done."""
    operation = compiled(ours.Things).operations["buy"]
    answer = answer_failure(operation, error, None)
    document = json.loads(answer.body)
    assert (answer.status, document["type"].rpartition(":")[2], document["may_have_executed"]) == (
        status,
        code,
        executed,
    )
    assert (status == 503) == any(name == "retry-after" for name, _ in answer.headers)
