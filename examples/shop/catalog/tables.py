"""What catalog keeps."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["Base", "CategoryRow", "ProductRow"]


class Base(DeclarativeBase):
    """The tables of catalog."""


class CategoryRow(Base):
    """A shelf of the shop."""

    __tablename__ = "categories"

    slug: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(2000))


class ProductRow(Base):
    """A product. Withdrawn ones stay, so that their numbers are not used again."""

    __tablename__ = "products"
    __table_args__ = (Index("products_by_name", "name", "sku"), Index("products_by_price", "price", "sku"))

    sku: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(2000))
    category: Mapped[str] = mapped_column(ForeignKey("categories.slug"), index=True)
    price: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    withdrawn: Mapped[bool] = mapped_column(default=False)
