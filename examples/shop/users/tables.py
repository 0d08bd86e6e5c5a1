"""What users keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, Identity, Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita import UtcDateTime

__all__ = ["AddressRow", "Base", "ProfileRow"]


class Base(DeclarativeBase):
    """The tables of users."""

    type_annotation_map: ClassVar = {datetime: UtcDateTime}


class ProfileRow(Base):
    """A customer. The database gives the numbers, from 1000 on."""

    __tablename__ = "profiles"

    # SQLite numbers rows by itself in a column that is called INTEGER, and in no other.
    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), Identity(start=1000), primary_key=True
    )
    id: Mapped[UUID] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(2), default="en")
    newsletter: Mapped[bool] = mapped_column(default=False)


class AddressRow(Base):
    """An entry of a customer's address book."""

    __tablename__ = "addresses"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user: Mapped[UUID] = mapped_column(ForeignKey("profiles.id"), index=True)
    address: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
