"""Products, categories and prices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from sqlalchemy import and_, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.shop.catalog.api import (
    Catalog,
    Category,
    NewProduct,
    Offer,
    PriceChanged,
    Product,
    ProductAdded,
    ProductWithdrawn,
    SkuTaken,
    UnknownCategory,
)
from examples.shop.catalog.data import CATEGORIES, products
from examples.shop.catalog.pictures import picture_of
from examples.shop.catalog.tables import CategoryRow, ProductRow
from examples.shop.vocabulary import Price
from partita import Database, Download, Money, NotFound, Page, Service

__all__ = ["CatalogService"]


class CatalogService(Catalog, Service):
    """Keeps products."""

    db: Database

    async def on_start(self) -> None:
        """Fill the catalogue, the first time."""
        await self.db.run(fill)

    async def products(
        self,
        after: str | None = None,
        category: str | None = None,
        sort: Literal["name", "price", "-price"] = "name",
        limit: int = 24,
    ) -> Page[Product]:
        column = ProductRow.name if sort == "name" else ProductRow.price
        is_descending = sort.startswith("-")
        query = select(ProductRow).where(ProductRow.withdrawn.is_(False))
        if category is not None:
            query = query.where(ProductRow.category == category)
        async with self.db.read() as session:
            if after is not None:
                last = await session.get(ProductRow, after)
                if last is None:
                    return Page(items=())
                value = getattr(last, column.key)
                beyond = column < value if is_descending else column > value
                query = query.where(or_(beyond, and_(column == value, ProductRow.sku > after)))
            query = query.order_by(column.desc() if is_descending else column, ProductRow.sku).limit(limit + 1)
            rows = (await session.scalars(query)).all()
        shown = tuple(product_of(row) for row in rows[:limit])
        return Page(items=shown, next=shown[-1].sku if len(rows) > limit else None)

    async def product(self, sku: str) -> Product:
        async with self.db.read() as session:
            return product_of(await find(session, sku))

    async def picture(self, sku: str) -> Download:
        async with self.db.read() as session:
            row = await find(session, sku)
        picture = picture_of(row.sku, row.category).encode()
        # An SVG can hold scripts. Ours do not, and a browser that opens one by itself is told to run none.
        headers = {"cache-control": "public, max-age=86400", "content-security-policy": "default-src 'none'"}
        return Download(at_once(picture), content_type="image/svg+xml", size=len(picture), headers=headers)

    async def categories(self) -> tuple[Category, ...]:
        counted = (
            select(CategoryRow, func.count(ProductRow.sku))
            .outerjoin(ProductRow, and_(ProductRow.category == CategoryRow.slug, ProductRow.withdrawn.is_(False)))
            .group_by(CategoryRow.slug)
            .order_by(CategoryRow.name)
        )
        async with self.db.read() as session:
            rows = (await session.execute(counted)).all()
        return tuple(
            Category(slug=row.slug, name=row.name, description=row.description, products=count) for row, count in rows
        )

    async def offers(self, skus: tuple[str, ...] = ()) -> tuple[Offer, ...]:
        on_sale = select(ProductRow).where(ProductRow.sku.in_(skus), ProductRow.withdrawn.is_(False))
        async with self.db.read() as session:
            rows = (await session.scalars(on_sale.order_by(ProductRow.sku))).all()
        return tuple(Offer(sku=row.sku, name=row.name, price=price_of(row)) for row in rows)

    async def add(self, product: NewProduct) -> Product:
        session = self.db.session
        if await session.get(ProductRow, product.sku) is not None:
            raise SkuTaken
        if await session.get(CategoryRow, product.category) is None:
            raise UnknownCategory
        row = ProductRow(
            sku=product.sku,
            name=product.name,
            description=product.description,
            category=product.category,
            price=product.price.amount,
            currency=product.price.currency,
            withdrawn=False,
        )
        session.add(row)
        await self.db.publish(
            ProductAdded(
                sku=row.sku, name=row.name, description=row.description, category=row.category, price=price_of(row)
            )
        )
        return product_of(row)

    async def change_price(self, sku: str, price: Price) -> Product:
        row = await find(self.db.session, sku)
        old = price_of(row)
        row.price, row.currency = price.amount, price.currency
        await self.db.publish(PriceChanged(sku=sku, old=old, new=price_of(row)))
        return product_of(row)

    async def withdraw(self, sku: str) -> None:
        row = await find(self.db.session, sku)
        row.withdrawn = True
        await self.db.publish(ProductWithdrawn(sku=sku))


async def fill(session: AsyncSession) -> None:
    """Write the generated products. Of two replicas that start at once, one does, and the other sees them."""
    if await session.scalar(select(CategoryRow.slug).limit(1)) is not None:
        return
    categories = [
        {"slug": category.slug, "name": category.name, "description": category.description} for category in CATEGORIES
    ]
    await session.execute(insert(CategoryRow), categories)
    await session.execute(insert(ProductRow), products())


async def find(session: AsyncSession, sku: str) -> ProductRow:
    """A product that is sold."""
    row = await session.get(ProductRow, sku)
    if row is None or row.withdrawn:
        raise NotFound(what="product")
    return row


def price_of(row: ProductRow) -> Money:
    """What a product costs."""
    return Money(amount=row.price, currency=row.currency)


def product_of(row: ProductRow) -> Product:
    """A row as callers see it."""
    return Product(
        sku=row.sku,
        name=row.name,
        description=row.description,
        category=row.category,
        price=price_of(row),
        picture=f"/products/{row.sku}/picture",
    )


async def at_once(body: bytes) -> AsyncIterator[bytes]:
    """A body in one piece."""
    yield body
