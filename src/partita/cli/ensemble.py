"""A system as an ensemble: a process and a PostgreSQL database for each service, behind Envoy."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack

import msgspec

from partita.adapters.postgresql.provision import provision
from partita.cli.options import Options
from partita.cli.parts import users_plan, version_of
from partita.control.logs import Logs
from partita.control.postgres import EmbeddedPostgres
from partita.control.spec import Replica, Spec
from partita.control.state import RunningService, State, operator_key, system_folder
from partita.control.supervisor import Supervisor
from partita.data.database import Database
from partita.gateway.admin import Admin
from partita.gateway.config import Gateway
from partita.gateway.envoy import command, find_envoy
from partita.gateway.files import GatewayFiles
from partita.gateway.routes import Endpoint, InlineKeys, JwtRule, RemoteKeys, Route
from partita.identity.tokens import SigningKey, jwk_of, mint_service_token
from partita.runtime.identification import operator_issuer
from partita.runtime.plan import Plan
from partita.service.fields import fields_of
from partita.system.member import Member
from partita.system.model import System
from partita.system.target import load_system

__all__ = ["Ensemble"]

GATEWAY = "gateway"
TOKEN_LIFE_S = 365 * 24 * 3600  # of service tokens, minted anew at each start; renewal comes with the control plane


class Ensemble:
    """Runs a system's services under a supervisor."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stack = AsyncExitStack()
        self._supervisor: Supervisor | None = None
        self._at_once = asyncio.Event()

    async def start(self) -> State:
        """Start PostgreSQL, the services and the gateway; the slow parts beside each other."""
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def run(self, stop: asyncio.Event, at_once: asyncio.Event) -> None:
        """Wait, then drain: the gateway first, then callers before callees, PostgreSQL last."""
        await stop.wait()
        assert self._supervisor is not None
        await self._supervisor.stop(at_once)
        await self._stack.aclose()

    async def _start(self) -> State:
        options = self._options
        find_envoy()
        system = load_system(options.target)
        folder = system_folder(system.name)
        needy = [name for name, member in system.members.items() if _has_database(member)]
        logs = Logs([*system.members, GATEWAY])
        self._stack.callback(logs.close)
        key = operator_key(system.name)
        files = GatewayFiles(folder / "gateway")
        specs = {name: self._spec(name) for name in system.members}
        supervisor = Supervisor([*specs.values(), self._gateway_spec(files)], logs=logs, stop_order=_stop_order(system))
        self._supervisor = supervisor
        self._stack.push_async_callback(supervisor.stop)
        urls = {name: f"http://127.0.0.1:{supervisor.port(name)}" for name in system.members}
        versions = {name: version_of(member.cls) for name, member in system.members.items()}
        files.write(
            gateway_of(system, key, options), {name: [Endpoint("127.0.0.1", supervisor.port(name))] for name in urls}
        )
        preparing = asyncio.ensure_future(supervisor.prepare())
        try:
            databases = await self._databases(system.name, needy)
            await preparing
        except BaseException:
            preparing.cancel()
            raise
        for name, member in system.members.items():
            plan = _plan(system, member, versions[name], databases.get(name), urls, key)
            specs[name].argument["plan"] = msgspec.to_builtins(plan)  # type: ignore[index]
        await supervisor.start()
        return State(
            system=system.name,
            target=options.target,
            pid=os.getpid(),
            gateway=options.url,
            placement="ensemble",
            services={name: RunningService(url=urls[name], version=versions[name]) for name in system.members},
        )

    async def _databases(self, system: str, services: list[str]) -> Mapping[str, str]:
        if not services:
            return {}
        admin = self._options.database_url
        if admin is None:
            server = EmbeddedPostgres(system_folder(system) / "postgres")
            admin = (await self._stack.enter_async_context(server)).url
        prefix = f"{system}-"
        return await provision(admin, {name: secrets.token_urlsafe(24) for name in services}, prefix=prefix)

    def _spec(self, name: str) -> Spec:
        return Spec(
            name=name,
            entry="partita.runtime.process:main",
            argument={},
            path=[entry for entry in sys.path if entry],
            listen=("127.0.0.1", 0),
        )

    def _gateway_spec(self, files: GatewayFiles) -> Spec:
        async def ready(replica: Replica) -> None:
            await Admin(files.admin).ready()

        return Spec(name=GATEWAY, argv=command(files.bootstrap), check=ready)


def _has_database(member: Member) -> bool:
    return any(isinstance(hint, type) and issubclass(hint, Database) for hint in fields_of(member.cls).values())


def _stop_order(system: System) -> list[list[str]]:
    """The gateway, then callers before those that they call."""
    return [[GATEWAY], *([name] for name in reversed(system.order()))]


def gateway_of(system: System, key: SigningKey, options: Options) -> Gateway:
    """The gateway as the contracts want it: every operation that is not internal."""
    routes = tuple(
        Route(
            service=name,
            operation=operation.name,
            method=operation.method,
            path=operation.path,
            access="public" if operation.access.guests else "token",
            timeout_s=operation.timeout_s,
            stream=operation.kind in ("stream", "download"),
        )
        for name, member in system.members.items()
        for operation in member.contract.operations.values()
        if not operation.access.is_internal
    )
    jwks = msgspec.json.encode({"keys": [jwk_of(key.kid, key.public)]})
    rules = [JwtRule(issuer=operator_issuer(system.name), audience=system.name, keys=InlineKeys(jwks))]
    users = system.users
    if users is not None:
        rules.append(
            JwtRule(
                issuer=users.issuer or system.name,
                audience=users.audience or system.name,
                keys=RemoteKeys(service=users.service, path=users.keys),
            )
        )
    return Gateway(system=system.name, routes=routes, rules=tuple(rules), hosts=(options.host,), port=options.port)


def _plan(
    system: System, member: Member, version: str, database_url: str | None, urls: Mapping[str, str], key: SigningKey
) -> Plan:
    callees = sorted(set(member.calls.values()))
    issuer, now = operator_issuer(system.name), time.time()
    tokens = {
        callee: mint_service_token(
            key, system=issuer, caller=member.name, callee=callee, now_s=now, life_s=TOKEN_LIFE_S
        )
        for callee in callees
    }
    return Plan(
        system=system.name,
        service=member.name,
        entry=f"{member.cls.__module__}:{member.cls.__qualname__}",
        version=version,
        database_url=database_url,
        peers={callee: urls[callee] for callee in callees},
        tokens=tokens,
        trusted=msgspec.json.encode({"keys": [jwk_of(key.kid, key.public)]}).decode(),
        users=users_plan(system, urls),
    )
