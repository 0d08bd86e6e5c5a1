"""What partita.testing gives to a test of one service and of a system."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita import (
    PUBLIC,
    USER,
    Call,
    Clock,
    Contract,
    Database,
    Event,
    Forbidden,
    Ids,
    Invalid,
    Message,
    Misuse,
    NotFound,
    Problem,
    Service,
    ServiceRefused,
    Settings,
    SettingsRefused,
    System,
    Unauthenticated,
    User,
    get,
    on,
    post,
)
from partita.testing import ManualClock, running, running_system
from partita.testing.running import user_of

BUYER = UUID(int=5)


class Base(DeclarativeBase):
    """The tables of the test."""


class OrderRow(Base):
    """An order."""

    __tablename__ = "orders"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[UUID]
    total: Mapped[int]


class Declined(Problem, status=402, commits=True):
    """The card was declined."""

    reason: str


class Placed(Event, name="orders.placed", key="id"):
    """An order was placed."""

    id: UUID
    total: int


class Paid(Event, name="payments.paid", key="order"):
    """An order was paid."""

    order: UUID


class NewOrder(Message):
    """An order."""

    total: int


class Receipt(Message):
    """A receipt."""

    id: UUID


class Payments(Contract, Protocol, name="payments", publishes=[Paid]):
    """Takes money."""

    @post("/charge", raises=[Declined])
    async def charge(self, amount: int) -> Receipt: ...


class Orders(Contract, Protocol, name="orders", publishes=[Placed]):
    """Takes orders."""

    @post("/orders", access=USER, status=202, raises=[Declined])
    async def place(self, order: NewOrder) -> Placed: ...

    @get("/orders/{id}", access=PUBLIC)
    async def total(self, id: UUID) -> int: ...

    @get("/late")
    async def late(self, seconds: float) -> str: ...


class OrdersService(Orders, Service):
    """The service under test."""

    db: Database
    ids: Ids
    call: Call
    clock: Clock
    payments: Payments

    async def place(self, order: NewOrder) -> Placed:
        await self.payments.charge(order.total)
        placed = Placed(id=self.ids.uuid(), total=order.total)
        self.db.session.add(OrderRow(id=placed.id, owner=self.call.user.id, total=order.total))
        await self.db.publish(placed)
        if order.total == 99:
            raise Declined(reason="after the fact")
        if order.total == 98:
            raise NotFound(what="anything")
        return placed

    async def total(self, id: UUID) -> int:
        async with self.db.read() as session:
            row = await session.get(OrderRow, id)
        if row is None:
            raise NotFound(what="order")
        return row.total

    async def late(self, seconds: float) -> str:
        await self.clock.sleep(seconds)
        return self.clock.now().isoformat()

    @on(Paid)
    async def paid(self, event: Paid) -> None:
        row = await self.db.session.get_one(OrderRow, event.order)
        row.total = 0


class FakePayments(Payments):
    """Takes up to 100."""

    async def charge(self, amount: int) -> Receipt:
        if amount > 100:
            raise Declined(reason=str(amount))
        return Receipt(id=UUID(int=amount))


class PaymentsService(Payments, Service):
    """Takes anything."""

    async def charge(self, amount: int) -> Receipt:
        return Receipt(id=UUID(int=amount))


async def test_a_service_runs_with_fakes() -> None:
    """A service runs on a database of its own with a fake for what it calls; what it published can be read."""
    async with running(OrdersService, payments=FakePayments()) as t:
        placed = await t.as_user(BUYER).client(Orders).place(NewOrder(total=5))
        assert t.published(Placed) == (placed,)
        assert await t.client(Orders).total(placed.id) == 5
        assert t.service.payments is not None


async def test_a_problem_of_a_fake_passes_through() -> None:
    """A problem that the fake raises arrives at the caller as its class, and nothing was written or published."""
    async with running(OrdersService, payments=FakePayments()) as t:
        with pytest.raises(Declined, match="500"):
            await t.as_user(BUYER).client(Orders).place(NewOrder(total=500))
        assert t.published(Placed) == ()


async def test_only_what_is_committed_was_published() -> None:
    """What a handler published before a problem is gone with it, unless the problem keeps it."""
    async with running(OrdersService, payments=FakePayments()) as t:
        client = t.as_user(BUYER).client(Orders)
        with pytest.raises(NotFound):
            await client.place(NewOrder(total=98))
        assert t.published(Placed) == ()
        with pytest.raises(Declined):
            await client.place(NewOrder(total=99))
        assert [event.total for event in t.published(Placed)] == [99]


async def test_callers() -> None:
    """A guest, a user and a service are told apart as in production."""
    async with running(OrdersService, payments=FakePayments()) as t:
        with pytest.raises(Unauthenticated):
            await t.client(Orders).place(NewOrder(total=5))
        with pytest.raises(Forbidden):
            await t.as_user(BUYER).client(Orders).late(0)
        assert await t.as_service("cart").client(Orders).late(0)
        assert user_of(User(id=BUYER, roles=("a",)), ("b",)) == User(id=BUYER, roles=("a", "b"))


async def test_an_event_is_delivered() -> None:
    """An event reaches the method that reacts to it, in a unit of work that commits."""
    async with running(OrdersService, payments=FakePayments()) as t:
        placed = await t.as_user(BUYER).client(Orders).place(NewOrder(total=5))
        await t.deliver(Paid(order=placed.id))
        assert await t.client(Orders).total(placed.id) == 0
        with pytest.raises(Misuse, match=r"no method marked @on\(Placed\)"):
            await t.deliver(placed)


async def test_the_clock_stands_until_it_is_advanced() -> None:
    """Whoever sleeps on the clock wakes when the test lets the time pass, and sees that time."""
    async with running(OrdersService, payments=FakePayments()) as t:
        before = t.clock.now()
        waiting = asyncio.create_task(t.as_service("x").client(Orders).late(0.5))
        await t.clock.somebody_sleeps()
        await t.clock.advance(timedelta(seconds=1))
        assert await waiting == (before + timedelta(seconds=1)).isoformat()


async def test_a_fake_is_validated() -> None:
    """A fake that is given the wrong type, or gives it back, fails the test as the wire would."""

    class Wrong(Payments):
        async def charge(self, amount: int) -> Receipt:
            return "no receipt"  # type: ignore[return-value]

    class WrongInside(Payments):
        async def charge(self, amount: int) -> Receipt:
            return Receipt(id="no id")  # type: ignore[arg-type]

    for fake, words in [(Wrong(), "returned a str, and its contract says Receipt"), (WrongInside(), "does not fit")]:
        async with running(OrdersService, payments=fake) as t:
            with pytest.raises(Misuse, match=words):
                await t.as_user(BUYER).client(Orders).place(NewOrder(total=5))
            with pytest.raises(Invalid):
                await t.as_user(BUYER).client(Orders).place(NewOrder(total="five"))  # type: ignore[arg-type]


async def test_a_fake_without_an_operation() -> None:
    """A fake that lacks an operation of its contract is refused by name, before anything is called."""

    class Empty:
        pass

    with pytest.raises(ServiceRefused, match="Empty: it has no charge, which Payments declares"):
        async with running(OrdersService, payments=Empty()):  # type: ignore[call-overload]
            pass


async def test_what_is_undeclared_fails_the_test() -> None:
    """A problem that the contract does not declare is raised as a mistake with its remedy."""

    class Surprising(Payments):
        async def charge(self, amount: int) -> Receipt:
            raise Surprise

    async with running(OrdersService, payments=Surprising()) as t:
        with pytest.raises(Misuse, match=r"does not declare\. Add Surprise to raises"):
            await t.as_user(BUYER).client(Orders).place(NewOrder(total=5))


class Surprise(Problem, status=418):
    """Nobody was told."""


async def test_a_field_that_nobody_can_fill() -> None:
    """A field of a type that the runtime does not know, and a name that is no field, are refused at once."""

    class Odd(PaymentsService):
        number: complex

    with pytest.raises(ServiceRefused) as caught:
        async with running(Odd, other=Ids()):
            pass
    assert len(caught.value.mistakes) == 2


async def test_settings_that_are_missing() -> None:
    """A setting without a default must be given; the test gives it by the field."""

    class Needed(Settings):
        key: str

    class NeedsKey(PaymentsService):
        settings: Needed

    with pytest.raises(SettingsRefused, match="PAYMENTS_KEY"):
        async with running(NeedsKey):
            pass
    async with running(NeedsKey, settings=Needed(key="k")) as t:
        assert t.service.settings.key == "k"


async def test_a_system_runs_in_one_process() -> None:
    """Every service of a system runs, each with a database of its own, and they call each other."""
    system = System("shop", services=[OrdersService, PaymentsService])
    clock = ManualClock()
    async with running_system(system, clock=clock) as t:
        placed = await t.as_user(BUYER).client(Orders).place(NewOrder(total=500))
        assert await t.client(Orders).total(placed.id) == 500
        with pytest.raises(Forbidden):
            await t.client(Payments).charge(1)
        assert (await t.as_service("orders").client(Payments).charge(7)).id == UUID(int=7)
        assert t.service("orders").clock is clock
