"""What is known about the call that is being handled, and the open transaction, if there is one.

``Call`` is the field that a service declares. ``Invocation`` is what the runtime keeps for one call; it travels in a
context variable, so that a client used inside a handler finds the deadline, the trace and the caller's identity.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from partita.core.errors import CallInsideTransaction, Misuse
from partita.core.trace import TraceContext, new_trace

__all__ = [
    "Call",
    "Invocation",
    "OpenTransaction",
    "Reply",
    "User",
    "current_invocation",
    "handled_by",
    "handling",
    "open_transaction",
    "refuse_call_in_transaction",
    "transaction",
]

NO_DEADLINE = float("inf")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person (or a program of theirs) on whose behalf a call runs, as the auth service vouched for."""

    id: UUID
    roles: tuple[str, ...] = ()


class Reply:
    """What the handler adds to its response, besides the value that it returns."""

    __slots__ = ("cookies", "headers")

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.cookies: list[str] = []

    def cookie(
        self,
        name: str,
        value: str,
        *,
        age_s_max: int | None = None,
        path: str = "/",
        http_only: bool = True,
        secure: bool = True,
        same_site: str = "Lax",
    ) -> None:
        """Set a cookie (RFC 6265). Raises ``ValueError`` for a character that a cookie cannot hold."""
        for text in (name, value, path):
            if not text.isascii() or any(char in ' ",;\\' or ord(char) < 33 or ord(char) == 127 for char in text):
                raise ValueError(f"a cookie cannot hold {text!r}: it has a space, quote, comma, semicolon or control")
        parts = [f"{name}={value}", f"Path={path}", f"SameSite={same_site}"]
        if age_s_max is not None:
            parts.append(f"Max-Age={age_s_max}")
        if http_only:
            parts.append("HttpOnly")
        if secure:
            parts.append("Secure")
        self.cookies.append("; ".join(parts))


class Invocation:
    """One call while it is handled. Made by the runtime; a service sees it through ``Call``.

    ``deadline`` is in seconds of ``time.monotonic()``. ``task`` is the task that runs the handler, ``unit`` whatever
    the unit of work keeps for this call, and ``token`` the user's token to hand on.
    """

    __slots__ = (
        "_ordinals",
        "caller",
        "deadline",
        "ended",
        "headers",
        "key",
        "operation",
        "reply",
        "service",
        "task",
        "token",
        "trace",
        "unit",
        "user",
    )

    def __init__(
        self,
        service: str,
        operation: str,
        *,
        deadline: float = NO_DEADLINE,
        trace: TraceContext | None = None,
        user: User | None = None,
        caller: str | None = None,
        token: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.service = service
        self.operation = operation
        self.deadline = deadline
        self.trace = trace if trace is not None else new_trace()
        self.user = user
        self.caller = caller
        self.token = token
        self.key = key
        self.headers = headers if headers is not None else {}
        self.reply = Reply()
        self.task: asyncio.Task[Any] | None = None
        self.unit: Any = None
        self.ended = False
        self._ordinals: dict[str, int] = {}

    @property
    def name(self) -> str:
        """Service and operation, as in ``orders.place``."""
        return f"{self.service}.{self.operation}"

    def remaining_s(self) -> float:
        """Seconds until the deadline; negative when it passed."""
        return self.deadline - time.monotonic()

    def child_key(self, operation: str) -> str:
        """The idempotency key of the next call of ``operation`` from here.

        Derived from this call's own key, the operation and an ordinal, so that a handler that is run again repeats
        the same keys. A call that came without a key takes its span's identifier for one.
        """
        ordinal = self._ordinals.get(operation, 0)
        self._ordinals[operation] = ordinal + 1
        own = self.key or f"{self.trace.trace_id}-{self.trace.span_id}"
        return sha256(f"{own}\0{operation}\0{ordinal}".encode()).hexdigest()[:32]

    def rerun(self) -> None:
        """Forget what the last run of the handler left: ordinals of child keys, reply headers and cookies."""
        self._ordinals.clear()
        self.reply = Reply()


_current: ContextVar[Invocation | None] = ContextVar("partita_invocation", default=None)


def current_invocation() -> Invocation | None:
    """The call that is being handled in this task, if any."""
    return _current.get()


_handled: dict[asyncio.Task[Any] | None, Invocation] = {}


def handled_by(task: asyncio.Task[Any]) -> Invocation | None:
    """The call that ``task`` handles now. May be asked from another thread."""
    return _handled.get(task)


@contextmanager
def handling(invocation: Invocation) -> Iterator[Invocation]:
    """Make ``invocation`` the current one, and mark it ended at the end."""
    before = _current.set(invocation)
    task = invocation.task = asyncio.current_task()
    outer = _handled.get(task)
    _handled[task] = invocation
    try:
        yield invocation
    finally:
        if outer is None:
            del _handled[task]
        else:
            _handled[task] = outer
        invocation.ended = True
        _current.reset(before)


class OpenTransaction:
    """A transaction that is open in this context. ``open`` turns false at its end, also for tasks that inherited it."""

    __slots__ = ("open", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self.open = True


_transaction: ContextVar[OpenTransaction | None] = ContextVar("partita_transaction", default=None)


def open_transaction() -> OpenTransaction | None:
    """The explicit transaction (``db.read()``, ``db.unit()``) that is open in this context, if any."""
    found = _transaction.get()
    return found if found is not None and found.open else None


@contextmanager
def transaction(what: str) -> Iterator[OpenTransaction]:
    """Announce an explicit transaction for the length of a ``with`` block."""
    mark = OpenTransaction(what)
    before = _transaction.set(mark)
    try:
        yield mark
    finally:
        mark.open = False
        _transaction.reset(before)


def refuse_call_in_transaction(callee: str) -> None:
    """Raise ``CallInsideTransaction`` if any transaction is open here. ``callee`` is ``service.operation``."""
    found = open_transaction()
    what = found.what if found is not None else None
    invocation = _current.get()
    if what is None and invocation is not None and invocation.unit is not None and invocation.unit.is_open:
        what = "the unit of work"
    if what is None:
        return
    where = invocation.name if invocation is not None else "this task"
    raise CallInsideTransaction(
        f"{where} called {callee} while {what} was open. A transaction that waits for another service holds its "
        "connection and its locks for as long as that service takes. Read with db.read(), then call, then write."
    )


class Call:
    """The current call, as a field of a service: who asks, until when, and what to add to the reply."""

    @property
    def _invocation(self) -> Invocation:
        invocation = _current.get()
        if invocation is None:
            raise Misuse(
                "Call was used outside of a handler; it knows the call that is being handled, and there is none."
            )
        return invocation

    @property
    def user(self) -> User:
        """The user on whose behalf this call runs. Raises ``Misuse`` where there is none; see ``optional_user``."""
        user = self._invocation.user
        if user is None:
            raise Misuse(
                f"{self._invocation.name} asked for call.user, and nobody is logged in. "
                "Declare access=USER on the operation, or use call.optional_user."
            )
        return user

    @property
    def optional_user(self) -> User | None:
        """The user, or ``None`` for a guest."""
        return self._invocation.user

    @property
    def caller(self) -> str | None:
        """The name of the service that calls, or ``None`` for a caller from outside."""
        return self._invocation.caller

    @property
    def key(self) -> str | None:
        """The idempotency key that came with the call."""
        return self._invocation.key

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers, names in lower case."""
        return self._invocation.headers

    @property
    def trace(self) -> TraceContext:
        """Where this call stands in its trace."""
        return self._invocation.trace

    @property
    def reply(self) -> Reply:
        """Headers and cookies to send with the response."""
        return self._invocation.reply

    def remaining_s(self) -> float:
        """Seconds until this call's deadline."""
        return self._invocation.remaining_s()
