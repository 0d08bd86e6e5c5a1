"""The documents themselves, judged by Envoy."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from partita.core.errors import SystemRefused
from partita.gateway.clusters import cluster
from partita.gateway.config import Gateway, listeners, tables
from partita.gateway.envoy import find_envoy
from partita.gateway.routes import JwtRule, RemoteKeys, Route

ROUTE = Route(service="catalog", operation="all", method="GET", path="/products", access="token")


def validate(path: Path, document: dict[str, Any]) -> str:
    """What ``envoy --mode validate`` says; empty when it accepts."""
    path.write_text(json.dumps(document))
    found = subprocess.run(
        [find_envoy(), "--mode", "validate", "-c", path, "--log-level", "warning"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    return "" if found.returncode == 0 and "OK" in found.stdout + found.stderr else found.stderr


def whole(gateway: Gateway) -> dict[str, Any]:
    """All resources in one document, since validation does not follow files."""
    (listener,) = listeners(gateway, Path("/nowhere/routes.json"))
    (table,) = tables(gateway)
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    del manager["rds"]
    manager["route_config"] = {
        name: value for name, value in table.items() if name not in ("@type", "validate_clusters")
    }
    services = [cluster(name, {"ads": {}}, idle_s=4.0) for name in gateway.services]
    for each in services:
        del each["eds_cluster_config"]
        each["type"] = "STATIC"
    static = {"listeners": [listener], "clusters": services}
    for each in (listener, *services):
        del each["@type"]
    return {"node": {"id": "a", "cluster": "b"}, "static_resources": static}


def test_envoy_accepts_the_documents(tmp_path: Path, rules: Any) -> None:
    """``envoy --mode validate`` has nothing to say about all resources in one document."""
    gateway = Gateway(system="shop", routes=(ROUTE,), rules=rules, hosts=("127.0.0.1", "::1"))
    assert validate(tmp_path / "good.json", whole(gateway)) == ""


def test_envoy_refuses_what_it_does_not_know(tmp_path: Path, rules: Any) -> None:
    """The check would see a misspelt field."""
    document = whole(Gateway(system="shop", routes=(ROUTE,), rules=rules))
    document["static_resources"]["clusters"][0]["misspelt"] = 1
    assert "misspelt" in validate(tmp_path / "bad.json", document)


def test_envoy_starts_without_a_warning(gateway: Any) -> None:
    """Nothing deprecated, nothing ignored: the log of a gateway that served is empty."""
    assert gateway.ask("GET", "/products").status == 200
    assert gateway.log.read_text() == ""


def test_services_are_those_with_routes_and_with_keys() -> None:
    """A service that only publishes keys has a cluster too."""
    rule = JwtRule(issuer="i", audience="a", keys=RemoteKeys(service="auth"))
    assert Gateway(system="shop", routes=(ROUTE,), rules=(rule,)).services == ("auth", "catalog")


def test_a_gateway_that_cannot_work_is_refused() -> None:
    """All mistakes come at once, when the gateway is made."""
    other = Route(service="other", operation="all", method="GET", path="/products", access="public")
    with pytest.raises(SystemRefused) as caught:
        Gateway(system="shop", routes=(ROUTE, other), hosts=("localhost", ""), port=-1)
    assert len(caught.value.mistakes) == 4
    with pytest.raises(SystemRefused, match="it has no host"):
        Gateway(system="shop", routes=(ROUTE,), hosts=())
