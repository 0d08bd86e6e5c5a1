"""Declarations on the methods of a service: ``@on`` for events, ``@every`` for jobs, ``@saga`` for long work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload
from uuid import UUID

from partita.contract.message import Event
from partita.core.errors import Misuse

__all__ = [
    "BoundSaga",
    "Job",
    "Saga",
    "Step",
    "Steps",
    "Subscription",
    "every",
    "jobs_of",
    "on",
    "saga",
    "sagas_of",
    "subscriptions_of",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S")
E = TypeVar("E", bound=Event)
P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])

_SUBSCRIPTION = "__partita_subscription__"
_JOB = "__partita_job__"


@dataclass(frozen=True)
class Subscription:
    """A method that reacts to an event."""

    method: str
    event: type[Event]


@dataclass(frozen=True)
class Job:
    """A method that runs from time to time."""

    method: str
    interval: timedelta


def on(event: type[E]) -> Callable[[Callable[[S, E], Awaitable[None]]], Callable[[S, E], Awaitable[None]]]:
    """React to an event: ``@on(ParcelDelivered)`` on ``async def delivered(self, event: ParcelDelivered) -> None``."""

    def mark(method: Callable[[S, E], Awaitable[None]]) -> Callable[[S, E], Awaitable[None]]:
        setattr(method, _SUBSCRIPTION, event)
        return method

    return mark


def every(*, hours: float = 0, minutes: float = 0, seconds: float = 0) -> Callable[[F], F]:
    """Run a method again and again, on one replica at a time. Raises ``ValueError`` for an interval of 0."""
    interval = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if interval <= timedelta(0):
        raise ValueError(f"@every needs an interval over 0, not {interval}: write @every(hours=1)")

    def mark(method: F) -> F:
        setattr(method, _JOB, interval)
        return method

    return mark


class Step(Protocol[T_co]):
    """A step of a saga: await it for its result; ``undo`` says how to take it back."""

    def __await__(self) -> Generator[Any, None, T_co]: ...

    def undo(self, compensate: Callable[[T_co], Awaitable[object]]) -> Step[T_co]:
        """Run ``compensate`` with the step's result if the saga fails later."""
        ...


class Steps(Protocol):
    """What a saga's body works with."""

    def run(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> Step[T]:
        """Run one call as a step."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Wait, also across restarts."""
        ...

    async def wait_for(self, event: type[E], *, key: object, timeout: timedelta) -> E:
        """Wait for an event with this key. Raises ``TimeoutError``."""
        ...


class BoundSaga(Generic[P, T]):
    """A saga of one service instance."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def start(self, *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Start a saga in the current unit of work.

        Raises ``Misuse`` in this version, which lets sagas be declared and does not run them yet.
        """
        raise Misuse(
            f"{self._name} is declared, and this version of Partita does not run sagas yet. Call the steps in order."
        )


class Saga(Generic[S, P, T]):
    """A method marked ``@saga``. On an instance it has ``start(...)``."""

    def __init__(self, body: Callable[Concatenate[S, Steps, P], Awaitable[T]]) -> None:
        self.body = body
        self.__doc__ = body.__doc__
        self._name = body.__qualname__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: S, owner: type) -> BoundSaga[P, T]: ...
    def __get__(self, instance: S | None, owner: type) -> Self | BoundSaga[P, T]:
        return self if instance is None else BoundSaga(self._name)


def saga(body: Callable[Concatenate[S, Steps, P], Awaitable[T]]) -> Saga[S, P, T]:
    """Mark long work of several steps: ``async def checkout(self, steps: Steps, id: UUID) -> None``."""
    return Saga(body)


def subscriptions_of(service: type) -> tuple[Subscription, ...]:
    """The methods of a service class that are marked ``@on``."""
    return tuple(Subscription(name, getattr(value, _SUBSCRIPTION)) for name, value in _marked(service, _SUBSCRIPTION))


def jobs_of(service: type) -> tuple[Job, ...]:
    """The methods of a service class that are marked ``@every``."""
    return tuple(Job(name, getattr(value, _JOB)) for name, value in _marked(service, _JOB))


def sagas_of(service: type) -> tuple[str, ...]:
    """The names of a service class's sagas."""
    return tuple(
        name for base in reversed(service.__mro__) for name, value in vars(base).items() if isinstance(value, Saga)
    )


def _marked(service: type, mark: str) -> list[tuple[str, Any]]:
    found = {name: value for base in reversed(service.__mro__) for name, value in vars(base).items()}
    return [(name, value) for name, value in found.items() if hasattr(value, mark)]
