"""Products, categories and prices."""

from __future__ import annotations

from typing import Literal
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from examples.shop.catalog.api import (
    Catalog,
    NewProduct,
    PriceChanged,
    ProductAdded,
    ProductWithdrawn,
    SkuTaken,
    UnknownCategory,
)
from examples.shop.catalog.data import CATEGORIES, products
from examples.shop.catalog.pictures import picture_of
from examples.shop.catalog.service import CatalogService
from examples.shop.vocabulary import Price
from partita import Forbidden, NotFound, pages, running

ADMIN = uuid4()
LADDER = NewProduct(
    sku="ladder-1", name="Ladder", description="Three steps.", category="tools", price=Price(amount=4900)
)


def test_the_assortment_is_large_and_reads_well() -> None:
    """There are over 500 products in twelve categories, each with a name of its own, among them number 123."""
    made = products()
    assert len(made) >= 500
    assert len(CATEGORIES) == 12
    assert len({product["name"] for product in made}) == len(made)
    assert "123" in {product["sku"] for product in made}
    assert made == products()


def test_each_category_has_a_picture_of_its_own() -> None:
    """Pictures are well-formed SVG, the same each time, and differ between products."""
    pictures = [picture_of(str(number), category.slug) for number, category in enumerate(CATEGORIES)]
    assert all(ElementTree.fromstring(picture).tag.endswith("svg") for picture in pictures)
    assert len(set(pictures)) == len(CATEGORIES)
    assert picture_of("1", CATEGORIES[1].slug) == pictures[1]


@pytest.mark.parametrize("sort", ["name", "price", "-price"])
async def test_pages_show_each_product_once(sort: Literal["name", "price", "-price"]) -> None:
    """Turning all pages shows every product of a category once, in the order that was asked for."""
    async with running(CatalogService) as t:
        catalog = t.client(Catalog)
        shown = [product async for product in pages(catalog.products, category="music", sort=sort, limit=10)]
        assert len(shown) == len({product.sku for product in shown}) == 42
        if sort == "name":
            assert [product.name for product in shown] == sorted(product.name for product in shown)
        else:
            prices = [product.price.amount for product in shown]
            assert prices == sorted(prices, reverse=sort == "-price")


async def test_an_unknown_cursor_ends_the_list() -> None:
    """A page after a product that never was is empty."""
    async with running(CatalogService) as t:
        assert (await t.client(Catalog).products("no-such-product")).items == ()


async def test_a_product_and_its_picture() -> None:
    """A product names the path of its picture, which is SVG that a browser may keep and that runs no script."""
    async with running(CatalogService) as t:
        product = await t.client(Catalog).product("123")
        picture = await t.client(Catalog).picture("123")
        assert product.picture == "/products/123/picture"
        assert picture.content_type == "image/svg+xml"
        assert picture.headers["content-security-policy"] == "default-src 'none'"
        assert (await picture.read()).startswith(b"<svg")


async def test_categories_count_what_is_sold() -> None:
    """A withdrawn product is not counted."""
    async with running(CatalogService) as t:
        await t.as_user(ADMIN, "admin").client(Catalog).withdraw("123")
        counts = {category.slug: category.products for category in await t.client(Catalog).categories()}
        assert counts["kitchen"] == 41
        assert sum(counts.values()) == 503


async def test_an_admin_adds_a_product() -> None:
    """A product is added once, in a category that exists."""
    async with running(CatalogService) as t:
        catalog = t.as_user(ADMIN, "admin").client(Catalog)
        added = await catalog.add(LADDER)
        assert await t.client(Catalog).product("ladder-1") == added
        assert [event.sku for event in t.published(ProductAdded)] == ["ladder-1"]
        with pytest.raises(SkuTaken):
            await catalog.add(LADDER)
        with pytest.raises(UnknownCategory):
            await catalog.add(
                NewProduct(sku="x", name="X", description="X.", category="nowhere", price=Price(amount=1))
            )


async def test_a_price_changes_for_everybody() -> None:
    """A changed price is what offers tell from then on, and the change is published."""
    async with running(CatalogService) as t:
        old = (await t.client(Catalog).product("123")).price
        changed = await t.as_user(ADMIN, "admin").client(Catalog).change_price("123", Price(amount=999))
        assert changed.price.amount == 999
        assert (await t.as_service("cart").client(Catalog).offers(("123",)))[0].price == changed.price
        assert t.published(PriceChanged) == (PriceChanged(sku="123", old=old, new=changed.price),)


async def test_a_withdrawn_product_is_gone_and_its_number_stays_taken() -> None:
    """It is not found, not offered and not listed, and no other product gets its number."""
    async with running(CatalogService) as t:
        catalog = t.as_user(ADMIN, "admin").client(Catalog)
        await catalog.withdraw("123")
        with pytest.raises(NotFound):
            await catalog.product("123")
        assert await t.as_service("cart").client(Catalog).offers(("123", "124")) != ()
        assert [offer.sku for offer in await t.as_service("cart").client(Catalog).offers(("123", "124"))] == ["124"]
        with pytest.raises(SkuTaken):
            await catalog.add(NewProduct(sku="123", name="X", description="X.", category="toys", price=Price(amount=1)))
        assert t.published(ProductWithdrawn) == (ProductWithdrawn(sku="123"),)


async def test_customers_do_not_change_the_catalogue() -> None:
    """Without the role admin a change is refused."""
    async with running(CatalogService) as t:
        with pytest.raises(Forbidden):
            await t.as_user(uuid4(), "operator").client(Catalog).withdraw("123")
