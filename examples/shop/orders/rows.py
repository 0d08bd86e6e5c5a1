"""Rows of orders as messages."""

from __future__ import annotations

from typing import cast

import msgspec

from examples.shop.inventory.api import NewReservation, Reserve
from examples.shop.orders.api import Order, OrderLine, State
from examples.shop.orders.tables import OrderRow
from examples.shop.payments.api import Authorization
from examples.shop.vocabulary import Address
from partita import Money, Secret

__all__ = ["authorization_of", "lines_of", "order_of", "reservation_of", "total_of"]


def total_of(row: OrderRow) -> Money:
    """What the order costs."""
    return Money(amount=row.total, currency=row.currency)


def lines_of(row: OrderRow) -> tuple[OrderLine, ...]:
    """What was ordered."""
    return tuple(
        OrderLine(
            sku=line.sku,
            name=line.name,
            price=Money(amount=line.price, currency=row.currency),
            quantity=line.quantity,
        )
        for line in row.lines
    )


def order_of(row: OrderRow) -> Order:
    """An order as its owner sees it."""
    return Order(
        id=row.id,
        state=cast(State, row.state),
        lines=lines_of(row),
        total=total_of(row),
        address=msgspec.convert(row.address, Address),
        placed_at=row.placed_at,
        reason=row.reason,
    )


def reservation_of(row: OrderRow) -> NewReservation:
    """What to ask of inventory."""
    lines = tuple(Reserve(sku=line.sku, quantity=line.quantity) for line in row.lines)
    return NewReservation(order_id=row.id, lines=lines)


def authorization_of(row: OrderRow, card: Secret) -> Authorization:
    """What to ask of payments."""
    return Authorization(order_id=row.id, owner=row.owner, amount=row.total, currency=row.currency, card_number=card)
