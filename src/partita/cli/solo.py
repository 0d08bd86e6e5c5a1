"""A system in this process, on SQLite."""

from __future__ import annotations

import asyncio
import os
import socket

import msgspec

from partita.cli.options import Options
from partita.cli.parts import has_database, require_settings, users_plan, version_of
from partita.cli.routes import documents_of
from partita.control.ports import listen
from partita.control.state import RunningService, State, operator_key, system_folder, write_state
from partita.core.clock import Clock
from partita.core.errors import StartFailed
from partita.core.ids import Ids
from partita.gateway.front import Front
from partita.gateway.routes import Document
from partita.identity.tokens import jwk_of, keys_of
from partita.rpc.answer import Answer
from partita.rpc.app import Page
from partita.runtime.logs import log_to_stderr
from partita.runtime.solo import Solo
from partita.runtime.stalls import watching_stalls
from partita.system.model import System

__all__ = ["SoloPlacement", "placement"]

DRAIN_S = 8.0


def _page(document: Document) -> Page:
    async def answer() -> Answer:
        return Answer(200, [("content-type", "application/json")], document.body)

    return answer


class SoloPlacement:
    """Every service in this process."""

    def __init__(self, system: System, options: Options) -> None:
        self.system = system
        self._options = options
        self._solo: Solo | None = None
        self._sockets: list[socket.socket] = []
        self._watching = watching_stalls()

    async def start(self) -> State:
        """Open the databases, start the services, listen."""
        system, options = self.system, self._options
        log_to_stderr()
        require_settings(system, os.environ)
        data = system_folder(system.name) / "solo"
        try:
            data.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StartFailed(f"{data} cannot be made: {error.strerror}.") from None
        key = operator_key(system.name)
        sockets = {name: listen("127.0.0.1", 0) for name in system.members}
        gateway = listen(options.host, options.port)
        self._sockets = [*sockets.values(), gateway]
        urls = {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in sockets.items()}
        versions = {name: version_of(member.cls) for name, member in system.members.items()}
        ids = Ids(Clock())
        solo = Solo(
            system.name,
            [system.members[name].cls for name in system.order()],
            database_url=lambda name: f"sqlite:///{data / name}.db",
            gateway=gateway,
            sockets=sockets,
            trusted=keys_of(msgspec.json.encode({"keys": [jwk_of(key.kid, key.public)]})),
            users=users_plan(system, urls),
            environment=os.environ,
            versions=versions,
            pages={each.path: _page(each) for each in documents_of(system, options)},
            front=lambda app: Front(app, new_id=ids.uuid),
        )
        await solo.start()
        self._solo = solo
        self._watching.__enter__()
        state = State(
            system=system.name,
            target=options.target,
            pid=os.getpid(),
            gateway=options.url,
            placement="solo",
            services={
                name: RunningService(
                    url=urls[name],
                    version=versions[name],
                    pid=os.getpid(),
                    database=f"solo/{name}.db" if has_database(member) else "",
                )
                for name, member in system.members.items()
            },
        )
        write_state(state)
        return state

    async def stop(self, at_once: asyncio.Event) -> None:
        """Drain, and close."""
        if self._solo is not None:
            self._watching.__exit__(None, None, None)
            stopping = asyncio.ensure_future(self._solo.stop(DRAIN_S))
            hurry = asyncio.ensure_future(at_once.wait())
            await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
        for each in self._sockets:
            each.close()


placement = SoloPlacement
