"""What the gateway answers by itself, and what it passes through as it comes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from partita.contract.problem import Problem
from partita.contract.problems import MethodNotAllowed, NotFound, Unauthenticated
from partita.contract.wire import encode_problem

WAIT_S = 10.0


def check(reply: Any, status: int, code: str) -> Any:
    """The document of a problem with that status and code."""
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    document = reply.json
    assert (document["status"], document["type"].rpartition(":")[2]) == (status, code)
    assert document["title"]
    return document


@pytest.mark.parametrize(
    ("method", "path", "problem"),
    [("GET", "/nothing", NotFound()), ("POST", "/products", MethodNotAllowed()), ("GET", "/mine", Unauthenticated())],
)
def test_the_gateway_answers_like_a_service(gateway: Any, method: str, path: str, problem: Problem) -> None:
    """A problem of the gateway has the type, title and status that a service gives to the same one."""
    document = gateway.ask(method, path).json
    same = json.loads(encode_problem(problem))
    assert {name: document[name] for name in ("type", "title", "status")} == {
        name: same[name] for name in ("type", "title", "status")
    }


def test_a_service_without_replicas_is_unavailable(gateway: Any) -> None:
    """503 at once, with the time to come back, and the certainty that nothing was executed."""
    reply = gateway.ask("GET", "/nowhere")
    document = check(reply, 503, "unavailable")
    assert (document["may_have_executed"], reply.headers["retry-after"]) == (False, "1")


def test_an_answer_that_is_cut_off_may_have_been_executed(gateway: Any) -> None:
    """A write whose connection breaks is sent once, and answered 502: it may have been executed."""
    document = check(gateway.ask("POST", "/cut", body=b"{}"), 502, "connection-lost")
    assert document["may_have_executed"] is True
    assert gateway.services["catalog"].attempts == 1


def test_a_read_that_is_cut_off_is_tried_again(gateway: Any) -> None:
    """A read whose connection breaks is sent three times in all."""
    check(gateway.ask("GET", "/cut"), 502, "connection-lost")
    assert gateway.services["catalog"].attempts == 3


def test_a_service_that_does_not_answer_is_given_up(gateway: Any) -> None:
    """504 soon after the operation's own deadline."""
    before = time.monotonic()
    document = check(gateway.ask("GET", "/slow"), 504, "deadline-exceeded")
    assert document["may_have_executed"] is True
    assert time.monotonic() - before < WAIT_S / 2


@pytest.mark.parametrize("path", ["/products/%2f", "/products/%5c", "/products/%00"])
def test_a_path_that_cannot_be_read_is_malformed(gateway: Any, path: str) -> None:
    """400, with Envoy's word for what is wrong."""
    assert check(gateway.ask("GET", path), 400, "malformed")["reason"]


def test_headers_have_a_bound(gateway: Any) -> None:
    """Headers of more than 16 KiB, a URL included, and more than 100 of them are answered 431."""
    assert gateway.ask("GET", "/products", {"x-a": "a" * 8_000, "x-b": "b" * 7_000}).status == 200
    for path, headers in (
        ("/products", {"x-a": "a" * 17_000}),
        (f"/products?{'q' * 17_000}", {}),
        ("/products", {f"x-{number}": "1" for number in range(100)}),
    ):
        check(gateway.ask("GET", path, headers), 431, "head-too-large")


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("NONSENSE\r\n\r\n", 400),
        ("GET /products HTTP/1.0\r\nhost: a\r\n\r\n", 426),
        ("GET /products HTTP/3.0\r\nhost: a\r\n\r\n", 426),
        ("BREW /products HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET products HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused(gateway: Any, request_text: str, status: int) -> None:
    """A request that HTTP/1.1 does not know is refused with a problem document, and the connection ends."""
    reply = gateway.raw(request_text.encode())
    assert (reply.status, reply.headers["connection"]) == (status, "close")
    assert gateway.services["catalog"].seen == []


def test_a_stream_passes_as_it_comes(gateway: Any) -> None:
    """An event is at the client while the service has not sent the next one, and no timeout cuts the stream."""
    with gateway.connect() as connection:
        connection.sendall(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n")
        received = b""
        while b"data: first\n\n" not in received:
            received += connection.recv(4096)
        assert b"text/event-stream" in received
        assert b"second" not in received
        gateway.services["catalog"].release.set()
        while b"data: second\n\n" not in received:
            received += connection.recv(4096)


def test_an_upload_is_not_kept_back(gateway: Any) -> None:
    """The service reads the beginning of a large body before the client has sent its end."""
    size = 8 << 20
    with gateway.connect() as connection:
        connection.sendall(f"POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n".encode())
        connection.sendall(b"a" * 2000)
        assert gateway.services["catalog"].release.wait(WAIT_S)
        connection.sendall(b"b" * (size - 2000))
        received = b""
        while b"body_bytes" not in received:
            received += connection.recv(4096)
        assert f'{{"body_bytes": {size}}}'.encode() in received


def test_the_service_says_whether_it_wants_a_body(gateway: Any) -> None:
    """``Expect: 100-continue`` is answered by the service, before the body is sent."""
    for path, first in ((b"/cart", b"HTTP/1.1 100 Continue"), (b"/unwanted", b"HTTP/1.1 417 Expectation Failed")):
        with gateway.connect() as connection:
            connection.sendall(
                b"POST %b HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n" % path
            )
            assert connection.recv(4096).startswith(first)
            if path == b"/cart":
                connection.sendall(b"{}")
                assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_the_answer_names_no_program(gateway: Any) -> None:
    """Neither Envoy's name nor its timings are shown."""
    reply = gateway.ask("GET", "/products")
    assert reply.headers["server"] == "partita"
    assert not [name for name in reply.headers if name.startswith("x-envoy")]
