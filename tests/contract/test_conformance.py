"""Schemathesis, with all of its checks, against a real server whose contract uses the whole vocabulary."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

import msgspec
import pytest

from partita import (
    PUBLIC,
    USER,
    Contract,
    Cookie,
    Download,
    Header,
    Message,
    Money,
    Page,
    Problem,
    Raw,
    Secret,
    Unauthenticated,
    Upload,
    User,
    delete,
    get,
    patch,
    post,
    put,
    role,
)
from partita.adapters.http.server import HttpServer
from partita.contract.contract import compiled
from partita.contract.openapi import openapi
from partita.ports.units import NoUnits
from partita.rpc import names
from partita.rpc.answer import Answer
from partita.rpc.app import Identified, ServiceApp
from partita.rpc.endpoint import Endpoint

TOKEN = "a-token-of-a-user"
EXAMPLES = 10


class Size(Enum):
    """A choice that travels by its value."""

    SMALL = "small"
    LARGE = "large"


class Refused(Problem, status=409):
    """It cannot be done now."""

    sku: str
    left: int = 0


class TooLate(Problem, status=409):
    """The day is over."""

    day: date


class Card(Message, tag="card"):
    """Paid at once."""

    number: Secret


class Invoice(Message, tag="invoice"):
    """Paid later."""

    days: Annotated[int, msgspec.Meta(ge=1, le=90)]


class Line(Message, forbid_unknown_fields=True):
    """So many of a thing."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=20, pattern="^[a-z0-9-]+$")]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=99)] = 1
    size: Size = Size.SMALL


class Order(Message, rename="camel"):
    """What somebody wants."""

    lines: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=5)]
    paid_by: Card | Invoice
    total: Money
    note: str | None = None
    labels: frozenset[Literal["gift", "fast"]] = frozenset()


class Change(Message, omit_defaults=True):
    """What shall be different."""

    note: str | msgspec.UnsetType | None = msgspec.UNSET
    days: int | msgspec.UnsetType = msgspec.UNSET


class Placed(Message):
    """An order that was placed."""

    id: UUID
    at: datetime
    share: Decimal
    took: timedelta


class Kitchen(Contract, Protocol, name="kitchen"):
    """Everything that a contract can say."""

    @post("/orders", access=USER, status=201, raises=[Refused, TooLate])
    async def place(self, order: Order) -> Placed: ...

    @post("/orders/dear", access=PUBLIC, idempotency="required")
    async def dear(self, line: Line) -> None: ...

    @get("/orders", access=PUBLIC)
    async def orders(
        self,
        after: str | None = None,
        *,
        limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50,
        size: Size = Size.SMALL,
        tag: tuple[str, ...] = (),
        ratio: float = 0.5,
        open: bool = False,
    ) -> Page[Placed]: ...

    @get("/orders/{id}", access=PUBLIC)
    async def order(self, id: UUID) -> Placed: ...

    @patch("/orders/{order}", access=role("cook"))
    async def change(self, order: UUID, change: Change) -> None: ...

    @delete("/orders/{id}", access=USER)
    async def drop(self, id: UUID) -> None: ...

    @put("/slots/{number}/{day}", access=PUBLIC)
    async def reserve(self, number: int, day: date, line: Line | None = None) -> Line: ...

    @post("/hooks", access=PUBLIC, body_max=4096)
    async def hook(self, raw: Raw, signature: Annotated[str, Header("Bank-Signature")]) -> None: ...

    @put("/files/{name}", access=PUBLIC, body_max=4096)
    async def upload(self, name: str, body: Upload) -> int: ...

    @get("/files/{name}", access=PUBLIC)
    async def download(self, name: str, guest: Annotated[str | None, Cookie("guest")] = None) -> Download: ...

    @get("/orders/{id}/events", access=PUBLIC)
    def watch(self, id: UUID) -> AsyncIterator[Placed]: ...


PLACED = Placed(id=UUID(int=7), at=datetime(2030, 1, 1, tzinfo=UTC), share=Decimal("0.1"), took=timedelta(seconds=3))


class KitchenService(Kitchen):
    """Takes whatever the contract allows."""

    async def place(self, order: Order) -> Placed:
        for line in order.lines:
            if line.quantity > 50:
                raise Refused(sku=line.sku)
        if order.note:
            raise TooLate(day=date(2030, 1, 1))
        return PLACED

    async def dear(self, line: Line) -> None: ...

    async def orders(
        self,
        after: str | None = None,
        *,
        limit: int = 50,
        size: Size = Size.SMALL,
        tag: tuple[str, ...] = (),
        ratio: float = 0.5,
        open: bool = False,
    ) -> Page[Placed]:
        return Page(items=(PLACED,) * min(limit, 2), next=after)

    async def order(self, id: UUID) -> Placed:
        return PLACED

    async def change(self, order: UUID, change: Change) -> None: ...

    async def drop(self, id: UUID) -> None: ...

    async def reserve(self, number: int, day: date, line: Line | None = None) -> Line:
        return line or Line(sku="none")

    async def hook(self, raw: Raw, signature: str) -> None: ...

    async def upload(self, name: str, body: Upload) -> int:
        return sum([len(chunk) async for chunk in body.chunks()])

    async def download(self, name: str, guest: str | None = None) -> Download:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"first,second"

        return Download(chunks(), content_type="text/csv", filename="a.csv")

    async def watch(self, id: UUID) -> AsyncIterator[Placed]:
        yield PLACED


async def identify(headers: Any) -> Identified:
    """Stands in for tokens: there is one, and its user is a cook."""
    token = headers.get(names.AUTHORIZATION)
    if token is None:
        return Identified()
    if token != f"Bearer {TOKEN}":
        raise Unauthenticated(reason="unknown token")
    return Identified(User(id=UUID(int=1), roles=("cook",)))


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The address of a server of the kitchen, which shows its document."""
    service = KitchenService()
    contract = compiled(Kitchen)
    document = msgspec.json.encode(openapi(contract))

    async def page() -> Answer:
        return Answer(200, [("content-type", "application/json")], document)

    endpoints = [
        Endpoint("kitchen", operation, getattr(service, name), NoUnits())
        for name, operation in contract.operations.items()
    ]
    server = HttpServer(ServiceApp(endpoints, identify=identify, pages={"/openapi.json": page}))
    port = await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop()


@pytest.mark.timeout(180)
async def test_the_server_does_what_its_document_says(url: str, tmp_path: Path) -> None:
    """Of the requests that Schemathesis makes, good ones and bad ones, each is answered as documented."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", "all"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1", "--no-color"),
        *("--header", f"Authorization: Bearer {TOKEN}", "--request-timeout", "10", "--continue-on-failure"),
    ]
    run = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path
    )
    said, _ = await run.communicate()
    assert run.returncode == 0, said.decode(errors="replace")[-8000:]
