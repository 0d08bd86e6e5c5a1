"""Buy something in the shop, and show what goes over the wire: ``python -m examples.shop.demo``."""

from __future__ import annotations

import argparse
import http.client
import json
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from examples.shop.starting import NotStarted, answers, started

__all__ = ["Exchange", "NoShop", "Shop", "main", "tell"]

WIDTH = 110
ITEMS_SHOWN = 2
HIDDEN = {"password", "card_number", "access_token", "refresh_token"}
SHOWN_HEADERS = ("content-type", "shop-guest", "www-authenticate", "retry-after", "cache-control", "server")
COLOURS = {"title": "1;36", "request": "1;33", "good": "1;32", "bad": "1;31", "dim": "2"}


class NoShop(Exception):
    """Nobody answers, or somebody who is no shop."""


class Exchange:
    """The answer to a request."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    def shown(self, told: tuple[str, ...]) -> str:
        """The body as a person reads it."""
        kind = self.headers.get("content-type", "")
        if "json" in kind:
            body = self.json
            return pretty({**{name: body[name] for name in told}, "…": "…"} if told else body)
        return self.body.decode().strip() if kind.startswith("text/") else f"({len(self.body)} bytes)"


class Shop:
    """Sends requests to a shop and prints each with its answer."""

    def __init__(self, url: str, *, is_colourful: bool) -> None:
        self.url = url.rstrip("/")
        place = urlsplit(self.url)
        if place.scheme != "http" or place.hostname is None:
            raise NoShop(f"{url!r} is no address of a shop: it looks like http://localhost:8080.")
        self.connection = http.client.HTTPConnection(place.hostname, place.port or 80, timeout=10)
        self.is_colourful = is_colourful
        self.steps = 0

    def knock(self) -> None:
        """See whether somebody is there. Raises ``NoShop``."""
        try:
            self.connection.connect()
        except OSError as error:
            raise NoShop(
                f"There is no shop at {self.url} ({error}). Start one with `make run`, then try again."
            ) from None

    def say(self, title: str) -> None:
        """Head a step of the story."""
        self.steps += 1
        print("\n" + self.paint("title", f"── {self.steps}. {title} ".ljust(WIDTH, "─")) + "\n")

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        told: tuple[str, ...] = (),
    ) -> Exchange:
        """Send a request, print it and what comes back; of an answer seen before, only the members ``told``."""
        sent = dict(headers or {})
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        if body is not None:
            sent["content-type"] = "application/json"
        self.print_request(method, path, sent, "the same as before" if told else body)
        started = time.perf_counter()
        try:
            self.connection.request(method, path, json.dumps(body) if body is not None else None, sent)
            response = self.connection.getresponse()
            answer = Exchange(
                response.status,
                response.reason,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(),
            )
        except (OSError, http.client.HTTPException) as error:
            raise NoShop(f"The shop at {self.url} did not answer: {type(error).__name__}: {error}.") from None
        self.print_answer(answer, (time.perf_counter() - started) * 1000, told)
        return answer

    def print_request(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> None:
        """A request as it is sent, secrets cut."""
        print(self.paint("request", f"{method} {path} HTTP/1.1"))
        for name, value in headers.items():
            print(self.paint("dim", f"{name}: {shown_header(name, value)}"))
        if body is not None:
            print("\n" + (f"({body})" if isinstance(body, str) else pretty(body)))
        print()

    def print_answer(self, answer: Exchange, took_ms: float, told: tuple[str, ...]) -> None:
        """An answer as it came, without the headers that say little."""
        colour = "good" if answer.status < 400 else "bad"
        line = f"HTTP/1.1 {answer.status} {answer.reason}"
        print(self.paint(colour, line) + self.paint("dim", f"   {took_ms:.0f} ms"))
        for name in SHOWN_HEADERS:
            if name in answer.headers:
                print(self.paint("dim", f"{name}: {shown_header(name, answer.headers[name])}"))
        if answer.body:
            print("\n" + answer.shown(told))
        print()

    def paint(self, colour: str, text: str) -> str:
        """Coloured, where a person looks."""
        return f"\033[{COLOURS[colour]}m{text}\033[0m" if self.is_colourful else text


def shown_header(name: str, value: str) -> str:
    """A header's value, tokens cut."""
    if name == "authorization":
        return f"Bearer {cut(value.removeprefix('Bearer '))}"
    return cut(value) if name == "shop-guest" else value


def cut(text: str) -> str:
    """The beginning of a secret, if it is a long one."""
    return f"{text[:16]}…" if len(text) > 32 else "…"


def hide(value: Any) -> Any:
    """The same, with secrets cut and long lists shortened."""
    if isinstance(value, dict):
        return {key: cut(item) if key in HIDDEN else hide(item) for key, item in value.items()}
    if isinstance(value, list):
        shown = [hide(item) for item in value[:ITEMS_SHOWN]]
        return [*shown, f"… and {len(value) - ITEMS_SHOWN} more"] if len(value) > ITEMS_SHOWN else shown
    return value


def pretty(value: Any, indent: str = "") -> str:
    """JSON on one line where it fits, else with a line for each member."""
    value = hide(value) if not indent else value
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not isinstance(value, dict | list):
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        parts = [f"{deeper}{json.dumps(key)}: {pretty(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + pretty(item, deeper) for item in value) + f"\n{indent}]"


def expect(answer: Exchange, *statuses: int) -> Exchange:
    """The answer, if it is one that the story can go on with."""
    if answer.status not in statuses:
        raise NoShop(f"The shop answered {answer.status} {answer.reason}, which the demo did not expect: stopped here.")
    return answer


def browse(shop: Shop) -> str:
    """Look around and fill a cart as a guest. Returns the guest's token."""
    shop.say("A guest looks around")
    expect(shop.send("GET", "/categories"), 200)
    expect(shop.send("GET", "/products?category=kitchen&sort=price&limit=2"), 200)
    shop.say("and puts something into a cart, which the shop finds again by a token")
    line = expect(shop.send("PUT", "/cart/lines/123", {"quantity": 2}), 200)
    return line.headers.get("shop-guest", "")


def log_in(shop: Shop, guest: str) -> str:
    """Register, log in, and take the guest's cart along. Returns the access token."""
    email, password = f"bea-{secrets.token_hex(4)}@shop.example", secrets.token_urlsafe(12)
    shop.say("The guest registers and logs in: a short-lived token, signed with Ed25519")
    account = {"email": email, "password": password, "name": "Bea Stone"}
    expect(shop.send("POST", "/register", account), 201)
    tokens = expect(shop.send("POST", "/login", {"email": email, "password": password}), 200)
    token: str = tokens.json["access_token"]
    shop.say("and takes the cart along. Its prices are the catalog's, asked for just now")
    expect(shop.send("POST", "/cart/merge", token=token, headers={"shop-guest": guest}), 204)
    expect(shop.send("GET", "/cart", token=token), 200)
    return token


def pay(shop: Shop, token: str) -> None:
    """Order what is in the cart, twice with one key, and read about it."""
    address = {"name": "Bea Stone", "street": "1 Mill Lane", "city": "York", "postcode": "YO1 7HB", "country": "GB"}
    order = {"address": address, "card_number": "4242424242424242"}
    key = {"idempotency-key": secrets.token_hex(8)}
    shop.say("Bea orders: stock is reserved, the card is charged, the order is confirmed")
    placed = expect(shop.send("POST", "/orders", order, token=token, headers=key), 202).json
    shop.say("Her network hiccups, the order is sent again: it is the same one, and charged once")
    again = expect(shop.send("POST", "/orders", order, token=token, headers=key, told=("id", "state")), 202).json
    if again["id"] != placed["id"]:
        raise NoShop("The shop made two orders of one: stopped here.")
    shop.say("The states that the order went through, as a stream of events")
    expect(shop.send("GET", f"/orders/{placed['id']}/events", token=token), 200)
    shop.say("What is left on the shelf")
    expect(shop.send("GET", "/inventory/item/123"), 200)
    shop.say("And a card that the bank declines: a problem (RFC 9457), and nothing is left behind")
    expect(shop.send("PUT", "/cart/lines/124", {"quantity": 1}, token=token), 200)
    expect(shop.send("POST", "/orders", {**order, "card_number": "4000000000000002"}, token=token), 402)
    print(f"That is all. More: {shop.url}/orders/{placed['id']} (with a token), {shop.url}/products/123/picture")


def main(arguments: list[str] | None = None) -> int:
    """Tell the story. Returns 1, with one sentence, where it cannot be told."""
    parser = argparse.ArgumentParser(prog="python -m examples.shop.demo", description="Buy something in the shop.")
    parser.add_argument("--url", default="http://localhost:8080", help="of the shop [%(default)s]")
    parser.add_argument("--start", action="store_true", help="start the shop where none runs, and stop it afterwards")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.start and not answers(chosen.url):
            print("No shop runs yet: starting one for this demo (`make run` starts one that stays) ...")
            with started(chosen.url):
                tell(chosen.url)
            print("The shop is stopped again. Its data is kept in .partita/.")
        else:
            tell(chosen.url)
    except (NoShop, NotStarted) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def tell(url: str) -> None:
    """Look around, log in, buy. Raises ``NoShop``."""
    shop = Shop(url, is_colourful=sys.stdout.isatty())
    with closing(shop.connection):
        shop.knock()
        pay(shop, log_in(shop, browse(shop)))


if __name__ == "__main__":
    sys.exit(main())
