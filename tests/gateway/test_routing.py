"""Which requests reach which service, seen by the services."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/products", "catalog"),
        ("/products?limit=3&next=%2Fa", "catalog"),
        ("/products/sku-1", "catalog"),
        ("/products/caf%C3%A9", "catalog"),
        ("/products/search", "search"),
        ("/products/search?q=tea", "search"),
        ("/products/search/reviews/1", "search"),
        ("/marks/~!$&'()*+,;=:@-._", "catalog"),
        (
            "/a-path-with-a-name-of-more-than-a-hundred-characters/for-which-no-regular-expression/is-too-long/1",
            "catalog",
        ),
    ],
)
def test_a_declared_path_reaches_its_service(gateway: Any, path: str, service: str) -> None:
    """A request goes to the service of the most specific path, with its target as it was sent."""
    reply = gateway.ask("GET", path)
    assert (reply.status, reply.json["service"], reply.json["path"]) == (200, service, path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/product",
        "/products/",
        "/products/1/",
        "/products/1/reviews",
        "/Products",
        "/products/1/reviews/2/3",
        "/openapi.json",
    ],
)
def test_an_undeclared_path_is_not_found(gateway: Any, path: str) -> None:
    """What no route declares is answered 404 by the gateway, as a problem document."""
    reply = gateway.ask("GET", path)
    assert (reply.status, reply.headers["content-type"]) == (404, "application/problem+json")
    assert reply.json["type"].endswith(":not-found")


@pytest.mark.parametrize("method", ["POST", "DELETE", "TRACE", "get"])
def test_an_undeclared_method_is_refused(gateway: Any, method: str) -> None:
    """A known path answers 405 to another method, with what it allows, and no service hears of it."""
    reply = gateway.ask(method, "/products/1")
    assert reply.status in ({405} if method.isupper() else {400, 405})
    if reply.status == 405:
        assert reply.headers["allow"] == "GET, HEAD, OPTIONS, PUT"
        assert reply.json["type"].endswith(":method-not-allowed")
    assert gateway.services["catalog"].seen == []


def test_methods_of_one_path_may_belong_to_two_services(gateway: Any) -> None:
    """GET and POST on the same path go to different services, and both are allowed."""
    assert gateway.ask("GET", "/cart").json["service"] == "search"
    assert gateway.ask("POST", "/cart", body=b"{}").json["service"] == "catalog"
    assert gateway.ask("PUT", "/cart").headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_the_most_specific_path_decides_about_the_method(gateway: Any) -> None:
    """PUT on /products/search is 405, though /products/{sku} knows PUT: that is how a service's router sees it."""
    assert gateway.ask("PUT", "/products/search").status == 405


def test_head_and_options_reach_the_service(gateway: Any) -> None:
    """HEAD goes where GET goes; OPTIONS goes to the path's service, even where GET needs a token."""
    assert gateway.ask("HEAD", "/products").status == 200
    assert gateway.ask("OPTIONS", "/mine").json["method"] == "OPTIONS"
    assert gateway.ask("HEAD", "/mine").status == 401
    assert gateway.services["catalog"].seen == ["HEAD /products", "OPTIONS /mine"]


TRICKS = [
    "//internal",
    "/./internal",
    "/products/../internal",
    "/products/%2e%2e/internal",
    "/products/..;/internal",
    "/products/..%2finternal",
    "/products/..%5cinternal",
    "/products/..\\internal",
    "/products/%252e%252e/internal",
    "/%69nternal",
    "/%2finternal",
    "/INTERNAL",
    "/internal%00",
    "/internal;x=1",
    "/internal?x=/products",
    "/internal#/products",
    "/internal%23/products",
    "/internal%20",
    "/internal.",
    "/%e2%80%ae/internal",
    "/%c0%af/internal",
    "http://shop.test/internal",
    "http://shop.test//internal",
    "HTTP://SHOP.TEST/internal",
]


@pytest.mark.parametrize("target", TRICKS)
def test_no_spelling_reaches_an_internal_path(gateway: Any, target: str) -> None:
    """However /internal is spelt, it reaches no service; what does arrive is a parameter of a declared route."""
    reply = gateway.ask("GET", target)
    seen = [line for service in gateway.services.values() for line in service.seen]
    assert reply.status in (400, 404)
    assert seen == []


@pytest.mark.parametrize(
    "name", ["x-original-url", "x-rewrite-url", "x-original-path", "x-http-method-override", "x-envoy-original-path"]
)
def test_no_header_changes_the_target(gateway: Any, name: str) -> None:
    """Headers by which some servers change the path or the method are neither obeyed nor handed on."""
    reply = gateway.ask("GET", "/products", {name: "/internal"})
    assert (reply.status, reply.json["path"], reply.json["method"]) == (200, "/products", "GET")
    assert name not in reply.told


def test_an_encoded_letter_is_the_letter(gateway: Any) -> None:
    """The service sees the spelling that was matched, so that the two cannot disagree."""
    reply = gateway.ask("GET", "/%70roducts/%73earch")
    assert (reply.json["service"], reply.json["path"]) == ("search", "/products/search")


@pytest.mark.parametrize(
    "head",
    [
        "POST /cart HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST /cart HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 44\r\n\r\n",
        "POST /cart HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n",
        "POST /cart HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n",
        "POST /cart HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n",
        "POST /cart HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\n",
        "POST /cart HTTP/1.1\r\ncontent-length: 4\r\n\r\n",
        "GET /products HTTP/1.1\r\nhost: a\r\nx_y: 1\r\n\r\n",
        "GET /products HTTP/1.1\r\nhost: a\r\nx: a\x00b\r\n\r\n",
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_refused(gateway: Any, head: str) -> None:
    """What could smuggle a second request past the gateway is answered 400 or 501, and no hidden request arrives."""
    reply = gateway.raw(head.encode("latin-1") + b"0\r\n\r\nGET /internal HTTP/1.1\r\nhost: a\r\n\r\n")
    seen = [line for service in gateway.services.values() for line in service.seen]
    assert (reply.status, seen) in [(400, []), (501, [])]


@pytest.mark.parametrize(
    "head",
    [
        "GET /products HTTP/1.1\r\nhost: a\r\nhost: b\r\n",
        "GET /products HTTP/1.1\r\nhost: a\r\nx: a\r\n host: b\r\n",
        "GET  /products HTTP/1.1\r\nhost: a\r\n",
        "GET /products HTTP/1.1\nhost: a\r\n",
    ],
)
def test_what_is_read_leniently_is_handed_on_strictly(gateway: Any, head: str) -> None:
    """Where Envoy accepts what the RFC discourages, the service still sees one line, one host and one path."""
    reply = gateway.raw(f"{head}\r\n".encode())
    assert reply.status == 200
    assert len(reply.told["host"]) == 1
    assert gateway.services["catalog"].seen == ["GET /products"]


def test_headers_of_the_platform_are_stripped(gateway: Any) -> None:
    """A client cannot pose as a service, choose a deadline, its address, the request's id or Envoy's settings."""
    forged = {
        "Partita-Caller": "orders",
        "partita-deadline-ms": "1",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=203.0.113.9",
        "X-Real-IP": "203.0.113.9",
        "X-Envoy-Upstream-Rq-Timeout-Ms": "1",
        "X-Envoy-Retry-On": "5xx",
        "X-Request-Id": "mine",
    }
    told = gateway.ask("GET", "/products", forged).told
    assert not [name for name in told if name.startswith(("partita-", "x-envoy-"))]
    assert not {"forwarded", "x-real-ip", "x-forwarded-host"} & set(told)
    assert "203.0.113.9" not in "".join(told["x-forwarded-for"])
    assert told["x-forwarded-proto"] == ["http"]
    assert told["x-request-id"] != ["mine"]


def test_headers_of_the_client_are_kept(gateway: Any, auth: Any) -> None:
    """The token, the trace and the idempotency key reach the service as they were sent."""
    sent = {
        "authorization": f"Bearer {auth.token()}",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "a=b",
        "idempotency-key": "the-clients",
        "accept-language": "de",
        "cookie": "a=1; b=2",
    }
    told = gateway.ask("POST", "/cart", sent, b"{}").told
    assert {name: told[name] for name in sent} == {name: [value] for name, value in sent.items()}


def test_a_missing_idempotency_key_is_the_requests_id(gateway: Any) -> None:
    """A write without a key gets the request's id for one, which the client is told; a read gets none."""
    reply = gateway.ask("POST", "/cart", body=b"{}")
    assert reply.told["idempotency-key"] == reply.told["x-request-id"] == [reply.headers["x-request-id"]]
    assert "idempotency-key" not in gateway.ask("GET", "/products").told


def test_an_offer_to_change_the_protocol_is_ignored(gateway: Any) -> None:
    """An Upgrade is answered as if it were not there."""
    for protocol in ("websocket", "h2c", "anything"):
        reply = gateway.raw(
            f"GET /products HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n".encode()
        )
        assert reply.status == 200
        assert "upgrade" not in reply.told
