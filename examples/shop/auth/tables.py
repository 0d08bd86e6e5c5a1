"""What auth keeps."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita import UtcDateTime

__all__ = ["AccountRow", "AttemptsRow", "Base", "RefreshRow", "SigningKeyRow"]


class Base(DeclarativeBase):
    """The tables of auth."""

    type_annotation_map: ClassVar = {datetime: UtcDateTime}


class AccountRow(Base):
    """Somebody who may log in. The password is an argon2 hash."""

    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    roles: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]


class AttemptsRow(Base):
    """Failed logins with an email address, whether there is such an account or not."""

    __tablename__ = "attempts"

    email: Mapped[str] = mapped_column(String(254), primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)


class RefreshRow(Base):
    """A refresh token that is still good, as its SHA-256."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SigningKeyRow(Base):
    """The private key that access tokens are signed with."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    pem: Mapped[str] = mapped_column(String(400))
    created_at: Mapped[datetime]
