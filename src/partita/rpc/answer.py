"""A call's answer: results and failures to status, headers and bytes at the callee, and back at the caller."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

import msgspec

from partita.contract.codec import encode_json
from partita.contract.operation import Operation
from partita.contract.parameters import Download
from partita.contract.problem import Problem
from partita.contract.problems import BUILT_IN, Busy, Internal, MethodNotAllowed, Unauthenticated
from partita.contract.wire import decode_problem, encode_problem
from partita.core.call import Invocation, Reply
from partita.core.errors import (
    BadResponse,
    BlockingFull,
    CallFailed,
    CommitUnknown,
    ConnectionLost,
    Contended,
    DatabaseUnavailable,
    DeadlineExceeded,
    TooManyCalls,
    Unavailable,
)

__all__ = ["Answer", "answer_failure", "answer_problem", "answer_value", "raise_failure"]

log = logging.getLogger("partita.rpc")

JSON = ("content-type", "application/json")
PROBLEM = ("content-type", "application/problem+json")


class Answer(msgspec.Struct, gc=False):
    """What goes back. ``stream`` is the body instead of ``body`` where it comes piece by piece."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    download: Download | None = None


def answer_value(operation: Operation, value: Any, reply: Reply) -> Answer:
    """The answer for a handler's result."""
    if operation.kind == "value":
        answer = Answer(operation.status, [JSON], encode_json(value))
    elif operation.kind == "nothing":
        answer = Answer(operation.status, [])
    else:
        assert isinstance(value, Download)
        headers = [("content-type", value.content_type), *value.headers.items()]
        if value.size is not None:
            headers.append(("content-length", str(value.size)))
        if value.filename:
            quoted = value.filename.encode("ascii", "replace").decode().replace("\\", "_").replace('"', "_")
            headers.append(("content-disposition", f'attachment; filename="{quoted}"'))
        answer = Answer(operation.status, headers, download=value)
    if reply.headers or reply.cookies:
        answer.headers.extend((name.lower(), text) for name, text in reply.headers.items())
        answer.headers.extend(("set-cookie", cookie) for cookie in reply.cookies)
    return answer


def answer_problem(problem: Problem, *, may_have_executed: bool | None = None) -> Answer:
    """The answer for a problem."""
    headers = [PROBLEM]
    if isinstance(problem, Unauthenticated):
        headers.append(("www-authenticate", "Bearer"))
    elif isinstance(problem, MethodNotAllowed):
        headers.append(("allow", ", ".join(problem.allowed)))
    elif isinstance(problem, Busy):
        headers.append(("retry-after", "1"))
    return Answer(problem.status, headers, encode_problem(problem, may_have_executed=may_have_executed))


class _DeadlineReply(Problem, status=504, code="deadline-exceeded"):
    """The deadline passed before the work was done."""


class _ContendedReply(Problem, status=503, code="contended"):
    """Too many others changed the same data; try again."""


class _CommitUnknownReply(Problem, status=500, code="commit-unknown"):
    """The work may have been done, or not: the database did not say."""


class _DependencyReply(Problem, status=502, code="dependency-failed"):
    """Another service that this one needs failed."""

    service: str


class _DependencyUnavailable(Problem, status=503, code="dependency-unavailable"):
    """Another service that this one needs cannot be reached."""

    service: str


def answer_failure(operation: Operation, error: BaseException, invocation: Invocation | None) -> Answer:
    """The answer for whatever a handler raised. What nobody declared is logged and becomes a bare 500."""
    if isinstance(error, Problem) and (error.code in operation.raises or BUILT_IN.get(error.code) is type(error)):
        return answer_problem(error)
    if isinstance(error, TimeoutError | DeadlineExceeded):
        executed = not operation.safe and getattr(error, "may_have_executed", True)
        return answer_problem(_DeadlineReply(), may_have_executed=executed)
    if isinstance(error, Contended):
        answer = answer_problem(_ContendedReply(), may_have_executed=False)
        answer.headers.append(("retry-after", "1"))
        return answer
    if isinstance(error, DatabaseUnavailable):
        log.warning("%s failed: %s", operation.full_name, error)
        return answer_problem(Busy(reason="the database takes nothing now"), may_have_executed=False)
    if isinstance(error, CommitUnknown):
        return answer_problem(_CommitUnknownReply(), may_have_executed=True)
    if isinstance(error, BlockingFull):
        return answer_problem(Busy(reason="every thread for blocking work is taken"), may_have_executed=False)
    if isinstance(error, CallFailed):
        log.warning("%s failed: %s", operation.full_name, error)
        if isinstance(error, Unavailable | TooManyCalls):
            answer = answer_problem(_DependencyUnavailable(service=error.service), may_have_executed=False)
            answer.headers.append(("retry-after", "1"))
            return answer
        return answer_problem(_DependencyReply(service=error.service), may_have_executed=error.may_have_executed)
    trace = invocation.trace.trace_id if invocation is not None else "-"
    if isinstance(error, Problem):
        log.error(
            "%s raised %r, which its contract does not declare: add it to raises=[...] (trace %s)",
            operation.full_name,
            error,
            trace,
        )
    else:
        log.error("%s failed (trace %s)", operation.full_name, trace, exc_info=error)
    return answer_problem(Internal(), may_have_executed=not operation.safe)


class _Failure(msgspec.Struct):
    """What is read of any problem document."""

    type: str = ""
    title: str = ""
    detail: str = ""
    may_have_executed: bool | None = None


_decode_failure = msgspec.json.Decoder(_Failure).decode
_KINDS: dict[str, type[CallFailed]] = {
    "connection-lost": ConnectionLost,
    "deadline-exceeded": DeadlineExceeded,
    "contended": Unavailable,
    "busy": Unavailable,
    "dependency-unavailable": Unavailable,
}


def raise_failure(operation: Operation, status: int, headers: Mapping[str, str], body: bytes) -> NoReturn:
    """Raise what an answer outside of 2xx means: the declared problem, a built-in one, or a ``CallFailed``."""
    if 400 <= status <= 599 and headers.get("content-type", "").startswith("application/problem+json"):
        problem = decode_problem(body, {**BUILT_IN, **operation.raises})
        if problem is not None and not (isinstance(problem, Busy) and "busy" not in operation.raises):
            raise problem
    try:
        failure = _decode_failure(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        failure = _Failure()
    executed = failure.may_have_executed
    if executed is None:
        executed = not operation.safe and status >= 500
    code = failure.type.rpartition(":")[2]
    kind = _KINDS.get(code, Unavailable if status in (429, 503) else CallFailed if status >= 400 else BadResponse)
    words = f"{failure.title}. {failure.detail}".strip(". ") if failure.title else "no problem document"
    raise kind(
        f"{operation.full_name} answered {status}: {words}",
        service=operation.contract,
        operation=operation.name,
        may_have_executed=executed,
    )
