"""Messages, events, money, pages, access and what a contract is as a class."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Protocol

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita import INTERNAL, PUBLIC, USER, Access, Contract, Event, Message, Money, Page, get, pages, role
from partita.contract.contract import compiled


class Line(Message):
    """So many of a thing."""

    sku: str
    quantity: int = 1


class Placed(Event, name="orders.placed", key="id", version=2):
    """An order was placed."""

    id: int


class Orders(Contract, Protocol, name="orders", prefix="/v1", publishes=[Placed]):
    """Takes orders."""

    @get("/lines/{sku}", access=PUBLIC)
    async def line(self, sku: str) -> Line: ...


class More(Orders, Protocol, name="orders"):
    """Takes more than orders."""

    @get("/more")
    async def more(self) -> int: ...


# --- messages and events -------------------------------------------------------------------------------------------


def test_a_message_is_frozen_and_named() -> None:
    """A message cannot be changed, takes its fields by name, and equals one with the same fields."""
    line = Line(sku="a")
    with pytest.raises(AttributeError, match="immutable"):
        line.quantity = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        Line("a")  # type: ignore[call-arg]
    assert line == Line(sku="a", quantity=1)
    assert hash(line) == hash(Line(sku="a"))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_message_can_be_copied(again: Any) -> None:
    """Copies, also through another process, are equal."""
    assert again(Page(items=(Line(sku="a"),))) == Page(items=(Line(sku="a"),))


def test_a_message_can_be_changed_into_another() -> None:
    """``msgspec.structs.replace`` makes a message that differs in a field."""
    line: Any = Line(sku="a")
    assert msgspec.structs.replace(line, quantity=5) == Line(sku="a", quantity=5)


def test_an_event_knows_its_name_its_key_and_its_version() -> None:
    """What the class line says is kept, for the wire."""
    assert Placed.__partita__ == {"name": "orders.placed", "key": "id", "version": 2}


# --- contracts -----------------------------------------------------------------------------------------------------


def test_a_contract_is_no_instance() -> None:
    """A contract cannot be instantiated; its implementation can."""
    with pytest.raises(TypeError, match="Protocol"):
        Orders()  # type: ignore[misc]

    class Here(Orders):
        async def line(self, sku: str) -> Line:
            return Line(sku=sku)

    Here()
    assert compiled(Here) is compiled(Orders)


def test_a_contract_is_compiled_when_it_is_made() -> None:
    """Name, prefix, docstring, events and operations are known of the class."""
    made = compiled(Orders)
    assert (made.name, made.prefix, made.doc, made.publishes) == ("orders", "/v1", "Takes orders.", (Placed,))
    assert made.operations["line"].path == "/v1/lines/{sku}"
    assert made.place.startswith("tests/contract/test_values.py:")


def test_a_contract_can_extend_another() -> None:
    """The operations of the extended contract come first, and its events stay."""
    made = compiled(More)
    assert list(made.operations) == ["line", "more"]
    assert made.publishes == (Placed,)


def test_what_is_no_contract_is_said_so() -> None:
    """Asking for the operations of another class is a TypeError that says how to write a contract."""
    with pytest.raises(TypeError, match=r"class X\(Contract, Protocol, name=...\)"):
        compiled(Line)


# --- access --------------------------------------------------------------------------------------------------------


def test_access_is_joined_with_a_bar() -> None:
    """``|`` lets in whom either lets in; order makes no difference."""
    both = role("operator") | INTERNAL | role("admin")
    assert both == INTERNAL | role("admin") | role("operator")
    assert str(both) == 'INTERNAL | role("admin") | role("operator")'
    assert str(PUBLIC | USER) == "PUBLIC | USER"
    assert Access() | USER == USER


def test_internal_is_what_only_services_may_call() -> None:
    """As soon as somebody from outside may call, it is not internal."""
    assert INTERNAL.is_internal
    assert not any((INTERNAL | other).is_internal for other in (PUBLIC, USER, role("admin")))


# --- money ---------------------------------------------------------------------------------------------------------

EUR = st.integers(-(10**12), 10**12).map(lambda amount: Money(amount=amount, currency="EUR"))


@given(EUR, EUR)
def test_money_adds_up(one: Money, other: Money) -> None:
    """Adding and subtracting undo each other, and comparing is comparing the amounts."""
    assert one + other - other == one
    assert one + -one == Money(amount=0, currency="EUR")
    assert one * 3 == one + one + one == 3 * one
    assert (one < other, one <= other, one > other, one >= other) == (
        one.amount < other.amount,
        one.amount <= other.amount,
        one.amount > other.amount,
        one.amount >= other.amount,
    )


@given(EUR, st.integers(1, 50))
def test_money_is_split_without_a_rest(total: Money, parts: int) -> None:
    """The parts sum to the whole and differ by one minor unit at most, the larger ones first."""
    shares = total.split(parts)
    assert len(shares) == parts
    assert sum((share.amount for share in shares), 0) == total.amount
    assert shares[0].amount - shares[-1].amount in (0, 1)
    assert list(shares) == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda eur, usd: eur + usd,
        lambda eur, usd: eur - usd,
        lambda eur, usd: eur < usd,
        lambda eur, usd: eur >= usd,
        lambda eur, usd: eur.split(0),
    ],
)
def test_currencies_do_not_mix(wrong: Any) -> None:
    """Two currencies, and no parts at all, are a ValueError."""
    with pytest.raises(ValueError, match=r"different currencies|one part or more"):
        wrong(Money(amount=5, currency="EUR"), Money(amount=5, currency="USD"))


@pytest.mark.parametrize("factor", [0.5, True, "2"])
def test_money_is_multiplied_by_whole_numbers(factor: Any) -> None:
    """A share of an amount has to be rounded by whoever asks for it."""
    with pytest.raises(TypeError, match="whole number"):
        Money(amount=5, currency="EUR") * factor


# --- pages ---------------------------------------------------------------------------------------------------------


async def test_pages_are_walked_to_the_last() -> None:
    """``pages`` yields every item of every page, and passes its arguments on."""
    asked: list[tuple[str | None, int]] = []

    async def listed(after: str | None = None, *, size: int = 2) -> Page[int]:
        asked.append((after, size))
        start = int(after or 0)
        return Page(items=tuple(range(start, start + size)), next=str(start + size) if start + size < 6 else None)

    assert [item async for item in pages(listed, size=3)] == [0, 1, 2, 3, 4, 5]
    assert asked == [(None, 3), ("3", 3)]


async def test_a_page_that_names_itself_ends_the_walk() -> None:
    """A cursor that does not move would be read for ever, so it is a ValueError."""

    async def stuck(after: str | None) -> Page[int]:
        return Page(items=(1,), next="x")

    with pytest.raises(ValueError, match="names itself"):
        [item async for item in pages(stuck)]
