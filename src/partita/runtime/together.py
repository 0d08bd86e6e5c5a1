"""Several services in one process, each with its own database, calling each other without a wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from partita.contract.contract import compiled
from partita.core.call import User
from partita.core.clock import Clock
from partita.rpc.endpoint import Endpoint
from partita.rpc.local import LocalChannel
from partita.runtime.replica import Replica
from partita.service.service import Service

__all__ = ["Together"]


class Together:
    """Replicas of ``services``, in the order in which they start.

    ``database_url`` gives a service's database by its name; ``given`` ready values for fields, by service and field.
    """

    def __init__(
        self,
        services: Sequence[type[Service]],
        *,
        database_url: Callable[[str], str | None],
        given: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        create: bool = False,
        strict: bool = False,
        version: str = "0",
    ) -> None:
        self.replicas: dict[str, Replica] = {}
        for cls in services:
            name = compiled(cls).name
            self.replicas[name] = Replica(
                cls,
                channels=self._channels(name),
                database_url=database_url(name),
                given=(given or {}).get(name),
                environment=environment,
                clock=clock,
                create=create,
                strict=strict,
                version=version,
            )

    async def start(self) -> None:
        """Start all, in order. If one fails, those before it are stopped, and its error is raised."""
        started: list[Replica] = []
        try:
            for replica in self.replicas.values():
                await replica.start()
                started.append(replica)
        except BaseException:
            for replica in reversed(started):
                await replica.stop()
            raise

    async def stop(self) -> None:
        """Stop all, in the reverse order."""
        for replica in reversed(self.replicas.values()):
            await replica.stop()

    def channel(self, callee: str, *, caller: str | None = None, user: User | None = None) -> LocalChannel:
        """A channel to a service, for a caller from outside or for another service."""
        return LocalChannel(self._endpoints(callee), caller=caller, user=user)

    def _channels(self, caller: str) -> Callable[[str], LocalChannel]:
        return lambda callee: self.channel(callee, caller=caller)

    def _endpoints(self, callee: str) -> Callable[[str], Endpoint | None]:
        def find(operation: str) -> Endpoint | None:
            replica = self.replicas.get(callee)
            return replica.endpoints.get(operation) if replica is not None and replica.ready else None

        return find
