"""The channel over a transport: REST as in the contract."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

from partita.contract.operation import Operation
from partita.contract.parameters import Download
from partita.core.call import NO_DEADLINE
from partita.ports.transport import Request, Response, StreamedResponse, Transport
from partita.rpc import names
from partita.rpc.answer import raise_failure
from partita.rpc.arguments import Arguments
from partita.rpc.outgoing import STREAM_TIMEOUT_S, Outgoing, outgoing
from partita.rpc.receiving import decode_result, read_events

__all__ = ["WireChannel"]


class WireChannel:
    """Calls a service over ``transport``.

    ``service_token`` gives the token that names the calling service to the callee, or ``None`` outside of a system;
    ``user_token`` is a user's token for calls that no handler makes (inside a handler, its user's is handed on).
    """

    def __init__(
        self,
        transport: Transport,
        *,
        service_token: Callable[[], str | None] = lambda: None,
        user_token: str | None = None,
    ) -> None:
        self._transport = transport
        self._service_token = service_token
        self._user_token = user_token

    async def call(self, operation: Operation, arguments: Arguments) -> Any:
        """Make one call."""
        request = self._request(operation, arguments, outgoing(operation))
        if operation.kind == "download":
            return await self._download(operation, request)
        response: Response = await self._transport.send(request)
        return decode_result(operation, response.status, response.headers, response.body)

    async def stream(self, operation: Operation, arguments: Arguments) -> AsyncIterator[Any]:
        """Make one call whose answer is a stream."""
        request = self._request(operation, arguments, outgoing(operation))
        async with self._transport.stream(request) as response:
            if not 200 <= response.status <= 299:
                raise_failure(operation, response.status, response.headers, await response.read())
            async for item in read_events(operation, response.chunks()):
                yield item

    async def _download(self, operation: Operation, request: Request) -> Download:
        opened = self._transport.stream(request)
        response = await opened.__aenter__()
        try:
            if not 200 <= response.status <= 299:
                raise_failure(operation, response.status, response.headers, await response.read())
        except BaseException as error:
            await opened.__aexit__(type(error), error, error.__traceback__)
            raise
        return _received(response, opened)

    def _request(self, operation: Operation, arguments: Arguments, context: Outgoing) -> Request:
        target = operation.format_path(dict(arguments.path)) if arguments.path else operation.path
        if arguments.query:
            target += "?" + "&".join(
                f"{quote(name, safe='')}={quote(text, safe='')}"
                for name, texts in arguments.query.items()
                for text in texts
            )
        headers = self._headers(context)
        headers.extend(arguments.headers.items())
        if arguments.cookies:
            headers.append(("cookie", "; ".join(f"{name}={text}" for name, text in arguments.cookies.items())))
        if arguments.content_type:
            headers.append(("content-type", arguments.content_type))
        body = arguments.body
        return Request(
            service=operation.contract,
            operation=operation.name,
            method=operation.method,
            target=target,
            headers=headers,
            body=body if isinstance(body, bytes) else body.chunks(),
            deadline=context.deadline,
            safe=operation.safe,
        )

    def _headers(self, context: Outgoing) -> list[tuple[str, str]]:
        headers = [(names.TRACEPARENT, context.trace.traceparent())]
        if context.trace.state:
            headers.append((names.TRACESTATE, context.trace.state))
        remaining_s = STREAM_TIMEOUT_S if context.deadline == NO_DEADLINE else context.deadline - time.monotonic()
        if context.deadline != NO_DEADLINE:
            headers.append((names.DEADLINE_MS, str(max(1, int(remaining_s * 1000)))))
        token = context.parent.token if context.parent is not None else self._user_token
        if token is not None:
            headers.append((names.AUTHORIZATION, f"Bearer {token}"))
        caller = self._service_token()
        if caller is not None:
            headers.append((names.CALLER, caller))
        if context.key is not None:
            headers.append((names.IDEMPOTENCY_KEY, context.key))
        return headers


def _received(response: StreamedResponse, opened: Any) -> Download:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            async for chunk in response.chunks():
                yield chunk
        finally:
            await opened.__aexit__(None, None, None)

    size = response.headers.get("content-length")
    return Download(
        chunks(),
        content_type=response.headers.get("content-type", ""),
        size=int(size) if size is not None and size.isdigit() else None,
        headers=dict(response.headers),
    )
