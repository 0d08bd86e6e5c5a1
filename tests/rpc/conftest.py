"""A service whose every call can be made in process and over HTTP, so that one test body runs on both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Protocol
from uuid import UUID

import msgspec
import pytest

from partita import (
    INTERNAL,
    PUBLIC,
    USER,
    Call,
    Contract,
    Cookie,
    Download,
    Header,
    Message,
    NotFound,
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
from partita.adapters.http.client import HttpTransport
from partita.adapters.http.server import HttpServer
from partita.contract.contract import compiled
from partita.core.call import transaction
from partita.ports.units import NoUnits
from partita.rpc import names
from partita.rpc.app import Identified, ServiceApp
from partita.rpc.client import client
from partita.rpc.endpoint import Endpoint
from partita.rpc.local import LocalChannel
from partita.rpc.wire import WireChannel

UNKNOWN = object()
ADA = User(id=UUID(int=1), roles=("admin",))
BOB = User(id=UUID(int=2))


class Colour(Enum):
    """A choice that travels by its value."""

    RED = "red"
    BLUE = "blue"


class OutOfStock(Problem, status=409):
    """There is not enough of it."""

    sku: str
    left: int


class Undeclared(Problem, status=418):
    """Nobody was told of this one."""


class Line(Message):
    """One line of a basket."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=99)]


class Basket(Message):
    """Lines, and what is said with them."""

    lines: tuple[Line, ...]
    note: str | None = None
    price: Decimal = Decimal("0.00")


class Change(Message, omit_defaults=True):
    """A partial change."""

    note: str | msgspec.UnsetType | None = msgspec.UNSET


class Login(Message):
    """A name and a password."""

    name: str
    password: Secret


class Seen(Message):
    """What the service saw of a call."""

    user: UUID | None = None
    caller: str | None = None
    key: str | None = None
    remaining_s: float = 0.0
    trace: str = ""
    texts: tuple[str, ...] = ()


class Things(Contract, Protocol, name="things"):
    """Every shape that a call can have."""

    @post("/baskets", access=PUBLIC, raises=[OutOfStock], status=201)
    async def buy(self, basket: Basket) -> Basket: ...

    @patch("/baskets/{id}", access=PUBLIC)
    async def change(self, id: UUID, change: Change) -> Seen: ...

    @put("/baskets/{id}/{slot}", access=PUBLIC)
    async def place(self, id: UUID, slot: int, line: Line) -> None: ...

    @delete("/baskets/{id}", access=PUBLIC)
    async def drop(self, id: UUID) -> None: ...

    @get("/texts/{name}", access=PUBLIC)
    async def texts(
        self,
        name: str,
        day: datetime,
        colour: Colour = Colour.RED,
        tag: tuple[str, ...] = (),
        limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10,
        exact: bool = False,
        agent: Annotated[str | None, Header("X-Agent")] = None,
        guest: Annotated[str | None, Cookie("guest")] = None,
    ) -> Seen: ...

    @get("/pages", access=PUBLIC)
    async def pages(self, after: str | None = None, *, size: int = 2) -> Page[int]: ...

    @get("/me", access=USER)
    async def me(self) -> Seen: ...

    @get("/admin", access=role("admin"))
    async def admin(self) -> Seen: ...

    @get("/inside", access=INTERNAL)
    async def inside(self) -> Seen: ...

    @post("/login", access=PUBLIC)
    async def login(self, login: Login) -> Login: ...

    @post("/raw", access=PUBLIC)
    async def raw(self, raw: Raw, signature: Annotated[str, Header("Bank-Signature")]) -> Seen: ...

    @put("/files/{name}", access=PUBLIC, body_max=1000)
    async def upload(self, name: str, body: Upload) -> Seen: ...

    @get("/files/{name}", access=PUBLIC)
    async def download(self, name: str) -> Download: ...

    @get("/count/{until}", access=PUBLIC, raises=[OutOfStock])
    def count(self, until: int) -> AsyncIterator[Line]: ...

    @get("/forever", access=PUBLIC)
    def forever(self) -> AsyncIterator[Line]: ...

    @get("/transacting", access=PUBLIC)
    def transacting(self) -> AsyncIterator[int]: ...

    @get("/wait", access=PUBLIC, timeout=0.05)
    async def wait(self) -> None: ...

    @post("/chain", access=PUBLIC, timeout=5.0)
    async def chain(self) -> Seen: ...

    @post("/fail", access=PUBLIC)
    async def fail(self, how: str) -> None: ...


@dataclass
class ThingsService(Things):
    """Answers with what it was given."""

    channel: Any = None
    answer: Any = UNKNOWN
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    call: Call = field(default_factory=Call)

    async def buy(self, basket: Basket) -> Basket:
        for line in basket.lines:
            if line.quantity > 50:
                raise OutOfStock(sku=line.sku, left=50)
        self.call.reply.headers["X-Baskets"] = "1"
        return basket

    async def change(self, id: UUID, change: Change) -> Seen:
        return Seen(texts=("unset" if change.note is msgspec.UNSET else repr(change.note),))

    async def place(self, id: UUID, slot: int, line: Line) -> None:
        if slot < 0:
            raise NotFound(what="slot")

    async def drop(self, id: UUID) -> None: ...

    async def texts(
        self,
        name: str,
        day: datetime,
        colour: Colour = Colour.RED,
        tag: tuple[str, ...] = (),
        limit: int = 10,
        exact: bool = False,
        agent: str | None = None,
        guest: str | None = None,
    ) -> Seen:
        return Seen(texts=(name, day.isoformat(), colour.value, *tag, str(limit), str(exact), str(agent), str(guest)))

    async def pages(self, after: str | None = None, *, size: int = 2) -> Page[int]:
        start = int(after or 0)
        stop = min(start + size, 5)
        return Page(items=tuple(range(start, stop)), next=str(stop) if stop < 5 else None)

    async def me(self) -> Seen:
        seen: Seen = self.answer if self.answer is not UNKNOWN else self._seen()
        return seen

    async def admin(self) -> Seen:
        return self._seen()

    async def inside(self) -> Seen:
        return self._seen()

    async def login(self, login: Login) -> Login:
        assert login.password.reveal() == "correct horse"
        return login

    async def raw(self, raw: Raw, signature: str) -> Seen:
        return Seen(texts=(raw.body.hex(), raw.content_type, signature))

    async def upload(self, name: str, body: Upload) -> Seen:
        total = 0
        async for chunk in body.chunks():
            total += len(chunk)
        return Seen(texts=(str(total), body.content_type))

    async def download(self, name: str) -> Download:
        if name == "none":
            raise NotFound(what=name)

        async def chunks() -> AsyncIterator[bytes]:
            yield b"first,"
            yield b"second"

        return Download(chunks(), content_type="text/csv", filename=name)

    async def count(self, until: int) -> AsyncIterator[Line]:
        for number in range(1, 4):
            if number > until:
                raise OutOfStock(sku="line", left=until)
            yield Line(sku=f"s{number}", quantity=number)

    async def forever(self) -> AsyncIterator[Line]:
        try:
            while True:
                yield Line(sku="again", quantity=1)
                await asyncio.sleep(0)
        finally:
            self.cancelled.set()

    async def transacting(self) -> AsyncIterator[int]:
        for number in range(3):
            with transaction("a test's transaction"):
                yield number

    async def wait(self) -> None:
        self.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def chain(self) -> Seen:
        inner = client(Things, self.channel)
        seen = await inner.inside()
        assert seen.key is None
        return Seen(
            user=seen.user,
            caller=seen.caller,
            key=self.call.key,
            remaining_s=seen.remaining_s,
            trace=seen.trace,
        )

    async def fail(self, how: str) -> None:
        if how == "undeclared":
            raise Undeclared
        raise RuntimeError("the secret cause")

    def _seen(self) -> Seen:
        user = self.call.optional_user
        return Seen(
            user=user.id if user is not None else None,
            caller=self.call.caller,
            key=self.call.key,
            remaining_s=self.call.remaining_s(),
            trace=self.call.trace.trace_id,
        )


async def identify(headers: Any) -> Identified:
    """Stands in for tokens: their text is the name."""
    found = Identified()
    token = headers.get(names.AUTHORIZATION)
    if token is not None:
        user = {"Bearer ada": ADA, "Bearer bob": BOB}.get(token)
        if user is None:
            raise Unauthenticated(reason="unknown token")
        found.user, found.token = user, token.removeprefix("Bearer ")
    found.caller = headers.get(names.CALLER)
    return found


@dataclass
class Placement:
    """The service, and clients of it for different callers."""

    name: str
    service: ThingsService
    connect: Callable[..., Any]
    url: str = ""

    def client(self, *, user: User | None = None, caller: str | None = None) -> Things:
        """A client for a caller from outside, with the identity of ``user``, or for the service ``caller``."""
        made: Things = self.connect(user, caller)
        return made


def endpoints_of(service: ThingsService) -> dict[str, Endpoint]:
    """The endpoints of the service."""
    return {
        name: Endpoint("things", operation, getattr(service, name), NoUnits())
        for name, operation in compiled(Things).operations.items()
    }


@pytest.fixture(params=["in-process", "http"])
async def placement(request: pytest.FixtureRequest) -> AsyncIterator[Placement]:
    """The service in this process, and behind a real socket."""
    service = ThingsService()
    endpoints = endpoints_of(service)
    if request.param == "in-process":
        service.channel = LocalChannel(endpoints.get, caller="things")
        yield Placement(
            "in-process",
            service,
            lambda user, caller: client(Things, LocalChannel(endpoints.get, caller=caller, user=user)),
        )
        return
    server = HttpServer(ServiceApp(endpoints.values(), identify=identify))
    port = await server.start()
    transport = HttpTransport(f"http://127.0.0.1:{port}")
    tokens = {ADA.id: "ada", BOB.id: "bob"}

    def connect(user: User | None, caller: str | None) -> Things:
        token = tokens[user.id] if user is not None else None
        return client(Things, WireChannel(transport, service_token=lambda: caller, user_token=token))

    service.channel = WireChannel(transport, service_token=lambda: "things")
    yield Placement("http", service, connect, f"http://127.0.0.1:{port}")
    await transport.close()
    await server.stop()


@pytest.fixture
def tomorrow() -> datetime:
    """A time with a zone."""
    return datetime(2030, 5, 17, 9, 30, tzinfo=UTC) + timedelta(days=1)
