"""Programs outside of a system, and the bound on calls in flight."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from partita import Unauthenticated, Unavailable, connect
from partita.core.call import Invocation
from partita.rpc.arguments import Arguments
from partita.rpc.counters import Counters
from partita.rpc.endpoint import IN_FLIGHT_MAX, Endpoint


def things(placement: Any) -> Any:
    """The conftest's names, which pytest does not let us import."""
    return __import__("sys").modules[type(placement).__module__]


@pytest.mark.parametrize("placement", ["http"], indirect=True)
async def test_an_outside_program_connects(placement: Any) -> None:
    """connect() gives a typed client whose token names the user, and whose writes carry a key."""
    ours = things(placement)
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
    contract = _lonely()
    async with connect(contract, "http://127.0.0.1:9") as client:
        with pytest.raises(Unavailable) as caught:
            await client.ping()
    assert (caught.value.service, caught.value.operation, caught.value.may_have_executed) == ("lonely", "ping", False)


def _lonely() -> Any:
    from typing import Protocol

    from partita import PUBLIC, Contract, get

    class Lonely(Contract, Protocol, name="lonely"):
        @get("/ping", access=PUBLIC)
        async def ping(self) -> None: ...

    return Lonely


@pytest.mark.parametrize("placement", ["in-process"], indirect=True)
async def test_calls_in_flight_are_bounded(placement: Any) -> None:
    """A replica that works on as many calls as it may answers the next one 503 at once."""
    ours = things(placement)
    counters = Counters()
    found = ours.endpoints_of(placement.service)["wait"]
    endpoint = Endpoint("things", found.operation, placement.service.wait, ours.NoUnits(), counters=counters)
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
