"""A whole system in one test process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

from partita.contract.contract import compiled
from partita.core.call import User
from partita.core.clock import Clock
from partita.rpc.client import client
from partita.runtime.together import Together
from partita.system.model import System
from partita.testing.clock import ManualClock
from partita.testing.running import scratch_folder, user_of

__all__ = ["RunningSystem", "SystemCaller", "running_system"]

C = TypeVar("C")


class SystemCaller:
    """Somebody who calls the services of a system under test."""

    def __init__(self, together: Together, *, user: User | None = None, service: str | None = None) -> None:
        self._together = together
        self._user = user
        self._service = service

    def client(self, contract: Callable[..., C]) -> C:
        """A client of the service that implements ``contract``."""
        name = compiled(contract).name  # type: ignore[arg-type]
        return client(contract, self._together.channel(name, caller=self._service, user=self._user))


class RunningSystem(SystemCaller):
    """A system that runs in a test. ``client`` calls as a guest."""

    def __init__(self, together: Together, clock: Clock) -> None:
        super().__init__(together)
        self.clock = clock

    def as_user(self, user: User | UUID, *roles: str) -> SystemCaller:
        """The system as a user sees it."""
        return SystemCaller(self._together, user=user_of(user, roles))

    def as_service(self, name: str) -> SystemCaller:
        """The system as one of its services sees it."""
        return SystemCaller(self._together, service=name)

    def service(self, name: str) -> Any:
        """The instance of one service."""
        return self._together.replicas[name].instance


@asynccontextmanager
async def running_system(
    system: System,
    *,
    database_url: Callable[[str], str] | None = None,
    given: Mapping[str, Mapping[str, Any]] | None = None,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[RunningSystem]:
    """``async with running_system(system) as t``: every service, each with a database of its own.

    ``database_url`` gives a service's database by its name (SQLite in memory otherwise); ``given`` holds ready values
    for fields, by service and field.
    """
    clock = clock if clock is not None else ManualClock()
    with scratch_folder() as folder:
        together = Together(
            [system.members[name].cls for name in system.order()],
            database_url=database_url or (lambda name: f"sqlite:///{folder}/{name}.db?durable=false"),
            given=given,
            environment=environment,
            clock=clock,
            create=True,
            strict=True,
        )
        await together.start()
        try:
            yield RunningSystem(together, clock)
        finally:
            await together.stop()
