"""Carts of users and guests."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from examples.shop.cart.api import LINES_MAX, CartFull, Carts, NotSold, Ordered, Wanted
from examples.shop.cart.service import CartService, guest_owner
from examples.shop.cart.tables import CartRow
from examples.shop.catalog.api import Catalog, Offer
from partita import Ids, Money, Secret, running
from partita.testing import Running

BEA, CARL = uuid4(), uuid4()


def dollars(amount: int) -> Money:
    return Money(amount=amount * 100, currency="USD")


class FakeCatalog(Catalog):
    """Sells what the test says; only ``offers`` is called."""

    def __init__(self) -> None:
        self.prices = {str(number): dollars(10) for number in range(100, 200)}

    async def offers(self, skus: tuple[str, ...] = ()) -> tuple[Offer, ...]:
        return tuple(Offer(sku=sku, name=f"Thing {sku}", price=self.prices[sku]) for sku in skus if sku in self.prices)


def fake_catalog() -> FakeCatalog:
    return FakeCatalog()  # type: ignore[abstract]  # cart calls nothing else


class KnownIds(Ids):
    """Makes the tokens guest-1, guest-2 ..., so that a test knows what a guest was given."""

    count = 0

    def token(self, size_bytes: int = 32) -> str:
        self.count += 1
        return f"guest-{self.count}"


FIRST = Secret("guest-1")


async def skus_of(carts: Carts, guest: Secret | None = None) -> list[tuple[str, int]]:
    return [(line.sku, line.quantity) for line in (await carts.show(guest=guest)).lines]


async def test_a_cart_costs_what_the_catalog_says() -> None:
    """Lines are priced when the cart is shown: a price that changes in between counts."""
    catalog = fake_catalog()
    async with running(CartService, catalog=catalog) as t:
        carts = t.as_user(BEA).client(Carts)
        line = await carts.put_line("123", Wanted(quantity=2))
        assert (line.name, line.price) == ("Thing 123", dollars(10))
        catalog.prices["123"] = dollars(7)
        assert (await carts.show()).total == dollars(14)


async def test_a_product_that_is_withdrawn_stays_without_a_price() -> None:
    """The line keeps its name, costs nothing and does not count; putting such a product is refused."""
    catalog = fake_catalog()
    async with running(CartService, catalog=catalog) as t:
        carts = t.as_user(BEA).client(Carts)
        await carts.put_line("123", Wanted(quantity=2))
        del catalog.prices["123"]
        cart = await carts.show()
        assert [(line.name, line.price) for line in cart.lines] == [("Thing 123", None)]
        assert cart.total == dollars(0)
        with pytest.raises(NotSold):
            await carts.put_line("123", Wanted(quantity=1))


async def test_lines_are_put_and_removed() -> None:
    """Putting a product again sets its quantity; removing takes one line, emptying all."""
    async with running(CartService, catalog=fake_catalog()) as t:
        carts = t.as_user(BEA).client(Carts)
        await carts.put_line("101", Wanted(quantity=1))
        await carts.put_line("102", Wanted(quantity=1))
        await carts.put_line("101", Wanted(quantity=5))
        assert await skus_of(carts) == [("101", 5), ("102", 1)]
        await carts.remove_line("101")
        assert await skus_of(carts) == [("102", 1)]
        await carts.empty()
        assert await skus_of(carts) == []
        assert await skus_of(t.as_user(CARL).client(Carts)) == []


async def test_a_cart_is_bounded() -> None:
    """One product more than fit is refused, and those that are there can still be changed."""
    async with running(CartService, catalog=fake_catalog()) as t:
        carts = t.as_user(BEA).client(Carts)
        for number in range(LINES_MAX):
            await carts.put_line(str(100 + number), Wanted(quantity=1))
        with pytest.raises(CartFull):
            await carts.put_line("199", Wanted(quantity=1))
        assert (await carts.put_line("100", Wanted(quantity=9))).quantity == 9


async def test_a_guest_is_known_by_a_token_that_we_made() -> None:
    """A token that we did not make opens no cart and is not taken over."""
    async with running(CartService, catalog=fake_catalog(), ids=KnownIds()) as t:
        carts = t.client(Carts)
        await carts.put_line("101", Wanted(quantity=1), guest=Secret("mine"))
        assert await skus_of(carts, Secret("mine")) == []
        assert await skus_of(carts, FIRST) == [("101", 1)]
        assert await skus_of(carts) == []
        assert (await carts.show(cookie=FIRST)).lines != ()


async def test_guests_tokens_are_unguessable_and_not_kept() -> None:
    """Two guests get different carts, and the table holds no token."""
    async with running(CartService, catalog=fake_catalog(), ids=KnownIds()) as t:
        await t.client(Carts).put_line("101", Wanted(quantity=1))
        await t.client(Carts).put_line("102", Wanted(quantity=1))
        assert await owners(t) == {guest_owner(Secret("guest-1")), guest_owner(Secret("guest-2"))}
        assert not any("guest-1" in owner for owner in await owners(t))


async def owners(t: Running[CartService]) -> set[str]:
    async with t.service.db.read() as session:
        return set(await session.scalars(select(CartRow.owner)))


async def test_a_guests_cart_joins_the_users() -> None:
    """After a login the larger quantity counts, the rest is added, and the guest's cart is gone."""
    async with running(CartService, catalog=fake_catalog(), ids=KnownIds()) as t:
        guest, bea = t.client(Carts), t.as_user(BEA).client(Carts)
        await guest.put_line("101", Wanted(quantity=3))
        await guest.put_line("102", Wanted(quantity=1), guest=FIRST)
        await bea.put_line("101", Wanted(quantity=2))
        await bea.merge(guest=FIRST)
        assert sorted(await skus_of(bea)) == [("101", 3), ("102", 1)]
        assert await skus_of(guest, FIRST) == []
        await bea.merge(guest=FIRST)
        assert sorted(await skus_of(bea)) == [("101", 3), ("102", 1)]


async def test_what_was_ordered_leaves_the_cart() -> None:
    """Ordered products go, and what was added meanwhile stays."""
    async with running(CartService, catalog=fake_catalog()) as t:
        bea = t.as_user(BEA).client(Carts)
        await bea.put_line("101", Wanted(quantity=1))
        await bea.put_line("102", Wanted(quantity=1))
        await t.as_service("orders").client(Carts).remove_ordered(BEA, Ordered(skus=("101",)))
        assert await skus_of(bea) == [("102", 1)]


async def test_old_carts_of_guests_are_forgotten() -> None:
    """After thirty days a guest's cart is deleted, and a user's is kept."""
    async with running(CartService, catalog=fake_catalog(), ids=KnownIds()) as t:
        await t.client(Carts).put_line("101", Wanted(quantity=1))
        await t.as_user(BEA).client(Carts).put_line("101", Wanted(quantity=1))
        await t.clock.advance(timedelta(days=31))
        await t.service.forget()
        assert await owners(t) == {f"user:{BEA}"}
