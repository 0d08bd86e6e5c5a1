"""The checkout, through all services: what is bought, what is paid, and what is left when something goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest

from examples.shop.audit import shop_faults
from examples.shop.cart.api import Carts, NotSold, Wanted
from examples.shop.catalog.api import Catalog, NewProduct
from examples.shop.inventory.api import Delivery, Inventory, NewReservation, OutOfStock, Reservation
from examples.shop.orders.api import EmptyCart, NewOrder, Order, OrderConfirmed, Orders, TooLate
from examples.shop.payments.api import Authorization, Declined, Payment, Payments
from examples.shop.system import system
from examples.shop.vocabulary import Address, Price
from partita import ConnectionLost, NotFound, Problem, Secret, pages
from partita.testing import RunningSystem, running_system

BEA, CARL, ADMIN = uuid4(), uuid4(), uuid4()
HOME = Address(name="Bea Stone", street="1 Mill Lane", city="York", postcode="YO1 7HB", country="GB")
GOOD, DECLINED = Secret("4242424242424242"), Secret("4000000000000002")
Fate = Literal["is lost", "is answered into the void"]


@pytest.fixture
async def shop() -> AsyncIterator[RunningSystem]:
    async with running_system(system) as t:
        yield t


@pytest.fixture
async def any_shop(databases: Callable[[str], str] | None) -> AsyncIterator[RunningSystem]:
    async with running_system(system, database_url=databases) as t:
        yield t


async def add_product(t: RunningSystem, sku: str, pieces: int) -> None:
    admin = t.as_user(ADMIN, "admin")
    await admin.client(Catalog).add(
        NewProduct(sku=sku, name="Lantern", description="Bright.", category="lighting", price=Price(amount=2500))
    )
    await admin.client(Inventory).restock(sku, Delivery(reference="first", quantity=pieces))


async def buy(t: RunningSystem, user: UUID, sku: str = "123", quantity: int = 1, card: Secret = GOOD) -> Order:
    await t.as_user(user).client(Carts).put_line(sku, Wanted(quantity=quantity))
    return await t.as_user(user).client(Orders).place(NewOrder(address=HOME, card_number=card))


async def left(t: RunningSystem, sku: str = "123") -> int:
    return (await t.client(Inventory).item(sku)).available


async def faults(t: RunningSystem) -> list[str]:
    return await shop_faults(t.service("orders").db, t.service("payments").db, t.service("inventory").db)


async def test_somebody_buys_something(any_shop: RunningSystem) -> None:
    """The order is confirmed, the money is taken, the pieces are sold, the cart is empty, the books are in order."""
    before = await left(any_shop)
    order = await buy(any_shop, BEA, quantity=2)
    assert (order.state, order.total.amount) == ("confirmed", 2 * 6290)
    assert [(line.name, line.quantity) for line in order.lines] == [("Everyday Pepper Mill", 2)]
    assert await left(any_shop) == before - 2
    assert (await any_shop.as_user(BEA).client(Carts).show()).lines == ()
    states = [state.state async for state in any_shop.as_user(BEA).client(Orders).events(order.id)]
    assert states == ["pending", "confirmed"]
    assert await faults(any_shop) == []


async def test_an_order_keeps_its_price(shop: RunningSystem) -> None:
    """A price that changes later changes no order."""
    order = await buy(shop, BEA)
    await shop.as_user(ADMIN, "admin").client(Catalog).change_price("123", Price(amount=1))
    assert await shop.as_user(BEA).client(Orders).order(order.id) == order


async def test_a_declined_card_leaves_nothing_behind(any_shop: RunningSystem) -> None:
    """The order has failed with the bank's reason, the pieces are back, and the cart is as it was."""
    before = await left(any_shop)
    with pytest.raises(Declined, match="the card was declined"):
        await buy(any_shop, BEA, card=DECLINED)
    (order,) = (await any_shop.as_user(BEA).client(Orders).orders()).items
    assert (order.state, order.reason) == ("failed", "the card was declined")
    assert await left(any_shop) == before
    assert len((await any_shop.as_user(BEA).client(Carts).show()).lines) == 1
    assert await faults(any_shop) == []


async def test_many_buyers_of_the_last_piece(any_shop: RunningSystem) -> None:
    """Of eight who order at once one has it; the others' orders have failed and nobody else has paid."""
    await add_product(any_shop, "last", 1)
    buyers = [uuid4() for _ in range(8)]
    outcomes = await asyncio.gather(*(buy(any_shop, buyer, "last") for buyer in buyers), return_exceptions=True)
    confirmed = [outcome for outcome in outcomes if isinstance(outcome, Order)]
    assert [order.state for order in confirmed] == ["confirmed"], outcomes
    assert len([outcome for outcome in outcomes if isinstance(outcome, OutOfStock)]) == 7, outcomes
    assert await left(any_shop, "last") == 0
    assert await faults(any_shop) == []


async def test_nothing_to_order(shop: RunningSystem) -> None:
    """An empty cart and a product that is sold no more are refused before an order is written."""
    with pytest.raises(EmptyCart):
        await shop.as_user(BEA).client(Orders).place(NewOrder(address=HOME, card_number=GOOD))
    await shop.as_user(BEA).client(Carts).put_line("124", Wanted(quantity=1))
    await shop.as_user(ADMIN, "admin").client(Catalog).withdraw("124")
    with pytest.raises(NotSold):
        await shop.as_user(BEA).client(Orders).place(NewOrder(address=HOME, card_number=GOOD))
    assert (await shop.as_user(BEA).client(Orders).orders()).items == ()


async def test_an_order_is_its_owners(shop: RunningSystem) -> None:
    """Others neither see it, nor hear its events, nor cancel it; an operator sees it."""
    order = await buy(shop, BEA)
    carl = shop.as_user(CARL).client(Orders)
    with pytest.raises(NotFound):
        await carl.order(order.id)
    with pytest.raises(NotFound):
        await carl.cancel(order.id)
    with pytest.raises(NotFound):
        await anext(aiter(carl.events(order.id)))
    assert (await carl.orders()).items == ()
    assert await shop.as_user(CARL, "operator").client(Orders).order(order.id) == order


async def test_orders_come_in_pages(any_shop: RunningSystem) -> None:
    """Turning the pages shows each order once."""
    placed = {(await buy(any_shop, BEA)).id for _ in range(3)}
    shown = [order.id async for order in pages(any_shop.as_user(BEA).client(Orders).orders, limit=2)]
    assert len(shown) == 3
    assert set(shown) == placed


async def test_a_cancelled_order_gives_everything_back(any_shop: RunningSystem) -> None:
    """Money and pieces return, once; an order that has failed cannot be cancelled."""
    before = await left(any_shop)
    order = await buy(any_shop, BEA)
    orders = any_shop.as_user(BEA).client(Orders)
    assert (await orders.cancel(order.id)).state == "cancelled"
    assert await left(any_shop) == before
    with pytest.raises(TooLate):
        await orders.cancel(order.id)
    assert await faults(any_shop) == []


async def test_a_guest_fills_a_cart_and_logs_in(shop: RunningSystem) -> None:
    """What a guest put into the cart is bought by the user that the guest turns out to be."""
    shop.service("cart").ids.token = lambda size_bytes=32: "known"
    await shop.client(Carts).put_line("123", Wanted(quantity=2))
    await shop.as_user(BEA).client(Carts).merge(guest=Secret("known"))
    order = await shop.as_user(BEA).client(Orders).place(NewOrder(address=HOME, card_number=GOOD))
    assert [(line.sku, line.quantity) for line in order.lines] == [("123", 2)]


# --- calls whose answer is lost ---------------------------------------------------------------------------------------


class Wire:
    """Loses one call: before it arrives, or its answer."""

    def __init__(self, operation: str, fate: Fate) -> None:
        self.operation, self.fate = operation, fate
        self.is_broken = True

    async def carry(self, operation: str, call: Callable[..., Any], *arguments: Any) -> Any:
        if not (self.is_broken and operation == self.operation):
            return await call(*arguments)
        if self.fate == "is answered into the void":
            with suppress(Problem):
                await call(*arguments)
        self.is_broken = False
        raise ConnectionLost("the wire broke", service="?", operation=operation, may_have_executed=True)


class FarPayments(Payments):
    """The real payments behind a wire."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.real: Payments

    async def authorize(self, authorization: Authorization) -> Payment:
        return await self.wire.carry("authorize", self.real.authorize, authorization)  # type: ignore[no-any-return]

    async def capture(self, order_id: UUID) -> Payment:
        return await self.wire.carry("capture", self.real.capture, order_id)  # type: ignore[no-any-return]

    async def void(self, order_id: UUID) -> None:
        await self.wire.carry("void", self.real.void, order_id)

    async def refund(self, order_id: UUID) -> Payment:
        return await self.wire.carry("refund", self.real.refund, order_id)  # type: ignore[no-any-return]


class FarInventory(Inventory):
    """The real inventory behind a wire."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.real: Inventory

    async def reserve(self, reservation: NewReservation) -> Reservation:
        return await self.wire.carry("reserve", self.real.reserve, reservation)  # type: ignore[no-any-return]

    async def confirm(self, order_id: UUID) -> Reservation:
        return await self.wire.carry("confirm", self.real.confirm, order_id)  # type: ignore[no-any-return]

    async def release(self, order_id: UUID) -> None:
        await self.wire.carry("release", self.real.release, order_id)


@asynccontextmanager
async def far_shop(wire: Wire) -> AsyncIterator[RunningSystem]:
    payments = FarPayments(wire)  # type: ignore[abstract]  # orders calls nothing else
    inventory = FarInventory(wire)  # type: ignore[abstract]
    async with running_system(system, given={"orders": {"payments": payments, "inventory": inventory}}) as t:
        payments.real = t.as_service("orders").client(Payments)
        inventory.real = t.as_service("orders").client(Inventory)
        yield t


@pytest.mark.parametrize("fate", ["is lost", "is answered into the void"])
@pytest.mark.parametrize("operation", ["reserve", "authorize", "capture", "confirm"])
@pytest.mark.parametrize("settled_by", ["resume", "reconcile"])
async def test_a_checkout_that_was_cut_short_is_settled(operation: str, fate: Fate, settled_by: str) -> None:
    """A lost call leaves the order pending. Settled, it is confirmed and paid once, or it failed and cost nothing."""
    async with far_shop(Wire(operation, fate)) as t:
        order = await buy(t, BEA)
        assert order.state == "pending"
        if settled_by == "resume":
            await t.as_user(uuid4(), "operator").client(Orders).resume(order.id)
        else:
            await t.clock.advance(timedelta(minutes=2))  # type: ignore[attr-defined]
            await t.service("orders").reconcile()
        settled = await t.as_user(BEA).client(Orders).order(order.id)
        was_authorized = operation in ("capture", "confirm") or (operation, fate) == (
            "authorize",
            "is answered into the void",
        )
        assert settled.state == ("confirmed" if was_authorized else "failed")
        assert await faults(t) == []


@pytest.mark.parametrize("fate", ["is lost", "is answered into the void"])
@pytest.mark.parametrize("operation", ["void", "refund", "release"])
async def test_a_cancellation_that_was_cut_short_is_settled(operation: str, fate: Fate) -> None:
    """A cancellation that stops in the middle goes on with the next resume, and refunds once."""
    async with far_shop(Wire(operation, fate)) as t:
        order = await buy(t, BEA)
        assert (await t.as_user(BEA).client(Orders).cancel(order.id)).state == "cancelling"
        settled = await t.as_user(uuid4(), "operator").client(Orders).resume(order.id)
        assert settled.state == "cancelled"
        assert await faults(t) == []


async def test_a_confirmed_order_is_published(shop: RunningSystem) -> None:
    """The event says what was bought."""
    order = await buy(shop, BEA)
    types = [row.type for row in await shop.service("orders").db.published()]
    assert types == ["orders.placed", OrderConfirmed.__partita__["name"]]
    assert order.state == "confirmed"
