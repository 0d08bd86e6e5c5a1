"""Programs outside of a system, and the bound on calls in flight."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol
from uuid import UUID

import pytest

from partita import PUBLIC, Contract, Unauthenticated, Unavailable, connect, get
from partita.core.call import Invocation
from partita.ports.units import NoUnits
from partita.rpc.arguments import Arguments
from partita.rpc.counters import Counters
from partita.rpc.endpoint import IN_FLIGHT_MAX, Endpoint
from tests.rpc import conftest as ours


class Lonely(Contract, Protocol, name="lonely"):
    """Nobody implements it."""

    @get("/ping", access=PUBLIC)
    async def ping(self) -> None: ...


@pytest.mark.parametrize("placement", ["http"], indirect=True)
async def test_an_outside_program_connects(placement: Any) -> None:
    """connect() gives a typed client whose token names the user, and whose writes carry a key."""
    async with connect(ours.Things, placement.url, token="ada") as client:
        assert (await client.me()).user == UUID(int=1)
        assert (await client.admin()).user == UUID(int=1)
        keys = {(await client.chain()).key for _ in range(2)}
        assert len(keys) == 2
        assert None not in keys
    async with connect(ours.Things, placement.url) as client:
        with pytest.raises(Unauthenticated):
            await client.me()


async def test_nobody_listens() -> None:
    """A service that cannot be reached is Unavailable, by its name, and nothing was executed."""
    async with connect(Lonely, "http://127.0.0.1:9") as client:
        with pytest.raises(Unavailable) as caught:
            await client.ping()
    assert (caught.value.service, caught.value.operation, caught.value.may_have_executed) == ("lonely", "ping", False)


@pytest.mark.parametrize("placement", ["in-process"], indirect=True)
async def test_calls_in_flight_are_bounded(placement: Any) -> None:
    """A replica that works on as many calls as it may answers the next one 503 at once."""
    counters = Counters()
    found = ours.endpoints_of(placement.service)["wait"]
    endpoint = Endpoint("things", found.operation, placement.service.wait, NoUnits(), counters=counters)
    waiting = [asyncio.create_task(endpoint(Invocation("things", "wait"), Arguments())) for _ in range(IN_FLIGHT_MAX)]
    await placement.service.entered.wait()
    while counters.in_flight < IN_FLIGHT_MAX:  # noqa: ASYNC110 - each turn of the loop lets the tasks begin
        await asyncio.sleep(0)
    answer = await endpoint(Invocation("things", "wait"), Arguments())
    assert answer.status == 503
    assert ("retry-after", "1") in answer.headers
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert counters.in_flight == 0
