"""What payments keeps: one payment for an order, and the ledger. Of a card, its last four digits."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita import UtcDateTime

__all__ = ["Base", "EntryRow", "PaymentRow"]


class Base(DeclarativeBase):
    """The tables of payments."""

    type_annotation_map: ClassVar = {datetime: UtcDateTime}


class PaymentRow(Base):
    """The payment of an order: ``authorized``, ``captured``, ``voided``, ``refunded`` or ``declined``."""

    __tablename__ = "payments"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(String(40), unique=True)
    owner: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(String(10))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    card: Mapped[str] = mapped_column(String(4))
    reason: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]


class EntryRow(Base):
    """One side of a booking. The entries of a payment sum to zero, and so does the ledger."""

    __tablename__ = "ledger"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"), index=True)
    account: Mapped[str] = mapped_column(String(20))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    booked_at: Mapped[datetime]
