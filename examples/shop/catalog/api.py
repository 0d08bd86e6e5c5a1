"""What catalog promises."""

from __future__ import annotations

from typing import Literal, Protocol

from examples.shop.vocabulary import PageSize, Price, Sku, Slug, Text, Words
from partita import (
    PUBLIC,
    Contract,
    Download,
    Event,
    Message,
    Money,
    NotFound,
    Page,
    Problem,
    delete,
    get,
    post,
    put,
    role,
)

__all__ = [
    "Catalog",
    "Category",
    "NewProduct",
    "Offer",
    "PriceChanged",
    "Product",
    "ProductAdded",
    "ProductWithdrawn",
    "SkuTaken",
    "UnknownCategory",
]


class SkuTaken(Problem, status=409):
    """There is a product with this number, or there was one."""


class UnknownCategory(Problem, status=409):
    """There is no such category."""


class Category(Message):
    """A shelf of the shop, and how many products stand on it."""

    slug: str
    name: str
    description: str
    products: int


class Product(Message):
    """Something that can be bought. ``picture`` is a path."""

    sku: str
    name: str
    description: str
    category: str
    price: Money
    picture: str


class NewProduct(Message):
    """A product to add."""

    sku: Sku
    name: Words
    description: Text
    category: Slug
    price: Price


class Offer(Message):
    """What a product is called and costs at this moment."""

    sku: str
    name: str
    price: Money


class ProductAdded(Event, name="catalog.product-added", key="sku"):
    """A product can be bought."""

    sku: str
    name: str
    description: str
    category: str
    price: Money


class PriceChanged(Event, name="catalog.price-changed", key="sku"):
    """A product costs something else."""

    sku: str
    old: Money
    new: Money


class ProductWithdrawn(Event, name="catalog.product-withdrawn", key="sku"):
    """A product cannot be bought any more."""

    sku: str


class Catalog(Contract, Protocol, name="catalog", publishes=[ProductAdded, PriceChanged, ProductWithdrawn]):
    """Products, categories and prices."""

    @get("/products", access=PUBLIC)
    async def products(
        self,
        after: Sku | None = None,
        category: Slug | None = None,
        sort: Literal["name", "price", "-price"] = "name",
        limit: PageSize = 24,
    ) -> Page[Product]:
        """Products, page by page; `sort=-price` begins with the dearest."""
        ...

    @get("/products/{sku}", access=PUBLIC, raises=[NotFound])
    async def product(self, sku: Sku) -> Product:
        """One product."""
        ...

    @get("/products/{sku}/picture", access=PUBLIC, raises=[NotFound])
    async def picture(self, sku: Sku) -> Download:
        """A drawing of the product, as SVG."""
        ...

    @get("/categories", access=PUBLIC)
    async def categories(self) -> tuple[Category, ...]:
        """All categories, by name."""
        ...

    @get("/offers")
    async def offers(self, skus: tuple[Sku, ...] = ()) -> tuple[Offer, ...]:
        """Names and prices of those among ``skus`` that can be bought now."""
        ...

    @post("/products", access=role("admin"), status=201, raises=[SkuTaken, UnknownCategory])
    async def add(self, product: NewProduct) -> Product:
        """Add a product."""
        ...

    @put("/products/{sku}/price", access=role("admin"), raises=[NotFound])
    async def change_price(self, sku: Sku, price: Price) -> Product:
        """Change what a product costs from now on."""
        ...

    @delete("/products/{sku}", access=role("admin"), raises=[NotFound])
    async def withdraw(self, sku: Sku) -> None:
        """Stop selling a product. Its number is never used again."""
        ...
