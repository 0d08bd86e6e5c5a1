"""What orders keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from partita import UtcDateTime

__all__ = ["Base", "LineRow", "OrderRow", "StateRow"]


class Base(DeclarativeBase):
    """The tables of orders."""

    type_annotation_map: ClassVar = {datetime: UtcDateTime}


class OrderRow(Base):
    """An order. ``placement`` is the owner and the Idempotency-Key that it was placed with."""

    __tablename__ = "orders"
    __table_args__ = (Index("orders_by_state", "state", "placed_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[UUID] = mapped_column(index=True)
    placement: Mapped[str | None] = mapped_column(String(300), unique=True)
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(200))
    total: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    address: Mapped[dict[str, Any]] = mapped_column(JSON)
    placed_at: Mapped[datetime]
    lines: Mapped[list[LineRow]] = relationship(lazy="selectin", order_by="LineRow.position")
    states: Mapped[list[StateRow]] = relationship(lazy="selectin", order_by="StateRow.position")


class LineRow(Base):
    """A product as it was called and priced when it was ordered."""

    __tablename__ = "lines"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(200))
    price: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int]


class StateRow(Base):
    """A state that an order has reached."""

    __tablename__ = "states"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]
