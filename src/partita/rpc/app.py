"""The ASGI application of one service, or of several: compiled from their contracts."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from partita.contract.operation import Operation
from partita.contract.problem import Problem
from partita.contract.problems import MethodNotAllowed, NotFound, Unauthenticated
from partita.core.call import Invocation, User
from partita.core.trace import parse_traceparent
from partita.identity.rules import authorize
from partita.rpc import http, names
from partita.rpc.answer import Answer, answer_failure, answer_problem
from partita.rpc.arguments import Arguments, ReceivedUpload
from partita.rpc.endpoint import Endpoint
from partita.rpc.http import Receive, Scope, Send
from partita.rpc.routing import Found, Router
from partita.rpc.sending import send_answer
from partita.rpc.within import Within

__all__ = ["Identified", "Identify", "Page", "ServiceApp", "nobody"]

log = logging.getLogger("partita.rpc")

DEADLINE_MS_MAX = 3_600_000


class Identified:
    """Who makes a request: a user, a calling service, both, or nobody."""

    __slots__ = ("caller", "token", "user")

    def __init__(self, user: User | None = None, caller: str | None = None, token: str | None = None) -> None:
        self.user = user
        self.caller = caller
        self.token = token


class Identify(Protocol):
    """Reads and verifies the identities in a request's headers. Raises ``Unauthenticated``."""

    async def __call__(self, headers: Mapping[str, str]) -> Identified: ...


async def nobody(headers: Mapping[str, str]) -> Identified:
    """For applications without identities: a token cannot be verified, so it is refused."""
    if names.AUTHORIZATION in headers or names.CALLER in headers:
        raise Unauthenticated(reason="this service knows no tokens")
    return Identified()


Page = Callable[[], Awaitable[Answer]]


class ServiceApp:
    """Answers HTTP for endpoints.

    ``pages`` are answered besides them (``/healthz`` and the like, GET only). With ``public_only``, internal
    operations are not found and what only services may send is ignored, as at a gateway.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        *,
        identify: Identify = nobody,
        pages: Mapping[str, Page] | None = None,
        public_only: bool = False,
    ) -> None:
        chosen = [each for each in endpoints if not (public_only and each.operation.access.is_internal)]
        self._router: Router[Endpoint] = Router((each.operation, each) for each in chosen)
        self._identify = identify
        self._pages = dict(pages or {})
        self._public_only = public_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await _lifespan(receive, send)
            return
        head = scope["method"] == "HEAD"
        try:
            answer, endpoint, invocation = await self._answer(scope, receive)
        except http.ClientGoneError:
            return
        except Problem as problem:
            answer, endpoint, invocation = answer_problem(problem), None, None
        await send_answer(send, answer, endpoint, invocation, head=head)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Answer, Endpoint | None, Invocation | None]:
        raw_path = scope["raw_path"].decode("latin-1")
        page = self._pages.get(raw_path)
        if page is not None:
            if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                raise MethodNotAllowed(allowed=("GET", "HEAD", "OPTIONS"))
            answer = Answer(204, [("allow", "GET, HEAD, OPTIONS")]) if scope["method"] == "OPTIONS" else await page()
            return answer, None, None
        found = self._router.find(raw_path)
        if found is None:
            raise NotFound(what="" if self._public_only else f"no operation at {raw_path[:200]}")
        method = scope["method"]
        target = found.methods.get("GET" if method == "HEAD" else method)
        if target is None:
            if method == "OPTIONS":
                return Answer(204, [("allow", ", ".join(found.allowed()))]), None, None
            raise MethodNotAllowed(allowed=found.allowed())
        operation, endpoint = target
        headers = http.read_headers(scope["headers"])
        if self._public_only:
            headers.pop(names.CALLER, None)
            headers.pop(names.DEADLINE_MS, None)
        who = await self._identify(headers)
        authorize(operation.access, who.user, who.caller)
        http.check_accept(operation, headers.get("accept"))
        invocation = self._invocation(endpoint, operation, headers, who)
        arguments = await self._arguments(operation, found, scope, headers, receive, invocation)
        if arguments is None:
            return answer_failure(operation, TimeoutError(), invocation), None, None
        return await endpoint(invocation, arguments), endpoint, invocation

    @staticmethod
    def _invocation(endpoint: Endpoint, operation: Operation, headers: dict[str, str], who: Identified) -> Invocation:
        deadline = float("inf")
        if operation.kind != "stream":
            timeout_s = operation.timeout_s
            told = headers.get(names.DEADLINE_MS)
            if told is not None and told.isascii() and told.isdigit() and len(told) < 9:
                timeout_s = min(timeout_s, int(told) / 1000)
            deadline = time.monotonic() + timeout_s
        received = parse_traceparent(headers.get(names.TRACEPARENT), headers.get(names.TRACESTATE))
        return Invocation(
            endpoint.service,
            operation.name,
            deadline=deadline,
            trace=received.child() if received is not None else None,
            user=who.user,
            caller=who.caller,
            token=who.token,
            key=headers.get(names.IDEMPOTENCY_KEY),
            headers=headers,
        )

    async def _arguments(
        self,
        operation: Operation,
        found: Found[Endpoint],
        scope: Scope,
        headers: dict[str, str],
        receive: Receive,
        invocation: Invocation,
    ) -> Arguments | None:
        """Everything that travelled; ``None`` when the deadline passed while the body came."""
        arguments = Arguments()
        if found.texts:
            arguments.path = found.arguments(operation)
        if scope["query_string"]:
            arguments.query = http.read_query(scope["query_string"])
        arguments.headers = headers
        if operation.by_place["cookie"]:
            arguments.cookies = http.read_cookies(headers.get("cookie"))
        body = operation.body
        if body is None:
            return arguments
        arguments.content_type = headers.get("content-type", "")
        http.check_encoding(headers)
        size = http.body_size(headers, operation.body_bytes_max)
        if body.place == "upload":
            chunks = http.body_chunks(receive, operation.body_bytes_max)
            arguments.body = ReceivedUpload(chunks, arguments.content_type, size)
            return arguments
        try:
            with Within(max(0.0, invocation.remaining_s())):
                arguments.body = await http.read_body(receive, operation.body_bytes_max)
        except TimeoutError:
            return None
        return arguments


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
