"""A system in this process, on SQLite."""

from __future__ import annotations

import asyncio
import os

import msgspec

from partita.cli.options import Options
from partita.cli.parts import users_plan, version_of
from partita.control.ports import listen
from partita.control.state import RunningService, State, operator_key, system_folder
from partita.identity.tokens import jwk_of, keys_of
from partita.runtime.logs import log_to_stderr
from partita.runtime.solo import Solo
from partita.runtime.stalls import watching_stalls
from partita.system.target import load_system

__all__ = ["SoloPlacement"]

DRAIN_S = 8.0


class SoloPlacement:
    """Every service in this process."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._solo: Solo | None = None

    async def start(self) -> State:
        """Load, open the databases, listen."""
        options = self._options
        log_to_stderr()
        system = load_system(options.target)
        data = system_folder(system.name) / "solo"
        data.mkdir(exist_ok=True)
        key = operator_key(system.name)
        sockets = {name: listen("127.0.0.1", 0) for name in system.members}
        urls = {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in sockets.items()}
        versions = {name: version_of(member.cls) for name, member in system.members.items()}
        self._solo = Solo(
            system.name,
            [system.members[name].cls for name in system.order()],
            database_url=lambda name: f"sqlite:///{data / name}.db",
            gateway=listen(options.host, options.port),
            sockets=sockets,
            trusted=keys_of(msgspec.json.encode({"keys": [jwk_of(key.kid, key.public)]})),
            users=users_plan(system, urls),
            environment=os.environ,
            versions=versions,
        )
        await self._solo.start()
        services = {name: RunningService(url=urls[name], version=versions[name]) for name in system.members}
        return State(
            system=system.name,
            target=options.target,
            pid=os.getpid(),
            gateway=options.url,
            placement="solo",
            services=services,
        )

    async def run(self, stop: asyncio.Event, at_once: asyncio.Event) -> None:
        """Wait, drain, stop."""
        assert self._solo is not None
        with watching_stalls():
            await stop.wait()
        stopping = asyncio.ensure_future(self._solo.stop(DRAIN_S))
        hurry = asyncio.ensure_future(at_once.wait())
        await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not stopping.done():
            stopping.cancel()
