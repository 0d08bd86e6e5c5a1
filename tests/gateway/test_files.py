"""The directory: versions, atomic replacement, the socket's path."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path

import pytest

from partita.gateway.config import Gateway
from partita.gateway.files import GatewayFiles
from partita.gateway.routes import Endpoint, Route


def gateway(*services: str) -> Gateway:
    """A route for each service."""
    return Gateway(
        system="shop",
        routes=tuple(
            Route(service=name, operation="all", method="GET", path=f"/{name}", access="public") for name in services
        ),
    )


def contents(folder: Path) -> dict[str, bytes]:
    """All files, by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(path: Path) -> list[str]:
    """The names of a file's resources."""
    found = json.loads(path.read_bytes())["resources"]
    return [resource.get("name", resource.get("cluster_name")) for resource in found]


def test_everything_is_written(tmp_path: Path) -> None:
    """One file for each kind, one for the endpoints of each service, and no leavings."""
    files = GatewayFiles(tmp_path / "new" / "folder")
    files.write(gateway("a", "b"), {"a": [Endpoint("127.0.0.1", 1)]})
    assert sorted(contents(files.directory)) == [
        "bootstrap.json", "clusters.json", "endpoints/a.json", "endpoints/b.json", "listeners.json", "routes.json",
    ]  # fmt: skip
    assert names(files.directory / "clusters.json") == ["a", "b"]


def test_endpoints_change_alone(tmp_path: Path) -> None:
    """Writing the endpoints of one service touches its file only, and gives a version of its own."""
    files = GatewayFiles(tmp_path)
    first = files.write(gateway("a", "b"), {})
    before = contents(tmp_path)
    version = files.write_endpoints("a", [Endpoint("127.0.0.1", 1), Endpoint("127.0.0.1", 2)])
    after = contents(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"endpoints/a.json"}
    assert version.stat == "cluster.a"
    assert version not in first


def test_the_same_content_is_a_new_version(tmp_path: Path) -> None:
    """So that an acknowledgement of the former cannot be taken for one of the latter."""
    files = GatewayFiles(tmp_path)
    files.write(gateway("a"), {})
    assert len({files.write_endpoints("a", [Endpoint("127.0.0.1", 1)]) for _ in range(3)}) == 3


def test_a_service_that_is_gone_keeps_its_cluster_once(tmp_path: Path) -> None:
    """Calls that the old routes let in still find their service."""
    files = GatewayFiles(tmp_path)
    seen = []
    for services in (("a", "b"), ("a",), ("a",)):
        files.write(gateway(*services), {})
        seen.append(names(tmp_path / "clusters.json"))
    assert seen == [["a", "b"], ["a", "b"], ["a"]]


def test_a_file_is_seen_whole_or_not_at_all(tmp_path: Path) -> None:
    """A reader beside the writer never meets half a document."""
    files = GatewayFiles(tmp_path)
    files.write(gateway("a"), {})
    path = tmp_path / "endpoints" / "a.json"
    done = threading.Event()
    read: list[int] = []

    def reader() -> None:
        while not done.is_set():
            read.append(len(json.loads(path.read_bytes())["resources"]))

    thread = threading.Thread(target=reader)
    thread.start()
    for count in range(60):
        files.write_endpoints("a", [Endpoint("127.0.0.1", port) for port in range(1, 2 + count % 50)])
    done.set()
    thread.join(10)
    assert set(read) == {1}


def test_others_may_not_look_in(tmp_path: Path) -> None:
    """The directory, which holds the way to Envoy's admin interface, is for its user only."""
    files = GatewayFiles(tmp_path / "own")
    files.write(gateway("a"), {})
    assert files.directory.stat().st_mode & 0o777 == 0o700


def test_a_long_directory_has_its_socket_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's path is short; where the directory's is not, a folder of this user's takes it."""
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    files = GatewayFiles(tmp_path / ("long" * 40))
    assert len(os.fsencode(files.admin)) <= 103
    assert files.admin == GatewayFiles(tmp_path / ("long" * 40)).admin
    assert files.admin.parent.stat().st_mode & 0o777 == 0o700
    files.admin.parent.rmdir()
    assert GatewayFiles(tmp_path).admin == tmp_path / "admin.sock"
