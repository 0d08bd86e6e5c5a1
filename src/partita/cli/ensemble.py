"""A system as an ensemble: a process and a PostgreSQL database for each service, behind Envoy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from partita.cli.databases import make_databases, place_of
from partita.cli.options import Options
from partita.cli.parts import has_database, require_settings, users_plan, version_of
from partita.cli.routes import gateway_of
from partita.control.forks import Forks
from partita.control.logs import Logs
from partita.control.postgres import EmbeddedPostgres
from partita.control.spec import Replica, Spec
from partita.control.state import RunningService, State, operator_key, system_folder, write_state
from partita.control.supervisor import Supervisor
from partita.core.errors import StartFailed
from partita.gateway.admin import Admin
from partita.gateway.config import Gateway
from partita.gateway.envoy import command
from partita.gateway.files import GatewayFiles
from partita.gateway.listener import STATS
from partita.gateway.routes import Endpoint, RemoteKeys
from partita.identity.tokens import SigningKey, jwk_of, mint_service_token
from partita.runtime.identification import operator_issuer
from partita.runtime.plan import Plan
from partita.system.model import System

__all__ = ["Ensemble", "placement"]

GATEWAY = "gateway"
DRAIN_S = 8.0
KEYS_S_MAX = 3.0  # for the gateway to have fetched the keys of users' tokens; after it, it goes on trying
KEYS_POLL_S = 0.02
TOKEN_LIFE_S = 365 * 24 * 3600  # of service tokens, minted anew at each start; renewal comes with the control plane


class Ensemble:
    """Runs a system's services under a supervisor, forked from a zygote that is under way already."""

    def __init__(self, system: System, options: Options, logs: Logs, forks: Forks) -> None:
        self.system = system
        self._options = options
        self._logs = logs
        self._forks = forks
        self._supervisor: Supervisor | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._admin: Admin | None = None
        self._state: State | None = None
        self._databases: Mapping[str, str] = {}

    async def start(self) -> State:
        """Start PostgreSQL beside the zygote, then the services beside the gateway.

        The services' ports are open before the services are there, so that nothing is refused meanwhile.
        """
        system = self.system
        require_settings(system, os.environ)
        folder = system_folder(system.name)
        self._logs.expect([*system.members, GATEWAY])
        key = operator_key(system.name)
        files = GatewayFiles(folder / "gateway")
        self._admin = Admin(files.admin)
        specs = {name: self._spec(name) for name in system.members}
        gateway = gateway_of(system, key, self._options)
        supervisor = self._supervisor = Supervisor(
            [*specs.values(), self._gateway_spec(files, self._admin)],
            logs=self._logs,
            forks=self._forks,
            stop_order=_stop_order(system),
            changed=self._changed,
        )
        ports = {name: supervisor.port(name) for name in system.members}
        versions = {name: version_of(member.cls) for name, member in system.members.items()}
        urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        try:
            files.write(gateway, {name: [Endpoint("127.0.0.1", port)] for name, port in ports.items()})
        except OSError as error:
            raise StartFailed(f"{files.directory} cannot be written: {error.strerror}.") from None

        await _together(supervisor.prepare(), self._open_databases())
        for name in system.members:
            plan = self._plan(name, versions[name], urls, key)
            specs[name].argument["plan"] = msgspec.to_builtins(plan)  # type: ignore[index]
        await supervisor.start()
        await self._keys_known(gateway)
        self._state = State(
            system=system.name,
            target=self._options.target,
            pid=os.getpid(),
            gateway=self._options.url,
            placement="ensemble",
            services={name: RunningService(url=urls[name], version=versions[name]) for name in system.members},
        )
        for name, url in self._databases.items():
            self._state.services[name].database = place_of(url)
        self._tell()
        return self._state

    async def stop(self, at_once: asyncio.Event) -> None:
        """Drain: the gateway first, then callers before those that they call, PostgreSQL last."""
        self._state = None
        if self._supervisor is not None:
            if self._admin is not None and GATEWAY in self._supervisor.replicas:
                await self._drain_gateway(self._admin, at_once)
            await self._supervisor.stop(at_once)
        if self._postgres is not None:
            await self._postgres.stop()

    async def _drain_gateway(self, admin: Admin, at_once: asyncio.Event) -> None:
        draining = asyncio.ensure_future(admin.drain(timeout_s=DRAIN_S))
        hurry = asyncio.ensure_future(at_once.wait())
        await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, hurry):
            task.cancel()
        await asyncio.gather(draining, hurry, return_exceptions=True)

    async def _open_databases(self) -> None:
        needy = [name for name, member in self.system.members.items() if has_database(member)]
        if not needy:
            return
        admin = self._options.database_url
        if admin is None:
            self._postgres = EmbeddedPostgres(system_folder(self.system.name) / "postgres")
            await self._postgres.start()
            admin = self._postgres.url
        option = "--database-url" if self._options.database_url is not None else "the embedded server's URL"
        self._databases = await make_databases(admin, self.system.name, needy, option=option)

    async def _keys_known(self, gateway: Gateway) -> None:
        """Wait until the gateway can check users' tokens, so that the first one is not refused."""
        wanted = sum(isinstance(rule.keys, RemoteKeys) for rule in gateway.rules)
        assert self._admin is not None
        name = f"http.{STATS}.jwt_authn.jwks_fetch_success"
        until = time.monotonic() + KEYS_S_MAX
        with contextlib.suppress(TimeoutError, OSError):
            while wanted and time.monotonic() < until:
                if (await self._admin.stats(f"^{name}$")).get(name, 0) >= wanted:
                    return
                await asyncio.sleep(KEYS_POLL_S)

    def _changed(self, _replica: Replica) -> None:
        if self._state is not None:
            self._tell()

    def _tell(self) -> None:
        """Write down who runs as which process."""
        assert self._state is not None
        assert self._supervisor is not None
        for name, replica in self._supervisor.replicas.items():
            if name in self._state.services:
                self._state.services[name].pid = replica.pid
        parts = {
            GATEWAY: self._supervisor.replicas[GATEWAY].pid,
            "zygote": self._supervisor.zygote_pid,
            "postgresql": self._postgres.pid if self._postgres is not None else None,
        }
        self._state.parts = {name: pid for name, pid in parts.items() if pid is not None}
        try:
            write_state(self._state)
        except StartFailed as failed:
            self._logs.say("partita", str(failed))

    def _spec(self, name: str) -> Spec:
        return Spec(
            name=name,
            entry="partita.runtime.process:main",
            argument={},
            path=[entry for entry in sys.path if entry],
            listen=("127.0.0.1", 0),
        )

    def _gateway_spec(self, files: GatewayFiles, admin: Admin) -> Spec:
        async def ready(_replica: Replica) -> None:
            await admin.ready()

        return Spec(name=GATEWAY, argv=command(files.bootstrap), check=ready)

    def _plan(self, name: str, version: str, urls: Mapping[str, str], key: SigningKey) -> Plan:
        member = self.system.members[name]
        callees = sorted(set(member.calls.values()))
        issuer, now = operator_issuer(self.system.name), time.time()
        tokens = {
            callee: mint_service_token(key, system=issuer, caller=name, callee=callee, now_s=now, life_s=TOKEN_LIFE_S)
            for callee in callees
        }
        return Plan(
            system=self.system.name,
            service=name,
            entry=f"{member.cls.__module__}:{member.cls.__qualname__}",
            version=version,
            database_url=self._databases.get(name),
            peers={callee: urls[callee] for callee in callees},
            tokens=tokens,
            trusted=msgspec.json.encode({"keys": [jwk_of(key.kid, key.public)]}).decode(),
            users=users_plan(self.system, urls),
        )


def _stop_order(system: System) -> list[list[str]]:
    """The gateway, then callers before those that they call."""
    return [[GATEWAY], *([name] for name in reversed(system.order()))]


async def _together(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Run side by side. The first failure ends the others, and is raised by itself."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    failures = [end for end in ends if isinstance(end, BaseException)]
    # Where one fails everything is stopped, and whoever waited for the rest only hears that it was cancelled.
    for failure in sorted(failures, key=lambda each: isinstance(each, asyncio.CancelledError)):
        raise failure


placement = Ensemble
