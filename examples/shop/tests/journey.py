"""What a customer does, over HTTP, against a shop that runs somewhere: in one process or in many, behind a gateway.

Each function fails the test where the shop does not do what it should.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from examples.shop.auth.api import Auth, Credentials, NewAccount
from examples.shop.auth.service import DEV_PASSWORD
from examples.shop.cart.api import Carts, Wanted
from examples.shop.catalog.api import Catalog
from examples.shop.inventory.api import Inventory
from examples.shop.orders.api import NewOrder, Order, Orders
from examples.shop.payments.api import Declined
from examples.shop.users.api import Users
from examples.shop.vocabulary import Address
from partita import NotFound, Secret, Unauthenticated, connect, pages

__all__ = [
    "Answer",
    "Customer",
    "be_declined",
    "browse",
    "buy_once_with_one_key",
    "buy_something",
    "fill_a_cart_as_a_guest",
    "log_in",
    "operator_token",
    "refuse_strangers",
    "register",
    "request",
    "send_the_documents_requests",
    "whole_journey",
]

HOME = Address(name="Bea Stone", street="1 Mill Lane", city="York", postcode="YO1 7HB", country="GB")
GOOD, DECLINED = Secret("4242424242424242"), Secret("4000000000000002")


class Customer(NamedTuple):
    """Somebody who is logged in."""

    id: UUID
    email: str
    token: str


class Answer(NamedTuple):
    """An answer to a request made by hand."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


async def request(
    base_url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request as any HTTP client would."""

    def send() -> Answer:
        place = urlsplit(base_url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
        try:
            text = json.dumps(body) if body is not None else None
            sent = {**({"content-type": "application/json"} if text is not None else {}), **(headers or {})}
            connection.request(method, path, text, sent)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())
        finally:
            connection.close()

    return await asyncio.to_thread(send)


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"authorization": f"Bearer {token}"}


async def register(base_url: str) -> Customer:
    """Register and log in somebody new."""
    email, password = f"bea-{secrets.token_hex(6)}@shop.example", Secret(secrets.token_urlsafe(12))
    async with connect(Auth, base_url) as auth:
        account = await auth.register(NewAccount(email=email, password=password, name="Bea Stone"))
    customer = Customer(account.id, email, await log_in(base_url, email, password))
    async with connect(Users, base_url, token=customer.token) as users:
        assert (await users.profile(customer.id)).email == email
    return customer


async def log_in(base_url: str, email: str, password: Secret) -> str:
    """The access token of a login."""
    async with connect(Auth, base_url) as auth:
        return (await auth.login(Credentials(email=email, password=password))).access_token.reveal()


async def operator_token(base_url: str) -> str:
    """The token of the operator that a shop with AUTH_DEV_ACCOUNTS=true has."""
    return await log_in(base_url, "operator@shop.example", DEV_PASSWORD)


async def browse(base_url: str) -> None:
    """Look at categories, pages of products, one product and its picture."""
    async with connect(Catalog, base_url) as catalog:
        assert len(await catalog.categories()) == 12
        shown = [product async for product in pages(catalog.products, category="garden", limit=20)]
        assert len(shown) == 42
        product = await catalog.product("123")
    picture = await request(base_url, "GET", product.picture)
    assert (picture.status, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert (await request(base_url, "GET", "/products/unknown")).status == 404
    assert (await request(base_url, "GET", "/products")).status == 200


async def buy_something(base_url: str, customer: Customer | None = None, sku: str = "123", quantity: int = 1) -> Order:
    """Fill a cart and pay for it; the order is confirmed, and the cart is empty."""
    token = (customer or await register(base_url)).token
    async with (
        connect(Carts, base_url, token=token) as carts,
        connect(Orders, base_url, token=token) as orders,
    ):
        line = await carts.put_line(sku, Wanted(quantity=quantity))
        assert line.price is not None
        order = await orders.place(NewOrder(address=HOME, card_number=GOOD))
        assert (order.state, order.total) == ("confirmed", line.price * quantity)
        assert [state.state async for state in orders.events(order.id)] == ["pending", "confirmed"]
        assert await orders.order(order.id) == order
        assert (await orders.orders()).items[0] == order
        assert (await carts.show()).lines == ()
    return order


async def buy_once_with_one_key(base_url: str) -> None:
    """An order that is sent twice with one Idempotency-Key is one order."""
    customer = await register(base_url)
    headers = {**bearer(customer.token), "idempotency-key": secrets.token_hex(8)}
    cart = await request(base_url, "PUT", "/cart/lines/130", {"quantity": 1}, bearer(customer.token))
    assert cart.status == 200, cart
    body = {"address": address_of(HOME), "card_number": GOOD.reveal()}
    first, second = [await request(base_url, "POST", "/orders", body, headers) for _ in range(2)]
    assert (first.status, second.status) == (202, 202), (first, second)
    assert first.json["id"] == second.json["id"]
    async with connect(Orders, base_url, token=customer.token) as orders:
        assert len((await orders.orders()).items) == 1


async def fill_a_cart_as_a_guest(base_url: str) -> None:
    """A guest's cart is found by cookie or header, and joins the user's after a login."""
    first = await request(base_url, "PUT", "/cart/lines/125", {"quantity": 3})
    guest = first.headers["shop-guest"]
    assert f"shop-guest={guest}" in first.headers["set-cookie"]
    for headers in ({"shop-guest": guest}, {"cookie": f"shop-guest={guest}"}):
        shown = await request(base_url, "GET", "/cart", headers=headers)
        assert [line["sku"] for line in shown.json["lines"]] == ["125"]
    customer = await register(base_url)
    async with connect(Carts, base_url, token=customer.token) as carts:
        await carts.merge(guest=Secret(guest))
        assert [(line.sku, line.quantity) for line in (await carts.show()).lines] == [("125", 3)]


async def be_declined(base_url: str) -> None:
    """A declined card is a problem with its reason, and what was reserved is there again."""
    customer = await register(base_url)
    async with (
        connect(Carts, base_url, token=customer.token) as carts,
        connect(Orders, base_url, token=customer.token) as orders,
        connect(Inventory, base_url) as inventory,
    ):
        await carts.put_line("126", Wanted(quantity=1))
        before = (await inventory.item("126")).available
        with pytest.raises(Declined, match="the card was declined"):
            await orders.place(NewOrder(address=HOME, card_number=DECLINED))
        assert (await inventory.item("126")).available == before
        assert [order.state for order in (await orders.orders()).items] == ["failed"]


async def refuse_strangers(base_url: str) -> None:
    """Somebody else's order is not found; a wrong token is refused; services' operations are not there."""
    order = await buy_something(base_url)
    stranger = await register(base_url)
    async with connect(Orders, base_url, token=stranger.token) as orders:
        with pytest.raises(NotFound):
            await orders.order(order.id)
    async with connect(Orders, base_url, token=stranger.token[:-4] + "AAAA") as orders:
        with pytest.raises(Unauthenticated):
            await orders.orders()
    assert (await request(base_url, "GET", "/orders")).status == 401
    internal = await request(base_url, "POST", "/reservations", {}, bearer(stranger.token))
    assert internal.status in (403, 404), internal


async def send_the_documents_requests(base_url: str, token: str) -> None:
    """The requests that the documents print are answered, the internal ones with an operator's token."""
    user = await request(base_url, "GET", "/users/42", headers=bearer(token))
    assert (user.status, user.json["number"]) == (200, 42), user
    item = await request(base_url, "GET", "/inventory/item/123")
    assert (item.status, item.json["sku"]) == (200, "123"), item
    body = {"order_id": 12345, "amount": 2999, "currency": "USD"}
    charge = await request(base_url, "POST", "/payments/charge", body, bearer(token))
    assert (charge.status, charge.json["amount"]) == (200, {"amount": 2999, "currency": "USD"}), charge
    again = await request(base_url, "POST", "/charges", body, bearer(token))
    assert (again.status, again.json["id"]) == (200, charge.json["id"]), again
    assert (await request(base_url, "POST", "/charges", body)).status == 401


async def whole_journey(base_url: str, token: str) -> None:
    """All of it. ``token`` is an operator's."""
    await browse(base_url)
    await buy_something(base_url)
    await buy_once_with_one_key(base_url)
    await fill_a_cart_as_a_guest(base_url)
    await be_declined(base_url)
    await refuse_strangers(base_url)
    await send_the_documents_requests(base_url, token)


def address_of(address: Address) -> dict[str, str]:
    """An address as JSON has it."""
    return {
        "name": address.name,
        "street": address.street,
        "city": address.city,
        "postcode": address.postcode,
        "country": address.country,
    }
