"""The channel inside one process: arguments and answers are encoded, validated and decoded as on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from partita.contract.operation import Operation
from partita.contract.parameters import Download
from partita.contract.problems import BodyTooLarge
from partita.core.call import Invocation, User
from partita.core.errors import Unavailable
from partita.rpc.answer import Answer, answer_problem, raise_failure
from partita.rpc.arguments import Arguments, ReceivedUpload
from partita.rpc.endpoint import Endpoint
from partita.rpc.outgoing import Outgoing, outgoing
from partita.rpc.pump import END, pumped
from partita.rpc.receiving import decode_item, decode_result

__all__ = ["LocalChannel", "bounded"]


class LocalChannel:
    """Calls the endpoints of a service in this process.

    ``endpoints`` gives the endpoint of an operation's name, or ``None`` while the service is not there. ``caller`` is
    the calling service's name, ``None`` for a caller from outside, who then acts for ``user``.
    """

    def __init__(
        self,
        endpoints: Callable[[str], Endpoint | None],
        *,
        caller: str | None = None,
        user: User | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._caller = caller
        self._user = user

    async def call(self, operation: Operation, arguments: Arguments) -> Any:
        """Make one call."""
        endpoint = self._endpoint(operation)
        invocation = self._invocation(operation, arguments, outgoing(operation))
        answer = self._check_body(operation, arguments) or await endpoint(invocation, arguments)
        if answer.download is not None and 200 <= answer.status <= 299:
            return _received(answer, answer.download)
        return decode_result(operation, answer.status, dict(answer.headers), answer.body)

    async def stream(self, operation: Operation, arguments: Arguments) -> AsyncIterator[Any]:
        """Make one call whose answer is a stream."""
        endpoint = self._endpoint(operation)
        invocation = self._invocation(operation, arguments, outgoing(operation))
        answer = await endpoint(invocation, arguments)
        if answer.stream is None:
            raise_failure(operation, answer.status, dict(answer.headers), answer.body)
        async with pumped(answer.stream) as queue:
            while (item := await queue.get()) is not END:
                if isinstance(item, Exception):
                    failure = endpoint.failure(item, invocation)
                    raise_failure(operation, failure.status, dict(failure.headers), failure.body)
                yield decode_item(operation, item)

    def _endpoint(self, operation: Operation) -> Endpoint:
        endpoint = self._endpoints(operation.name)
        if endpoint is None:
            raise Unavailable(
                f"{operation.full_name}: the service {operation.contract} does not run in this process",
                service=operation.contract,
                operation=operation.name,
                may_have_executed=False,
            )
        return endpoint

    def _invocation(self, operation: Operation, arguments: Arguments, context: Outgoing) -> Invocation:
        parent = context.parent
        headers = arguments.headers
        return Invocation(
            operation.contract,
            operation.name,
            deadline=context.deadline,
            trace=context.trace,
            user=parent.user if parent is not None and self._caller is not None else self._user,
            token=parent.token if parent is not None else None,
            caller=self._caller,
            key=context.key,
            headers=headers,
        )

    @staticmethod
    def _check_body(operation: Operation, arguments: Arguments) -> Answer | None:
        """The bounds that the wire would keep."""
        if operation.body is not None and operation.body.place == "upload":
            upload: Any = arguments.body
            chunks = bounded(upload.chunks(), operation.body_bytes_max)
            arguments.body = ReceivedUpload(chunks, upload.content_type, upload.size)
        elif len(arguments.body) > operation.body_bytes_max:
            return answer_problem(BodyTooLarge(bytes_max=operation.body_bytes_max))
        return None


async def bounded(chunks: AsyncIterator[bytes], bytes_max: int) -> AsyncIterator[bytes]:
    """The chunks, until they are more than ``bytes_max`` bytes: then ``BodyTooLarge``."""
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > bytes_max:
            raise BodyTooLarge(bytes_max=bytes_max)
        yield chunk


def _received(answer: Answer, download: Download) -> Download:
    headers = dict(answer.headers)
    return Download(
        download.chunks,
        content_type=download.content_type,
        filename=download.filename,
        size=download.size,
        headers=headers,
    )
