"""The server's side of a call: access, decode, unit of work, handler, encode. The same for HTTP and in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, get_origin

import msgspec

from partita.contract.codec import encode_json
from partita.contract.operation import Operation
from partita.contract.problem import Problem
from partita.contract.problems import BUILT_IN, Busy, FieldError, Invalid
from partita.core.call import Invocation, handling
from partita.core.errors import BadResponse, Misuse
from partita.identity.rules import authorize
from partita.ports.units import Units
from partita.rpc.answer import Answer, answer_failure, answer_value
from partita.rpc.arguments import Arguments, decode_arguments
from partita.rpc.counters import Counters
from partita.rpc.within import Within

__all__ = ["IN_FLIGHT_MAX", "Endpoint"]

IN_FLIGHT_MAX = 512
"""How many calls one replica of a service works on at once; further ones are answered 503 at once."""


class Endpoint:
    """One operation of one service instance, ready to be called.

    ``strict`` (tests) lets programming errors out instead of answering 500 for them.
    """

    __slots__ = ("_counters", "_method", "_result_class", "_strict", "_units", "operation", "service")

    def __init__(
        self,
        service: str,
        operation: Operation,
        method: Callable[..., Any],
        units: Units,
        *,
        counters: Counters | None = None,
        strict: bool = False,
    ) -> None:
        self.service = service
        self.operation = operation
        self._method = method
        self._units = units
        self._counters = counters if counters is not None else Counters()
        self._strict = strict
        self._result_class = _class_of(operation) if operation.kind == "value" else None

    async def __call__(self, invocation: Invocation, arguments: Arguments) -> Answer:
        """Answer a call. Raises nothing but cancellation; in strict mode also what a handler did wrong."""
        operation = self.operation
        with self._counters.measure(operation.name) as measured:
            try:
                if self._counters.in_flight > IN_FLIGHT_MAX:
                    raise Busy(reason=f"{self.service} answers {IN_FLIGHT_MAX} calls at once, and no more")
                authorize(operation.access, invocation.user, invocation.caller)
                self._check_key(invocation)
                values = decode_arguments(operation, arguments)
                if operation.kind == "stream":
                    answer = self._answer_stream(invocation, values)
                else:
                    answer = await self._run(invocation, values)
            except Exception as error:
                if self._strict:
                    _refuse_undeclared(operation, error)
                answer = answer_failure(operation, error, invocation)
            measured.status = answer.status
            return answer

    async def _run(self, invocation: Invocation, values: dict[str, Any]) -> Answer:
        operation, method = self.operation, self._method

        async def body() -> Answer:
            value = await method(**values)
            self._check_result(value)
            answer = answer_value(operation, value, invocation.reply)
            if self._strict and operation.decode_result is not None:
                self._check_body(answer.body)
            return answer

        with handling(invocation):
            if invocation.deadline == float("inf"):
                return await self._units.run(invocation, body)
            remaining = invocation.remaining_s()
            if remaining <= 0:
                raise _NotStarted
            with Within(remaining):
                return await self._units.run(invocation, body)

    def _check_result(self, value: Any) -> None:
        """A result of another class would leave here as a success, for whoever does not check what they receive."""
        wanted = self._result_class
        if wanted is not None and not isinstance(value, wanted):
            raise Misuse(
                f"{self.operation.full_name} returned a {type(value).__name__}, and its contract says "
                f"{wanted.__name__} ({self.operation.place}). Return a {wanted.__name__}."
            )

    def _check_body(self, body: bytes) -> None:
        """In tests: constructors do not validate, so what is in the result may still not fit."""
        decode = self.operation.decode_result
        assert decode is not None
        try:
            decode(body)
        except msgspec.ValidationError as error:
            raise Misuse(f"{self.operation.full_name} returned what does not fit its contract: {error}.") from None

    def _check_key(self, invocation: Invocation) -> None:
        operation = self.operation
        if (
            operation.idempotency == "required"
            and not operation.safe
            and invocation.key is None
            and invocation.caller is None
        ):
            raise Invalid(errors=(FieldError(path="header.idempotency-key", detail="missing"),))
        if invocation.key is not None and not (
            1 <= len(invocation.key) <= 255 and invocation.key.isascii() and invocation.key.isprintable()
        ):
            raise Invalid(
                errors=(FieldError(path="header.idempotency-key", detail="1 to 255 printable ASCII characters"),)
            )

    def _answer_stream(self, invocation: Invocation, values: dict[str, Any]) -> Answer:
        headers = [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
        return Answer(self.operation.status, headers, stream=self._events(invocation, values))

    async def _events(self, invocation: Invocation, values: dict[str, Any]) -> AsyncIterator[bytes]:
        """The handler's items, each as JSON. A failure is raised, for the channel to tell the other side."""
        with handling(invocation):
            items = self._method(**values)
            try:
                async for item in items:
                    yield encode_json(item)
            finally:
                close = getattr(items, "aclose", None)
                if close is not None:
                    await close()

    def failure(self, error: Exception, invocation: Invocation) -> Answer:
        """The answer for a failure in the middle of a stream."""
        if self._strict:
            _refuse_undeclared(self.operation, error)
        return answer_failure(self.operation, error, invocation)


def _class_of(operation: Operation) -> type | None:
    """The class of an operation's result, where it is a message and not a choice among types."""
    wanted = get_origin(operation.result) or operation.result
    return wanted if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct) else None


class _NotStartedError(TimeoutError):
    """The deadline had passed when the call arrived."""

    may_have_executed = False


_NotStarted = _NotStartedError()


def _refuse_undeclared(operation: Operation, error: Exception) -> None:
    """In tests: a problem that the contract does not declare, and a broken rule, fail the test with their own text."""
    if isinstance(error, Misuse | BadResponse):
        raise error
    if (
        isinstance(error, Problem)
        and error.code not in operation.raises
        and BUILT_IN.get(error.code) is not type(error)
    ):
        raise Misuse(
            f"{operation.full_name} raised {error!r}, which its contract does not declare. "
            f"Add {type(error).__name__} to raises=[...] at {operation.place}."
        ) from error
    if isinstance(error, msgspec.MsgspecError | TypeError | AttributeError | NameError | LookupError | AssertionError):
        raise error
