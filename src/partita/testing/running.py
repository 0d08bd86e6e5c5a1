"""One service under test: the real path of a call, a real database, and fakes for the services that it needs."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload
from uuid import UUID

from partita.contract.codec import encode_json, json_decoder
from partita.contract.contract import Contract
from partita.contract.message import Event
from partita.core.blocking import Blocking
from partita.core.call import Call, Invocation, User, handling
from partita.core.clock import Clock
from partita.core.errors import Misuse
from partita.core.ids import Ids
from partita.core.settings import Settings
from partita.data.database import Database
from partita.rpc.client import client
from partita.rpc.local import LocalChannel
from partita.runtime.replica import Replica
from partita.service.declarations import subscriptions_of
from partita.testing.clock import ManualClock

__all__ = ["Caller", "Running", "running", "scratch_folder", "user_of"]

P = ParamSpec("P")
S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E", bound=Event)
Dependency = Database | Clock | Ids | Call | Blocking | Settings | Contract


class Caller:
    """Somebody who calls a service under test: a guest, a user, or another service."""

    def __init__(self, replica: Replica, *, user: User | None = None, service: str | None = None) -> None:
        self._replica = replica
        self._user = user
        self._service = service

    def client(self, contract: Callable[..., C]) -> C:
        """A client of the service, with this caller's identity."""
        channel = LocalChannel(self._replica.endpoints.get, caller=self._service, user=self._user)
        return client(contract, channel)


class Running(Caller, Generic[S]):
    """A service that runs in a test. ``client`` calls it as a guest."""

    def __init__(self, replica: Replica, clock: Clock) -> None:
        super().__init__(replica)
        self._events: list[Event] = []
        self._clock = clock
        if replica.database is not None:
            replica.database.on_published = self._events.extend

    @property
    def service(self) -> S:
        """The service itself."""
        return cast(S, self._replica.instance)

    @property
    def clock(self) -> ManualClock:
        """The clock, to ``advance``. Raises ``Misuse`` where the test gave a clock of its own."""
        if not isinstance(self._clock, ManualClock):
            raise Misuse("this test gave the service a clock of its own; move that one")
        return self._clock

    def as_user(self, user: User | UUID, *roles: str) -> Caller:
        """The service as a user sees it."""
        return Caller(self._replica, user=user_of(user, roles))

    def as_service(self, name: str) -> Caller:
        """The service as another service of the system sees it."""
        return Caller(self._replica, service=name)

    def published(self, event: type[E]) -> tuple[E, ...]:
        """The events of one type that the service has published and committed, in order."""
        return tuple(found for found in self._events if isinstance(found, event))

    async def deliver(self, event: Event) -> None:
        """Hand an event to each method that reacts to it, each in a unit of work of its own.

        Raises ``Misuse`` where no method reacts to it.
        """
        reactions = [each for each in subscriptions_of(self._replica.cls) if isinstance(event, each.event)]
        if not reactions:
            raise Misuse(f"{self._replica.cls.__name__} has no method marked @on({type(event).__name__})")
        for reaction in reactions:
            received = json_decoder(reaction.event).decode(encode_json(event))
            method = getattr(self._replica.instance, reaction.method)
            await self._handle(reaction.method, method, received)

    async def _handle(self, name: str, method: Callable[[Any], Any], event: Any) -> None:
        async def body() -> None:
            await method(event)

        with handling(Invocation(self._replica.name, name)) as invocation:
            await self._replica.units.run(invocation, body)


def user_of(user: User | UUID, roles: tuple[str, ...]) -> User:
    """The user whom a test means; ``roles`` are added to those that a ``User`` has."""
    if isinstance(user, User):
        return User(id=user.id, roles=(*user.roles, *roles)) if roles else user
    return User(id=user, roles=roles)


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for a test's databases, in memory where the system has such a place."""
    shared = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="partita-", dir=shared if shared.is_dir() else None)


@overload
def running(service: Callable[P, S], *args: P.args, **fields: P.kwargs) -> AbstractAsyncContextManager[Running[S]]: ...
@overload
def running(  # type: ignore[overload-cannot-match]  # mypy does not see that ParamSpec makes the first one stricter
    service: Callable[..., S], **fields: Dependency
) -> AbstractAsyncContextManager[Running[S]]: ...
def running(service: Any, *args: Any, **fields: Any) -> AbstractAsyncContextManager[Running[Any]]:
    """``async with running(OrdersService, payments=FakePayments()) as t``: run one service for a test.

    Fields that are not given are filled: a database of its own (SQLite; ``db=Database(url)`` names another), a clock
    that stands still until ``t.clock.advance(...)``, and so on. Calls go through the real path of a call, and what
    handlers do wrong is raised instead of answered.
    """
    if args:
        raise TypeError("give the service's fields by name: running(OrdersService, payments=FakePayments())")
    return _running(service, fields)


@asynccontextmanager
async def _running(service: Any, fields: dict[str, Any]) -> AsyncIterator[Running[Any]]:
    clock = next((value for value in fields.values() if type(value) is not Clock and isinstance(value, Clock)), None)
    clock = clock if clock is not None else ManualClock()
    given = {name: value for name, value in fields.items() if type(value) is not Clock}
    named = next((value.url for value in fields.values() if isinstance(value, Database) and value.url), None)
    with scratch_folder() as folder:
        replica = Replica(
            service,
            channels=lambda name: LocalChannel(lambda operation: None, caller=name),
            database_url=named or f"sqlite:///{folder}/test.db?durable=false",
            given=given,
            clock=clock,
            create=True,
            strict=True,
        )
        await replica.start()
        try:
            yield Running(replica, clock)
        finally:
            await replica.stop()
