"""What must be true of the shop at any moment when nothing is under way.

``python -m examples.shop.audit --databases URL`` checks a running shop; ``{}`` in the URL stands for a service's name.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from sqlalchemy import func, select

from examples.shop.inventory.tables import DeliveryRow, ItemRow, ReservationRow, ReservedRow
from examples.shop.orders.tables import OrderRow
from examples.shop.payments.tables import EntryRow, PaymentRow
from partita import Database
from partita.runtime.engines import open_engine

__all__ = ["audit", "checkout_faults", "ledger_faults", "main", "shop_faults", "stock_faults"]


async def ledger_faults(payments: Database) -> list[str]:
    """The ledger sums to zero in each currency, and what customers owe is what was captured and not refunded."""
    async with payments.read() as session:
        sums = (
            await session.execute(select(EntryRow.currency, func.sum(EntryRow.amount)).group_by(EntryRow.currency))
        ).all()
        booked = await session.scalar(select(func.sum(EntryRow.amount)).where(EntryRow.account == "customers"))
        captured = await session.scalar(select(func.sum(PaymentRow.amount)).where(PaymentRow.state == "captured"))
    faults = [f"the ledger in {currency} sums to {total}, not to zero" for currency, total in sums if total]
    if (booked or 0) != (captured or 0):
        faults.append(f"customers have paid {booked or 0} by the ledger and {captured or 0} by their payments")
    return faults


async def stock_faults(inventory: Database) -> list[str]:
    """For each product: on hand + reserved + sold = received, none below zero, and reserved is what orders hold."""
    received = (
        select(DeliveryRow.sku, func.sum(DeliveryRow.quantity).label("pieces")).group_by(DeliveryRow.sku).subquery()
    )
    held = (
        select(ReservedRow.sku, func.sum(ReservedRow.quantity).label("pieces"))
        .join(ReservationRow, ReservationRow.order_id == ReservedRow.order_id)
        .where(ReservationRow.state == "held")
        .group_by(ReservedRow.sku)
        .subquery()
    )
    query = (
        select(ItemRow, func.coalesce(received.c.pieces, 0), func.coalesce(held.c.pieces, 0))
        .outerjoin(received, received.c.sku == ItemRow.sku)
        .outerjoin(held, held.c.sku == ItemRow.sku)
    )
    async with inventory.read() as session:
        rows = (await session.execute(query)).all()
    faults = []
    for item, arrived, kept in rows:
        counts = f"{item.on_hand} on hand, {item.reserved} reserved, {item.sold} sold"
        if item.on_hand + item.reserved + item.sold != arrived:
            faults.append(f"{item.sku}: {counts}, and {arrived} received")
        if min(item.on_hand, item.reserved, item.sold) < 0:
            faults.append(f"{item.sku}: {counts}: less than none")
        if item.reserved != kept:
            faults.append(f"{item.sku}: {item.reserved} reserved, and orders hold {kept}")
    return faults


async def checkout_faults(orders: Database, payments: Database, inventory: Database) -> list[str]:
    """Each confirmed order is paid and its pieces are sold; no other order is paid or holds pieces.

    Charges that an operator named by number belong to no order of the shop.
    """
    async with orders.read() as session:
        states = {
            str(id): (state, total)
            for id, state, total in await session.execute(select(OrderRow.id, OrderRow.state, OrderRow.total))
        }
    async with payments.read() as session:
        captured = select(PaymentRow.order_id, PaymentRow.amount).where(PaymentRow.state == "captured")
        paid = {order: amount for order, amount in await session.execute(captured) if not order.isdigit()}
    async with inventory.read() as session:
        rows = await session.execute(select(ReservationRow.order_id, ReservationRow.state))
        reservations = {str(order): state for order, state in rows}
    faults = [
        f"order {id} is {state}: nothing has settled it"
        for id, (state, _) in states.items()
        if state in ("pending", "cancelling")
    ]
    for id, amount in paid.items():
        if states.get(id) != ("confirmed", amount):
            faults.append(f"order {id} has paid {amount} and is {states.get(id, 'unknown')}")
    for id, (state, total) in states.items():
        if state == "confirmed" and paid.get(id) != total:
            faults.append(f"order {id} is confirmed, costs {total}, and has paid {paid.get(id, 0)}")
        wanted = ("confirmed",) if state == "confirmed" else ("released", None)
        if reservations.get(id) not in wanted:
            faults.append(f"order {id} is {state}, and its pieces are {reservations.get(id)}")
    return faults


async def shop_faults(orders: Database, payments: Database, inventory: Database) -> list[str]:
    """All that is wrong; empty when nothing is."""
    return [
        *await ledger_faults(payments),
        *await stock_faults(inventory),
        *await checkout_faults(orders, payments, inventory),
    ]


async def audit(urls: str) -> list[str]:
    """Open the three databases and look."""
    opened = {}
    for name in ("orders", "payments", "inventory"):
        opened[name] = Database()
        opened[name].attach(await open_engine(urls.format(name), name=name))
    try:
        return await shop_faults(**opened)
    finally:
        for database in opened.values():
            await database.engine.close()


def main() -> int:
    """Check the shop, and say what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m examples.shop.audit", description=__doc__)
    parser.add_argument("--databases", required=True, help="such as postgresql://user:password@host:5432/{}")
    faults = asyncio.run(audit(parser.parse_args().databases))
    print("\n".join(faults) if faults else "The books are in order.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
