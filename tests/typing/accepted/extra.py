"""An older version kept alive by an adapter, and the rest of the HTTP vocabulary."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Protocol, assert_type
from uuid import UUID

import msgspec

from partita import (
    PUBLIC,
    USER,
    Adapter,
    Call,
    Contract,
    Cookie,
    Download,
    Header,
    Message,
    Money,
    Page,
    Raw,
    Secret,
    Service,
    Upload,
    connect,
    delete,
    get,
    pages,
    patch,
    post,
    put,
    role,
)
from tests.typing.accepted.orders.api import NewOrder, Order, Orders


class OrderV1(Order):
    legacy: str = ""


class OrdersV1(Contract, Protocol, name="orders", prefix="/v1"):
    @post("/orders", access=USER)
    async def place(self, order: int) -> OrderV1: ...


class OrdersV1Adapter(OrdersV1, Adapter):
    orders: Orders

    async def place(self, order: int) -> OrderV1:
        new = await self.orders.place(NewOrder(total=order))
        return OrderV1(id=new.id, total=new.total)


class Change(Message, omit_defaults=True):
    title: str | msgspec.UnsetType = msgspec.UNSET
    price: Money | msgspec.UnsetType | None = msgspec.UNSET
    key: Secret | None = None
    lines: Annotated[tuple[int, ...], msgspec.Meta(max_length=10)] = ()


class Files(Contract, Protocol, name="files"):
    @put("/files/{id}", access=USER, body_max=1 << 30)
    async def upload(self, id: UUID, body: Upload) -> Order: ...

    @get("/files/{id}", access=PUBLIC)
    async def download(
        self, id: UUID, if_none_match: Annotated[str | None, Header("If-None-Match")] = None
    ) -> Download: ...

    @get("/files", access=role("admin") | USER)
    async def files(self, after: str | None = None, *, limit: int = 50) -> Page[Order]: ...

    @patch("/files/{id}", access=USER)
    async def change(self, id: UUID, change: Change) -> None: ...

    @delete("/files/{id}", idempotency="required")
    async def drop(self, id: UUID) -> None: ...

    @post("/webhooks/bank", access=PUBLIC)
    async def bank(
        self,
        raw: Raw,
        signature: Annotated[str, Header("Bank-Signature")],
        guest: Annotated[str | None, Cookie("guest")] = None,
    ) -> None: ...


class FilesService(Files, Service):
    call: Call

    async def upload(self, id: UUID, body: Upload) -> Order:
        total = 0
        async for chunk in body.chunks():
            total += len(chunk)
        return Order(id=id, total=total)

    async def download(self, id: UUID, if_none_match: str | None = None) -> Download:
        async def chunks() -> AsyncIterator[bytes]:
            yield str(id).encode()

        return Download(chunks(), content_type="text/plain", filename="id.txt")

    async def files(self, after: str | None = None, *, limit: int = 50) -> Page[Order]:
        start = int(after or 0)
        stop = min(start + limit, 5)
        items = tuple(Order(id=UUID(int=n), total=n) for n in range(start, stop))
        return Page(items=items, next=str(stop) if stop < 5 else None)

    async def change(self, id: UUID, change: Change) -> None:
        if change.title is not msgspec.UNSET:
            assert_type(change.title, str)
        if isinstance(change.price, Money):
            assert_type(change.price + change.price * 2, Money)

    async def drop(self, id: UUID) -> None: ...

    async def bank(self, raw: Raw, signature: str, guest: str | None = None) -> None:
        self.call.reply.headers["Seen"] = signature


async def every_file(files: Files) -> list[int]:
    return [assert_type(order, Order).total async for order in pages(files.files, limit=3)]


async def from_outside(url: str) -> list[int]:
    async with connect(Files, url, token="t") as files:
        return await every_file(files)
