"""Customers who buy while services die, and what must be true afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from examples.shop.audit import audit
from examples.shop.cart.api import Carts, Wanted
from examples.shop.orders.api import NewOrder, Orders
from examples.shop.tests.journey import GOOD, HOME, Customer, register
from partita import CallFailed, Problem, connect, pages

__all__ = ["buy_until", "buy_while_services_die", "settle"]

CUSTOMERS = 4


async def buy_until(base_url: str, customer: Customer, stop: asyncio.Event, seen: Counter[str]) -> None:
    """Buy one thing after the other; whatever fails is tried again."""
    async with (
        connect(Carts, base_url, token=customer.token) as carts,
        connect(Orders, base_url, token=customer.token) as orders,
    ):
        while not stop.is_set():
            try:
                await carts.put_line(str(100 + sum(seen.values()) % 500), Wanted(quantity=1))
                seen[(await orders.place(NewOrder(address=HOME, card_number=GOOD))).state] += 1
            except (CallFailed, Problem) as error:
                seen[type(error).__name__] += 1
                await asyncio.sleep(0.02)


async def settle(base_url: str, customers: Sequence[Customer], token: str) -> Counter[str]:
    """Resume what was cut short, as an operator does. Returns how many orders are in which state."""
    states: Counter[str] = Counter()
    for customer in customers:
        async with (
            connect(Orders, base_url, token=customer.token) as theirs,
            connect(Orders, base_url, token=token) as operators,
        ):
            async for order in pages(theirs.orders, limit=100):
                is_open = order.state in ("pending", "cancelling")
                states[(await operators.resume(order.id)).state if is_open else order.state] += 1
    return states


async def buy_while_services_die(
    base_url: str, token: str, databases: str, kill: Callable[[], Awaitable[object]]
) -> Counter[str]:
    """Customers buy while ``kill`` does its work; then each order is confirmed or failed, and the books are in order.

    ``token`` is an operator's, ``databases`` the URL of the services' databases with ``{}`` for a service's name. When
    ``kill`` returns, every service runs again. Returns what was seen.
    """
    customers = [await register(base_url) for _ in range(CUSTOMERS)]
    stop, seen = asyncio.Event(), Counter[str]()
    buying = [asyncio.create_task(buy_until(base_url, customer, stop, seen)) for customer in customers]
    await kill()
    stop.set()
    await asyncio.gather(*buying)
    states = await settle(base_url, customers, token)
    assert states["confirmed"] > 0, (states, seen)
    assert set(states) <= {"confirmed", "failed"}, (states, seen)
    faults = await audit(databases)
    assert faults == [], faults
    return seen
