"""The directory that Envoy watches: written beside and renamed, so that a file is seen whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from partita.gateway.clusters import assignment
from partita.gateway.config import Gateway, bootstrap, clusters, listeners, tables
from partita.gateway.listener import STATS
from partita.gateway.routes import Endpoint
from partita.gateway.table import ROUTES

__all__ = ["GatewayFiles", "Version"]

# sun_path holds 108 bytes on Linux and 104 on macOS, a zero among them.
SOCKET_BYTES_MAX = 103


class Version(NamedTuple):
    """A version of one of the files. Envoy's statistics under ``stat`` tell when it is in force."""

    stat: str
    text: str


class GatewayFiles:
    """What Envoy reads, in ``directory``, which is made if need be. For one writer at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.admin = _admin_socket(self.directory)
        self._count = 0
        self._services: frozenset[str] = frozenset()

    @property
    def bootstrap(self) -> Path:
        """What Envoy is started with."""
        return self.directory / "bootstrap.json"

    def write(self, gateway: Gateway, endpoints: Mapping[str, Sequence[Endpoint]]) -> list[Version]:
        """Write everything. Services that ``endpoints`` does not name have none.

        Under a running Envoy, routes, services and token rules change without a lost request. A service that is gone
        from ``gateway`` keeps its cluster until the next ``write``, for calls that the old routes let in. Hosts
        and port change only with a new Envoy, as do ``connections_max`` and ``system``. Raises ``OSError``.
        """
        for folder in (self.directory, self.directory / "endpoints"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        services = frozenset(gateway.services)
        versions = [self.write_endpoints(service, endpoints.get(service, ())) for service in sorted(services)]
        present = sorted(services | self._services)
        self._services = services
        paths = {service: self._endpoints(service) for service in present}
        groups = clusters(present, paths, idle_s=gateway.idle_s)
        versions.append(self._resources("clusters.json", "cluster_manager.cds", groups))
        versions.append(self._resources("routes.json", f"http.{STATS}.rds.{ROUTES}", tables(gateway)))
        entries = listeners(gateway, self.directory / "routes.json")
        versions.append(self._resources("listeners.json", "listener_manager.lds", entries))
        start = bootstrap(
            gateway,
            admin=self.admin,
            listeners=self.directory / "listeners.json",
            clusters=self.directory / "clusters.json",
        )
        self._replace(self.bootstrap, start)
        return versions

    def write_endpoints(self, service: str, endpoints: Sequence[Endpoint]) -> Version:
        """Replace the endpoints of one service, and nothing else. Raises ``OSError``."""
        name = f"endpoints/{self._endpoints(service).name}"
        return self._resources(name, f"cluster.{service}", [assignment(service, endpoints)])

    def _endpoints(self, service: str) -> Path:
        return self.directory / "endpoints" / f"{service}.json"

    def _resources(self, name: str, stat: str, resources: Iterable[dict[str, Any]]) -> Version:
        """A ``DiscoveryResponse``. The count tells apart two versions with the same content."""
        content = list(resources)
        self._count += 1
        text = f"{self._count}-{sha256(msgspec.json.encode(content)).hexdigest()[:12]}"
        self._replace(self.directory / name, {"version_info": text, "resources": content})
        return Version(stat, text)

    def _replace(self, path: Path, document: dict[str, Any]) -> None:
        beside = path.with_name(f".{path.name}.new")
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1))
        os.replace(beside, path)


def _admin_socket(directory: Path) -> Path:
    """In the directory, or where that path is too long for a socket, in one of this user's own with a short path."""
    path = directory / "admin.sock"
    if len(os.fsencode(path)) <= SOCKET_BYTES_MAX:
        return path
    mark = sha256(os.fsencode(directory)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"partita-{os.getuid()}-{mark}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.getuid():
        raise PermissionError(f"{short} belongs to somebody else; remove it, or choose a shorter directory.")
    return short / "admin.sock"
