"""A gateway as data, and the documents that Envoy reads for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec

from partita.core.errors import Mistake, SystemRefused
from partita.gateway.clusters import cluster
from partita.gateway.listener import listener
from partita.gateway.routes import Document, JwtRule, RemoteKeys, Route, mistakes
from partita.gateway.table import route_table
from partita.gateway.xds import extension, watched

__all__ = ["Gateway", "bootstrap", "clusters", "listeners", "tables"]

REGEX_SIZE_MAX = 10_000


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """What should be: the routes of ``system``, open on each of ``hosts`` at ``port``.

    Hosts are numeric addresses, and port 0 means any that is free. ``rules`` say whose tokens count; without one,
    routes that require a token answer 401. Beyond ``connections_max`` clients, further ones are refused. ``idle_s``
    bounds an unused connection to a service and must be below the services' keep-alive time. Raises ``SystemRefused``
    with all mistakes in the routes. ``documents`` are answered by the gateway itself, where no route is.
    """

    system: str
    routes: tuple[Route, ...]
    rules: tuple[JwtRule, ...] = ()
    documents: tuple[Document, ...] = ()
    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 8080
    connections_max: int = 8192
    idle_s: float = 4.0

    def __post_init__(self) -> None:
        found = mistakes(self.routes)
        if not self.hosts:
            found.append(Mistake(f"the gateway of {self.system}", "it has no host.", "Name one, as 127.0.0.1."))
        for host in self.hosts:
            if not _is_address(host):
                fact = f"{host!r} is no numeric address."
                found.append(Mistake(f"the gateway of {self.system}", fact, "Write it as 127.0.0.1 or ::1."))
        if not 0 <= self.port <= 65535:
            fact = f"its port is {self.port}."
            found.append(Mistake(f"the gateway of {self.system}", fact, "Choose one from 1 to 65535."))
        if found:
            raise SystemRefused(found)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that Envoy calls, in order of their names."""
        keys = {rule.keys.service for rule in self.rules if isinstance(rule.keys, RemoteKeys)}
        return tuple(sorted(keys | {route.service for route in self.routes}))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def bootstrap(gateway: Gateway, *, admin: Path, listeners: Path, clusters: Path) -> dict[str, Any]:
    """What Envoy reads once, at start. Its admin interface is the unix socket ``admin``, for this user only."""
    return {
        "node": {"id": "gateway", "cluster": gateway.system},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {"lds_config": watched(listeners), "cds_config": watched(clusters)},
        # The default bound, 100 instructions, refuses the templates of long paths.
        "layered_runtime": {
            "layers": [
                {
                    "name": "regex",
                    "static_layer": {
                        "re2.max_program_size.error_level": REGEX_SIZE_MAX,
                        "re2.max_program_size.warn_level": REGEX_SIZE_MAX,
                    },
                }
            ]
        },
        "overload_manager": {
            "resource_monitors": [
                extension(
                    "resource_monitors.global_downstream_max_connections",
                    "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=gateway.connections_max,
                )
            ]
        },
    }


def listeners(gateway: Gateway, routes: Path) -> list[dict[str, Any]]:
    """The resources of the listener file."""
    return [listener(gateway.hosts, gateway.port, gateway.rules, watched(routes))]


def tables(gateway: Gateway) -> list[dict[str, Any]]:
    """The resources of the route file."""
    return [route_table(gateway.routes, gateway.rules, gateway.documents)]


def clusters(services: Sequence[str], endpoints: Mapping[str, Path], *, idle_s: float) -> list[dict[str, Any]]:
    """The resources of the cluster file; ``endpoints`` has the file of each service."""
    return [cluster(service, watched(endpoints[service]), idle_s=idle_s) for service in services]
