"""What cart keeps: which products and how many, and no prices."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita import UtcDateTime

__all__ = ["Base", "CartRow", "LineRow"]


class Base(DeclarativeBase):
    """The tables of cart."""

    type_annotation_map: ClassVar = {datetime: UtcDateTime}


class CartRow(Base):
    """Whose cart: ``user:`` and an id, or ``guest:`` and the SHA-256 of the guest's token."""

    __tablename__ = "carts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(80), unique=True)
    changed_at: Mapped[datetime] = mapped_column(index=True)


class LineRow(Base):
    """A product in a cart. The name is what to show when the product is not sold any more."""

    __tablename__ = "lines"

    cart_id: Mapped[UUID] = mapped_column(ForeignKey("carts.id"), primary_key=True)
    sku: Mapped[str] = mapped_column(String(40), primary_key=True)
    quantity: Mapped[int]
    name: Mapped[str] = mapped_column(String(200))
    added_at: Mapped[datetime]
