"""A whole system in one process, with the same routes on the same port as behind the gateway."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence

from partita.adapters.http.server import HttpServer
from partita.identity.tokens import KeySet, UserTokens
from partita.rpc.app import Page, ServiceApp
from partita.rpc.endpoint import Endpoint
from partita.rpc.http import ASGIApp
from partita.runtime.identification import Identification
from partita.runtime.plan import UsersPlan
from partita.runtime.together import Together
from partita.runtime.users import tokens_from_endpoint
from partita.service.service import Service

__all__ = ["Solo"]


class Solo:
    """``services`` in one process, in the order of their start.

    ``gateway`` is the listening socket of the public routes; ``sockets`` has one a service, by name, for callers that
    may use internal operations. ``versions`` are by service. ``pages`` are answered beside the public routes; ``front``
    is put before them, and does to a request what a gateway does.
    """

    def __init__(
        self,
        system: str,
        services: Sequence[type[Service]],
        *,
        database_url: Callable[[str], str | None],
        gateway: socket.socket,
        sockets: Mapping[str, socket.socket],
        trusted: KeySet,
        users: UsersPlan | None,
        environment: Mapping[str, str],
        versions: Mapping[str, str],
        pages: Mapping[str, Page] | None = None,
        front: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    ) -> None:
        self.together = Together(services, database_url=database_url, environment=environment)
        for name, replica in self.together.replicas.items():
            replica.version = versions.get(name, replica.version)
        self._gateway = gateway
        self._pages, self._front = pages, front
        self._sockets = dict(sockets)
        self._system, self._trusted, self._users = system, trusted, users
        self._servers: list[HttpServer] = []

    async def start(self) -> None:
        """Start every service, then listen. Raises ``StartFailed``; nothing is left running then."""
        await self.together.start()
        tokens = tokens_from_endpoint(self._users, self._keys_endpoint) if self._users is not None else None
        try:
            for name, replica in self.together.replicas.items():
                identify = self._identification(name, tokens)
                app = ServiceApp(replica.endpoints.values(), identify=identify, pages=replica.pages())
                await self._listen(app, self._sockets[name])
            everything = [each for replica in self.together.replicas.values() for each in replica.endpoints.values()]
            identify = self._identification("gateway", tokens)
            app = ServiceApp(everything, identify=identify, pages=self._pages, public_only=True)
            await self._listen(self._front(app), self._gateway)
        except BaseException:
            await self.stop(0)
            raise

    async def stop(self, drain_s: float) -> None:
        """Drain, for at most ``drain_s`` seconds, and stop."""
        for server in reversed(self._servers):
            await server.drain(drain_s)
        for server in self._servers:
            await server.stop()
        await self.together.stop()

    async def _listen(self, app: ASGIApp, listening: socket.socket) -> None:
        server = HttpServer(app)
        await server.start(sock=listening)
        self._servers.append(server)

    def _identification(self, service: str, users: UserTokens | None) -> Identification:
        return Identification(system=self._system, service=service, trusted=self._trusted, users=users)

    def _keys_endpoint(self) -> Endpoint | None:
        assert self._users is not None
        replica = self.together.replicas.get(self._users.service)
        if replica is None or not replica.ready:
            return None
        return next((each for each in replica.endpoints.values() if each.operation.path == self._users.path), None)
