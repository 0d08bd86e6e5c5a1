"""A running Envoy as its supervisor sees it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from partita.core.errors import StartFailed
from partita.gateway.admin import Admin
from partita.gateway.config import Gateway
from partita.gateway.files import GatewayFiles, Version
from partita.gateway.routes import Endpoint, Route

ROUTE = Route(service="catalog", operation="all", method="GET", path="/products", access="public")
EVENTS = Route(service="catalog", operation="watch", method="GET", path="/events", access="public", stream=True)


async def test_it_tells_where_it_listens_and_its_version(gateway: Any) -> None:
    """The addresses are those that take requests; the version is Envoy's."""
    assert await gateway.admin.ready() == (gateway.endpoint,)
    assert re.fullmatch(r"\d+\.\d+\.\d+", await gateway.admin.version())


async def test_it_may_listen_on_several_hosts(start: Any, services: Any) -> None:
    """Each host takes requests at its own address."""
    gateway = Gateway(system="shop", routes=(ROUTE,), port=0, hosts=("127.0.0.1", "127.0.0.2"))
    running = await asyncio.to_thread(start, gateway, {"catalog": services["catalog"]})
    assert [endpoint.host for endpoint in await running.admin.endpoints()] == ["127.0.0.1", "127.0.0.2"]


async def test_connections_have_a_bound(start: Any, services: Any) -> None:
    """A client beyond the bound is turned away, and the admin interface stays reachable."""
    gateway = Gateway(system="shop", routes=(ROUTE,), port=0, connections_max=2)
    running = await asyncio.to_thread(start, gateway, {"catalog": services["catalog"]})
    writers = []
    for beyond in (False, False, True):
        reader, writer = await asyncio.open_connection(running.endpoint.host, running.endpoint.port)
        writers.append(writer)
        writer.write(b"GET /products HTTP/1.1\r\nhost: a\r\n\r\n")
        with suppress(ConnectionResetError):
            assert (await reader.read(1) == b"") is beyond
    assert await running.admin.ready()
    for writer in writers:
        writer.close()


async def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    """A gateway that does not run is given up after the time that was set."""
    with pytest.raises(StartFailed, match=r"did not start within 0\.1 s \(it does not answer\)"):
        await Admin(tmp_path / "admin.sock").ready(timeout_s=0.1)


async def test_a_port_that_is_taken_is_one_sentence(start: Any) -> None:
    """Another listener on the port is told by the port's number, at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartFailed, match=f"cannot listen on 127.0.0.1:{port}"):
            await asyncio.to_thread(start, Gateway(system="shop", routes=(ROUTE,), port=port), {})


async def test_a_second_gateway_does_not_share_the_port(start: Any, gateway: Any) -> None:
    """Two gateways on one port would each get half of the clients; the second is refused."""
    with pytest.raises(StartFailed, match="cannot listen"):
        await asyncio.to_thread(start, Gateway(system="shop", routes=(ROUTE,), port=gateway.endpoint.port), {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"connect_timeout": "-1s"}, r"\(cluster_manager\.cds\); its log has the reason"),
        ({"misspelt": 1}, r"\(cluster_manager\.cds\); its log has the reason"),
        ({"eds_cluster_config": {}}, "refuses its configuration"),
    ],
)
async def test_a_refused_configuration_is_told(start: Any, services: Any, change: Any, reason: str) -> None:
    """A file that Envoy refuses ends the wait for it at once; the old one stays in force, and a good one is taken."""
    running = await asyncio.to_thread(
        start, Gateway(system="shop", routes=(ROUTE,), port=0), {"catalog": services["catalog"]}
    )
    path = running.files.directory / "clusters.json"
    good = json.loads(path.read_bytes())
    bad = {"version_info": "bad", "resources": [{**good["resources"][0], **change}]}
    beside = path.with_name("beside")
    for document in (bad, {**good, "version_info": "good"}):
        beside.write_text(json.dumps(document))
        beside.replace(path)
        if document is bad:
            with pytest.raises(StartFailed, match=reason):
                await running.admin.acknowledged([Version("cluster_manager.cds", "bad")])
        assert (await asyncio.to_thread(running.ask, "GET", "/products")).status == 200
    await running.admin.acknowledged([Version("cluster_manager.cds", "good")])


async def test_a_version_that_never_comes_is_given_up(gateway: Any) -> None:
    """The wait is bounded, and names what is missing."""
    with pytest.raises(StartFailed, match=r"within 0\.1 s: cluster\.catalog"):
        await gateway.admin.acknowledged([Version("cluster.catalog", "never")], timeout_s=0.1)


async def test_everything_written_at_start_is_acknowledged(gateway: Any) -> None:
    """Each version that ``write`` returns is in force."""
    await gateway.admin.acknowledged(gateway.versions)
    assert len(gateway.versions) == len(gateway.services) + 1 + 3


async def test_a_drain_finishes_what_runs(start: Any, services: Any) -> None:
    """While a stream goes on the drain waits; then it is done, and nobody can connect any more."""
    service = services["catalog"]
    service.release.clear()
    gateway = Gateway(system="shop", routes=(ROUTE, EVENTS), port=0)
    running = await asyncio.to_thread(start, gateway, {"catalog": service})
    reader, writer = await asyncio.open_connection(running.endpoint.host, running.endpoint.port)
    writer.write(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n")
    await reader.readuntil(b"data: first\n\n")

    assert await running.admin.drain(timeout_s=0.1) is False
    service.release.set()
    await reader.readuntil(b"data: second\n\n")
    assert await running.admin.drain(timeout_s=5.0) is True
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(running.endpoint.host, running.endpoint.port)


async def test_a_stale_socket_is_no_obstacle(start: Any, services: Any) -> None:
    """After a kill the next Envoy takes the same directory and the same port."""
    running = await asyncio.to_thread(
        start, Gateway(system="shop", routes=(ROUTE,), port=0), {"catalog": services["catalog"]}
    )
    port = running.endpoint.port
    assert (await asyncio.to_thread(running.ask, "GET", "/products")).status == 200
    running.stop()
    again = Gateway(system="shop", routes=(ROUTE,), port=port)
    files = GatewayFiles(running.files.directory)
    files.write(again, {"catalog": [services["catalog"].endpoint]})
    second = await asyncio.to_thread(start, again, {"catalog": services["catalog"]}, files=files)
    assert await second.admin.ready() == (Endpoint("127.0.0.1", port),)
    assert (await asyncio.to_thread(second.ask, "GET", "/products")).status == 200
