"""How the client words its errors: who was called, where, and what happened."""

from __future__ import annotations

from typing import TypeVar

from partita.core.errors import CallFailed
from partita.ports.transport import Request

__all__ = ["failure"]

F = TypeVar("F", bound=CallFailed)


def failure(kind: type[F], request: Request, address: str, text: str, *, sent: bool) -> F:
    """An error of ``request``. A request that was sent may have been executed, unless it is safe."""
    return kind(
        f"{request.service}.{request.operation} at {address}: {text}.",
        service=request.service,
        operation=request.operation,
        may_have_executed=sent and not request.safe,
    )
