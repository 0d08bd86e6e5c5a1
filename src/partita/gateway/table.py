"""Routes to Envoy's route table: which requests reach which service, and how long and how often they are tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partita.contract.problems import MethodNotAllowed
from partita.contract.wire import encode_problem
from partita.gateway.routes import Access, Document, JwtRule, Resource, Route, resources
from partita.gateway.tokens import requirement
from partita.gateway.xds import extension, header, typed

__all__ = ["ROUTES", "SAFE", "route_table"]

ROUTES = "routes"

# The service answers 504 at its own deadline; only a service that cannot even do that meets the gateway's.
SLACK_S = 0.5
IDLE_S_MIN = 30.0
STREAM_IDLE_S = 300.0
RETRIES = 2
DOCUMENT_BYTES_MIN = 4096  # Envoy's own bound on what it answers by itself
SAFE = ("GET", "HEAD", "OPTIONS")


def route_table(
    routes: Sequence[Route], rules: Sequence[JwtRule], documents: Sequence[Document] = ()
) -> dict[str, Any]:
    """The ``RouteConfiguration``. Every request that no route fits is answered 404, or 405 where its path is known."""
    entries = [entry for resource in resources(routes) for entry in _resource(resource, bool(rules))]
    entries += [entry for document in documents for entry in _document(document)]
    entries.append({"match": {"prefix": "/"}, "direct_response": {"status": 404}})
    return typed(
        "config.route.v3.RouteConfiguration",
        name=ROUTES,
        max_direct_response_body_size_bytes=max([DOCUMENT_BYTES_MIN, *(len(each.body) for each in documents)]),
        virtual_hosts=[{"name": "all", "domains": ["*"], "routes": entries}],
        # What Envoy found out about the client; the client's address is in x-forwarded-for.
        request_headers_to_remove=["x-envoy-external-address", "x-envoy-internal"],
        # A route may name a cluster that is still on its way (files are read one after the other).
        validate_clusters=False,
    )


def _document(document: Document) -> list[dict[str, Any]]:
    allowed = ("GET", "HEAD", "OPTIONS")
    body = {"inline_string": document.body.decode()}
    answers = {"GET": {"status": 200, "body": body}, "HEAD": {"status": 200, "body": body}, "OPTIONS": {"status": 204}}
    entries: list[dict[str, Any]] = [
        {
            "match": {
                "path": document.path,
                "headers": [{"name": ":method", "string_match": {"exact": method}}],
            },
            "direct_response": answers[method],
        }
        for method in allowed
    ]
    entries[-1]["response_headers_to_add"] = [header("allow", ", ".join(allowed))]
    return [*entries, _not_allowed({"path": document.path}, allowed)]


def _not_allowed(match: dict[str, Any], allowed: Sequence[str]) -> dict[str, Any]:
    body = encode_problem(MethodNotAllowed(allowed=tuple(allowed))).decode()
    return {
        "match": match,
        "direct_response": {"status": 405, "body": {"inline_string": body}},
        "response_headers_to_add": [header("allow", ", ".join(allowed))],
    }


def _resource(resource: Resource, tokens: bool) -> list[dict[str, Any]]:
    entries = []
    for route in resource.routes:
        entries.append(_entry(resource, route, [route.method], route.access, tokens))
        if route.method == "GET":
            entries.append(_entry(resource, route, ["HEAD"], route.access, tokens))
    # Any of the services that share a path can say what the path allows; no token is needed for that.
    entries.append(_entry(resource, resource.routes[0], ["OPTIONS"], "public", tokens))
    entries.append(_not_allowed(_match(resource), resource.allowed))
    return entries


def _entry(resource: Resource, route: Route, methods: list[str], access: Access, tokens: bool) -> dict[str, Any]:
    method = methods[0]
    entry: dict[str, Any] = {
        "name": route.name,
        "match": {
            **_match(resource),
            "headers": [{"name": ":method", "string_match": {"exact": method}}],
        },
    }
    if tokens:
        entry["typed_per_filter_config"] = requirement(access)
    elif access == "token":
        # Nobody's tokens are trusted, so that no request can pass.
        return {**entry, "direct_response": {"status": 401}}
    entry["route"] = _action(route, method)
    if method not in SAFE:
        # So that a client's second try, and the gateway's, can be told from a second order.
        entry["request_headers_to_add"] = [header("idempotency-key", "%REQ(X-REQUEST-ID)%", "ADD_IF_ABSENT")]
    return entry


def _match(resource: Resource) -> dict[str, Any]:
    if resource.is_exact:
        return {"path": resource.path}
    return {"safe_regex": {"regex": resource.regex}}


def _action(route: Route, method: str) -> dict[str, Any]:
    """Where to send, until when, and what is tried again."""
    timeout_s = 0.0 if route.stream else route.timeout_s + SLACK_S
    idle_s = STREAM_IDLE_S if route.stream else max(IDLE_S_MIN, 2 * timeout_s)
    # What was certainly not sent is sent again for every method. What may have been executed is sent again only
    # where that changes nothing, since a service may answer a repeated write with a conflict.
    conditions = ["connect-failure", "refused-stream", "reset-before-request"]
    if method in SAFE and not route.stream:
        conditions.append("reset")
    return {
        "cluster": route.service,
        "timeout": f"{timeout_s}s",
        "idle_timeout": f"{idle_s}s",
        "retry_policy": {
            "retry_on": ",".join(conditions),
            "num_retries": RETRIES,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
            "retry_host_predicate": [
                extension(
                    "retry_host_predicates.previous_hosts",
                    "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                )
            ],
            "host_selection_retry_max_attempts": 3,
        },
    }
