"""Stock and reservations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from examples.shop.audit import stock_faults
from examples.shop.inventory.api import (
    Delivery,
    Inventory,
    NewReservation,
    OutOfStock,
    ReservationEnded,
    Reserve,
    StockChanged,
    StockLow,
)
from examples.shop.inventory.service import HELD_FOR, InventoryService
from partita import Database, Forbidden, NotFound, running
from partita.testing import Running

ADMIN = uuid4()


def of(order: UUID, sku: str = "new", quantity: int = 1) -> NewReservation:
    return NewReservation(order_id=order, lines=(Reserve(sku=sku, quantity=quantity),))


async def deliver(t: Running[InventoryService], quantity: int, reference: str = "first") -> None:
    await t.as_user(ADMIN, "admin").client(Inventory).restock("new", Delivery(reference=reference, quantity=quantity))


async def left(t: Running[InventoryService], sku: str = "new") -> int:
    return (await t.client(Inventory).item(sku)).available


@pytest.fixture
def db(databases: Callable[[str], str] | None) -> Database:
    return Database(databases("inventory")) if databases is not None else Database()


async def test_the_shelves_are_full_at_first() -> None:
    """Product 123 is in stock, an unknown one is not found."""
    async with running(InventoryService) as t:
        assert await left(t, "123") >= 20
        with pytest.raises(NotFound):
            await left(t, "unknown")


async def test_a_delivery_counts_once() -> None:
    """The same delivery reported again changes nothing."""
    async with running(InventoryService) as t:
        await deliver(t, 5)
        await deliver(t, 5)
        await deliver(t, 2, "second")
        assert await left(t) == 7
        with pytest.raises(Forbidden):
            await t.as_user(uuid4()).client(Inventory).restock("new", Delivery(reference="x", quantity=1))


async def test_of_many_orders_for_the_last_piece_one_gets_it(db: Database) -> None:
    """Twenty orders at once for one piece: one has it, the others hear that there is none."""
    async with running(InventoryService, db=db) as t:
        await deliver(t, 1)
        inventory = t.as_service("orders").client(Inventory)
        outcomes = await asyncio.gather(*(inventory.reserve(of(uuid4())) for _ in range(20)), return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, OutOfStock)]
        assert len(refused) == 19, outcomes
        assert await left(t) == 0
        assert await stock_faults(t.service.db) == []


async def test_repeated_calls_change_nothing(db: Database) -> None:
    """Reserving, confirming and releasing an order again finds it done."""
    async with running(InventoryService, db=db) as t:
        await deliver(t, 5)
        inventory, order = t.as_service("orders").client(Inventory), uuid4()
        assert await inventory.reserve(of(order, quantity=2)) == await inventory.reserve(of(order, quantity=2))
        assert await left(t) == 3
        assert (await inventory.confirm(order)).state == (await inventory.confirm(order)).state == "confirmed"
        await inventory.release(order)
        await inventory.release(order)
        assert await left(t) == 5
        assert await stock_faults(t.service.db) == []


async def test_a_released_order_cannot_reserve_or_confirm() -> None:
    """A release is remembered, also one that comes before the reservation."""
    async with running(InventoryService) as t:
        await deliver(t, 5)
        inventory, order = t.as_service("orders").client(Inventory), uuid4()
        await inventory.release(order)
        with pytest.raises(ReservationEnded):
            await inventory.reserve(of(order))
        with pytest.raises(ReservationEnded):
            await inventory.confirm(order)
        assert await left(t) == 5


async def test_an_order_reserves_all_or_nothing() -> None:
    """Where one line is short, the others are not reserved either."""
    async with running(InventoryService) as t:
        before = await left(t, "123")
        lines = (Reserve(sku="123", quantity=1), Reserve(sku="none", quantity=1))
        with pytest.raises(OutOfStock) as short:
            await t.as_service("orders").client(Inventory).reserve(NewReservation(order_id=uuid4(), lines=lines))
        assert (short.value.sku, short.value.available) == ("none", 0)
        assert await left(t, "123") == before


async def test_an_expired_reservation_gives_way() -> None:
    """Pieces held for too long go to the next order that needs them; a sold piece never does."""
    async with running(InventoryService) as t:
        await deliver(t, 2)
        inventory, sold, held = t.as_service("orders").client(Inventory), uuid4(), uuid4()
        await inventory.reserve(of(sold))
        await inventory.confirm(sold)
        await inventory.reserve(of(held))
        await t.clock.advance(HELD_FOR + timedelta(seconds=1))
        assert (await inventory.reserve(of(uuid4()))).state == "held"
        with pytest.raises(ReservationEnded):
            await inventory.confirm(held)
        with pytest.raises(OutOfStock):
            await inventory.reserve(of(uuid4()))
        assert await stock_faults(t.service.db) == []


async def test_the_job_gives_expired_reservations_back() -> None:
    """What nobody confirmed in time is on the shelf again after the next run of the job."""
    async with running(InventoryService) as t:
        await deliver(t, 1)
        await t.as_service("orders").client(Inventory).reserve(of(uuid4()))
        await t.clock.advance(HELD_FOR + timedelta(seconds=1))
        await t.service.expire()
        assert await left(t) == 1


async def test_changes_of_stock_are_published() -> None:
    """Each change says what is left, and the one that crosses the mark says that it is little."""
    async with running(InventoryService) as t:
        await deliver(t, 6)
        await t.as_service("orders").client(Inventory).reserve(of(uuid4(), quantity=2))
        assert [event.available for event in t.published(StockChanged)] == [6, 4]
        assert [event.available for event in t.published(StockLow)] == [4]
