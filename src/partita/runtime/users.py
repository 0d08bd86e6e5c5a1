"""Fetches the keys of whoever vouches for users."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from partita.contract.problems import Busy
from partita.core.call import Invocation
from partita.core.errors import CallFailed
from partita.identity.tokens import KeySet, UserTokens, keys_of
from partita.ports.transport import Request, Transport
from partita.rpc.arguments import Arguments
from partita.rpc.endpoint import Endpoint
from partita.runtime.plan import UsersPlan

__all__ = ["tokens_from_endpoint", "tokens_from_transport"]

FETCH_TIMEOUT_S = 2.0


def tokens_from_transport(plan: UsersPlan, transport: Transport) -> UserTokens:
    """A verifier whose keys come over the wire."""

    async def fetch() -> tuple[int, bytes]:
        request = Request(
            service=plan.service,
            operation="keys",
            method="GET",
            target=plan.path,
            deadline=time.monotonic() + FETCH_TIMEOUT_S,
            safe=True,
        )
        response = await transport.send(request)
        return response.status, response.body

    return _tokens(plan, fetch)


def tokens_from_endpoint(plan: UsersPlan, find: Callable[[], Endpoint | None]) -> UserTokens:
    """A verifier whose keys come from a service in this process."""

    async def fetch() -> tuple[int, bytes]:
        endpoint = find()
        if endpoint is None:
            return 503, b""
        answer = await endpoint(Invocation(plan.service, endpoint.operation.name), Arguments())
        return answer.status, answer.body

    return _tokens(plan, fetch)


def _tokens(plan: UsersPlan, fetch: Callable[[], Awaitable[tuple[int, bytes]]]) -> UserTokens:
    async def keys() -> KeySet:
        try:
            status, body = await fetch()
            if status == 200:
                return keys_of(body)
            reason = f"answered {status}"
        except (CallFailed, ValueError) as error:
            reason = str(error)
        raise Busy(reason=f"the keys of {plan.service}, which vouches for users, cannot be had: {reason}")

    return UserTokens(issuer=plan.issuer, audience=plan.audience, keys=keys)
