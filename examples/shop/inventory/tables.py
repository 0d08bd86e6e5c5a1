"""What inventory keeps. For each product: on hand + reserved + sold = what its deliveries brought."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from partita import UtcDateTime

__all__ = ["Base", "DeliveryRow", "ItemRow", "ReservationRow", "ReservedRow"]


class Base(DeclarativeBase):
    """The tables of inventory."""

    type_annotation_map: ClassVar = {datetime: UtcDateTime}


class ItemRow(Base):
    """Pieces of one product: on the shelf, kept for orders, and gone."""

    __tablename__ = "items"

    sku: Mapped[str] = mapped_column(String(40), primary_key=True)
    on_hand: Mapped[int] = mapped_column(BigInteger)
    reserved: Mapped[int] = mapped_column(BigInteger)
    sold: Mapped[int] = mapped_column(BigInteger)


class DeliveryRow(Base):
    """Pieces that arrived."""

    __tablename__ = "deliveries"

    sku: Mapped[str] = mapped_column(ForeignKey("items.sku"), primary_key=True)
    reference: Mapped[str] = mapped_column(String(80), primary_key=True)
    quantity: Mapped[int] = mapped_column(BigInteger)
    arrived_at: Mapped[datetime]


class ReservationRow(Base):
    """Pieces kept for an order: ``held``, ``confirmed`` (sold) or ``released``."""

    __tablename__ = "reservations"
    __table_args__ = (Index("reservations_by_expiry", "state", "expires_at"),)

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    expires_at: Mapped[datetime]
    lines: Mapped[list[ReservedRow]] = relationship(lazy="selectin", order_by="ReservedRow.sku")


class ReservedRow(Base):
    """So many pieces of one product within a reservation."""

    __tablename__ = "reserved"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("reservations.order_id"), primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey("items.sku"), primary_key=True)
    quantity: Mapped[int]
