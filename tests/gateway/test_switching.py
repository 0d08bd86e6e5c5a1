"""Changes under load: no request is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from partita.gateway.config import Gateway
from partita.gateway.routes import Endpoint, Route

ROUTE = Route(service="catalog", operation="all", method="GET", path="/products", access="public")
WRITE = Route(service="catalog", operation="add", method="POST", path="/products", access="public")


class Load:
    """Clients that ask without a pause, on kept connections, and remember every answer."""

    def __init__(self, endpoint: Endpoint, method: str, clients: int) -> None:
        self.endpoint = endpoint
        self.request = f"{method} /products HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".encode()
        self.answers: list[list[int]] = [[] for _ in range(clients)]
        self.going = True
        self.news = asyncio.Condition()

    @property
    def statuses(self) -> set[int]:
        """What was answered."""
        return {status for answers in self.answers for status in answers}

    async def client(self, answers: list[int]) -> None:
        """One client; a connection that the gateway announced to close is opened anew."""
        while self.going:
            reader, writer = await asyncio.open_connection(self.endpoint.host, self.endpoint.port)
            try:
                while self.going:
                    writer.write(self.request)
                    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                    size = head.partition("content-length: ")[2].partition("\r\n")[0]
                    await reader.readexactly(int(size))
                    async with self.news:
                        answers.append(int(head.split(" ", 2)[1]))
                        self.news.notify_all()
                    if "connection: close" in head:
                        break
            finally:
                writer.close()

    async def answered(self, more: int) -> None:
        """Wait until each client has that many further answers: what was on its way before has then ended."""
        async with asyncio.timeout(20), self.news:
            goals = [len(answers) + more for answers in self.answers]
            await self.news.wait_for(
                lambda: all(len(answers) >= goal for answers, goal in zip(self.answers, goals, strict=True))
            )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Clients ask for the length of a ``with`` block."""
        async with asyncio.TaskGroup() as group:
            for answers in self.answers:
                group.create_task(self.client(answers))
            yield
            self.going = False


async def test_endpoints_switch_under_load(start: Any, replica: Any) -> None:
    """Replicas come and go a dozen times, each stopped as soon as Envoy acknowledged that it is out; nothing fails."""
    old = replica("catalog")
    running = await asyncio.to_thread(start, Gateway(system="shop", routes=(ROUTE, WRITE), port=0), {"catalog": old})
    load = Load(running.endpoint, "POST", 4)
    async with load.running():
        for _ in range(12):
            new = replica("catalog")
            await running.admin.acknowledged([running.files.write_endpoints("catalog", [new.endpoint])])
            await load.answered(4)
            await asyncio.to_thread(old.stop)
            old = new
    assert load.statuses == {200}


async def test_routes_switch_under_load(start: Any, rules: Any, services: Any) -> None:
    """Routes, rules and services are replaced while clients ask; the new route opens, and nothing fails."""
    behind = {"catalog": services["catalog"], "auth": services["auth"]}
    running = await asyncio.to_thread(start, Gateway(system="shop", routes=(ROUTE,), port=0), behind)
    endpoints = {name: [service.endpoint] for name, service in behind.items()}
    load = Load(running.endpoint, "GET", 4)
    async with load.running():
        for number in range(4):
            extra = Route(service="catalog", operation="x", method="GET", path=f"/new-{number}", access="public")
            changed = Gateway(system="shop", routes=(ROUTE, extra), rules=rules if number % 2 else (), port=0)
            await running.admin.acknowledged(running.files.write(changed, endpoints))
            await load.answered(4)
            assert (await asyncio.to_thread(running.ask, "GET", f"/new-{number}")).status == 200
    assert load.statuses == {200}


async def test_a_replica_that_is_gone_costs_reads_nothing(start: Any, replica: Any) -> None:
    """One of two replicas vanishes without notice: what was not sent goes to the other one."""
    stays, goes = replica("catalog"), replica("catalog")
    running = await asyncio.to_thread(start, Gateway(system="shop", routes=(ROUTE,), port=0), {"catalog": stays})
    both = [stays.endpoint, goes.endpoint]
    await running.admin.acknowledged([running.files.write_endpoints("catalog", both)])
    load = Load(running.endpoint, "GET", 16)
    async with load.running():
        await load.answered(5)
        await asyncio.to_thread(goes.stop)
        await load.answered(20)
    assert load.statuses == {200}
