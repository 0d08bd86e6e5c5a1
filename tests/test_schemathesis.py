"""Schemathesis reads the OpenAPI document of every service, and tries to make the service disagree with it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import pytest

from examples.hello.hello import system as hello
from examples.shop.system import system as shop
from partita import System, Unauthenticated, User
from partita.adapters.http.server import HttpServer
from partita.contract.contract import compiled
from partita.contract.openapi import openapi
from partita.rpc import names
from partita.rpc.answer import Answer
from partita.rpc.app import Identified, ServiceApp
from partita.runtime.together import Together
from partita.testing.running import scratch_folder
from tests.rpc.conftest import Things, ThingsService, endpoints_of

T = TypeVar("T")

USER = User(id=UUID(int=42), roles=("admin", "operator"))
TOKEN, CALLER = "Bearer tester", "tester"
EXAMPLES_MAX = 5  # beside those that cover each constraint
SEED = 20_250_101
# A request that fits may still be declined: 402 is an answer of the shop's payments, as 404 and 409 are.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "402", "403", "404", "409", "429", "5xx"]
"""
# Operations of the suite of calls that fail on purpose: at a deadline, with a bug, without an end, without a peer, with
# a marker that is taken on trust; and those whose types say more than JSON Schema can: decimals, times without a zone,
# streams that end with a problem. tests/contract/test_conformance.py describes those types by what a schema can say.
ON_PURPOSE = "things.(wait|fail|forever|chain|login|pages|texts|buy|count)"


async def identify(headers: Mapping[str, str]) -> Identified:
    """One user and one service are known, each by a word."""
    found = Identified()
    if (token := headers.get(names.AUTHORIZATION)) is not None:
        if token != TOKEN:
            raise Unauthenticated(reason="unknown token")
        found.user, found.token = USER, token
    if (caller := headers.get(names.CALLER)) is not None:
        if caller != CALLER:
            raise Unauthenticated(reason="unknown service")
        found.caller = caller
    return found


class Background:
    """An event loop in a thread, for services that a test program in another process asks."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it there, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def close(self) -> None:
        """End the loop and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def serving(system: System) -> Iterator[dict[str, int]]:
    """The ports of the services, each by its name."""
    background, servers = Background(), []
    with scratch_folder() as folder, ExitStack() as stack:
        stack.callback(background.close)
        together = Together(
            [system.members[name].cls for name in system.order()],
            database_url=lambda name: f"sqlite:///{folder}/{name}.db",
            create=True,
        )
        background.do(together.start())
        stack.callback(lambda: background.do(together.stop()))
        ports = {}
        for name, replica in together.replicas.items():
            server = HttpServer(ServiceApp(replica.endpoints.values(), identify=identify, pages=replica.pages()))
            ports[name] = background.do(server.start())
            servers.append(server)
        try:
            yield ports
        finally:
            for server in servers:
                background.do(server.stop())


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """Every service of the examples, listening."""
    with serving(hello) as first, serving(shop) as second:
        yield {**first, **second}


def disagreements(port: int, folder: Path, *more: str) -> str:
    """What Schemathesis found, in its own words; nothing where the service is as it says."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"http://127.0.0.1:{port}/openapi.json"),
            *("--checks", "all", "--max-examples", str(EXAMPLES_MAX), "--seed", str(SEED), "--workers", "1"),
            *("--phases", "coverage,fuzzing,stateful", "--suppress-health-check", "all", "--warnings", "off"),
            *("--header", f"Authorization:{TOKEN}", "--header", f"Partita-Caller:{CALLER}", "--no-color", *more),
        ],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": ""},
        capture_output=True,
        text=True,
        timeout=55,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("service", [*hello.members, *shop.members])
def test_a_service_is_as_its_document_says(ports: dict[str, int], tmp_path: Path, service: str) -> None:
    """Whatever is sent, statuses, headers and bodies are those of the document, and nothing fails."""
    found = disagreements(ports[service], tmp_path)
    assert not found, found


def test_every_shape_of_a_call_is_as_its_document_says(tmp_path: Path) -> None:
    """The contract with every shape that a call can have is described as it is."""
    document = msgspec.json.encode(openapi(compiled(Things)))

    async def page() -> Answer:
        return Answer(200, [("content-type", "application/json")], document)

    background = Background()
    server = HttpServer(
        ServiceApp(endpoints_of(ThingsService()).values(), identify=identify, pages={"/openapi.json": page})
    )
    try:
        port = background.do(server.start())
        found = disagreements(port, tmp_path, "--exclude-operation-id-regex", ON_PURPOSE)
        background.do(server.stop())
    finally:
        background.close()
    assert not found, found
