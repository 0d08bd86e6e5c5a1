"""What a call takes along: deadline, trace, identity, idempotency key; and the bound on calls in flight."""

from __future__ import annotations

import os
import time

from partita.contract.operation import Operation
from partita.core.call import NO_DEADLINE, Invocation, current_invocation, refuse_call_in_transaction
from partita.core.errors import DeadlineExceeded
from partita.core.trace import TraceContext, new_trace

__all__ = ["Outgoing", "outgoing"]

STREAM_TIMEOUT_S = 30.0


class Outgoing:
    """The context of one call that is about to be sent. ``deadline`` is in seconds of ``time.monotonic()``."""

    __slots__ = ("deadline", "key", "parent", "trace")

    def __init__(self, deadline: float, trace: TraceContext, key: str | None, parent: Invocation | None) -> None:
        self.deadline = deadline
        self.trace = trace
        self.key = key
        self.parent = parent


def outgoing(operation: Operation) -> Outgoing:
    """Make the context of a call from where it is made.

    Raises ``CallInsideTransaction`` where a transaction is open, and ``DeadlineExceeded`` where no time is left.
    """
    refuse_call_in_transaction(operation.full_name)
    parent = current_invocation()
    now = time.monotonic()
    deadline = now + operation.timeout_s if operation.kind != "stream" else NO_DEADLINE
    if parent is None:
        key = None if operation.safe else os.urandom(16).hex()
        return Outgoing(deadline, new_trace(), key, None)
    if parent.deadline < deadline:
        deadline = parent.deadline
    if deadline <= now:
        raise DeadlineExceeded(
            f"{parent.name} had no time left to call {operation.full_name}; nothing was sent",
            service=operation.contract,
            operation=operation.name,
            may_have_executed=False,
        )
    key = None if operation.safe else parent.child_key(operation.full_name)
    return Outgoing(deadline, parent.trace.child(), key, parent)
