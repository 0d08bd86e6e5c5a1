"""Every wrong field at once, each with its path."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Protocol, TypeVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partita import PUBLIC, Invalid, Malformed, Message, Page, Secret
from partita.contract.codec import json_decoder
from partita.contract.contract import Contract, compiled
from partita.contract.operation import post
from partita.contract.validation import ERRORS_MAX, field_errors, whole_numbers
from partita.rpc.arguments import Arguments, decode_arguments

T = TypeVar("T")
Sku = NewType("Sku", str)


class Size(Enum):
    """A choice that travels by its value."""

    SMALL = "small"
    LARGE = "large"


class Line(Message):
    """So many of a thing."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=99)]


class Strict(Message, forbid_unknown_fields=True, rename="camel"):
    """Fields with other names on the wire, and no others."""

    unit_price: Decimal
    in_stock: bool = True


class Card(Message, tag="card"):
    """One of two."""

    number: Secret
    day: date


class Invoice(Message, tag="invoice"):
    """The other of two."""

    days: int


class Place(NamedTuple):
    """An array whose items have names."""

    x: int
    y: int = 0


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A message that is an array."""

    id: int
    name: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Size2:
    """A dataclass."""

    width: int
    height: int = 1


@dataclasses.dataclass(frozen=True)
class Positive:
    """A dataclass that refuses by itself."""

    value: int

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise ValueError("not over 0")


class Box(Message, Generic[T]):
    """Holds anything."""

    content: T


class Tree(Message):
    """Holds itself."""

    value: int
    below: tuple[Tree, ...] = ()


class Order(Message):
    """A bit of everything."""

    id: UUID
    lines: tuple[Line, ...]
    paid_by: Card | Invoice
    size: Size = Size.SMALL
    at: tuple[int, str] = (0, "")
    tags: frozenset[int] = frozenset()
    prices: Mapping[str, Strict] = msgspec.field(default_factory=dict)
    place: Place | None = None
    note: str | None = None
    count: int | msgspec.UnsetType = msgspec.UNSET


def paths(wanted: Any, raw: Any) -> list[str]:
    """The paths of what is wrong."""
    return [error.path for error in field_errors(wanted, raw)]


def said(wanted: Any, raw: Any) -> dict[str, str]:
    """What is wrong, by path."""
    return {error.path: error.detail for error in field_errors(wanted, raw)}


def test_every_wrong_field_is_told() -> None:
    """All wrong fields come at once, each with its path and a person's words."""
    raw = {
        "id": "x",
        "lines": [{"sku": "a", "quantity": 0}, {"quantity": "2"}, {"sku": "toolong", "quantity": 5}],
        "paid_by": {"type": "card", "number": 5},
        "size": "huge",
        "at": ["a", 1],
        "tags": [1, "b"],
        "prices": {"eur": {"unitPrice": "x", "more": 1, "inStock": 3}},
        "place": ["a", "b"],
        "note": 7,
        "count": "c",
    }
    assert said(Order, raw) == {
        "body.id": "invalid UUID",
        "body.lines[0].quantity": "expected int >= 1",
        "body.lines[1].sku": "missing",
        "body.lines[1].quantity": "expected int, got str",
        "body.lines[2].sku": "expected str of length <= 5",
        "body.paid_by.number": "expected str, got int",
        "body.paid_by.day": "missing",
        "body.size": "invalid enum value 'huge'",
        "body.at[0]": "expected int, got str",
        "body.at[1]": "expected str, got int",
        "body.tags[1]": "expected int, got str",
        "body.prices.eur.unitPrice": "invalid decimal string",
        "body.prices.eur.inStock": "expected bool, got int",
        "body.prices.eur.more": "unknown field",
        "body.place[0]": "expected int, got str",
        "body.place[1]": "expected int, got str",
        "body.note": "expected str | null, got int",
        "body.count": "expected int, got str",
    }


def test_the_path_begins_where_the_value_stands() -> None:
    """``where`` is the beginning of each path."""
    assert [error.path for error in field_errors(Line, {}, where="query")] == ["query.sku", "query.quantity"]


def test_nothing_wrong_is_nothing_told() -> None:
    """A value that fits has no errors."""
    raw = {"id": str(UUID(int=1)), "lines": [], "paid_by": {"type": "invoice", "days": 3}}
    assert field_errors(Order, raw) == ()


@pytest.mark.parametrize(
    ("wanted", "raw", "expected"),
    [
        (Line, [], {"body": "expected object, got array"}),
        (Line, None, {"body": "expected object, got null"}),
        (int, "a", {"body": "expected int, got str"}),
        (tuple[int, str], [1], {"body": "expected array of length 2, got 1"}),
        (Place, [], {"body[0]": "x is missing"}),
        (Place, [1, 2, 3], {"body": "expected array of length 1 to 2, got 3"}),
        (Row, ["a"], {"body[0]": "expected int, got str", "body[1]": "name is missing"}),
        (Size2, {"height": "a"}, {"body.width": "missing", "body.height": "expected int, got str"}),
        (tuple[Positive, ...], [{"value": 1}, {"value": 0}], {"body[1]": "not over 0"}),
        (Box[int], {"content": "a"}, {"body.content": "expected int, got str"}),
        (Page[Line], {"items": [{"sku": "a"}]}, {"body.items[0].quantity": "missing"}),
        (Tree, {"value": 1, "below": [{"value": "a", "below": [{}]}]},
         {"body.below[0].value": "expected int, got str", "body.below[0].below[0].value": "missing"}),
        (Card | Invoice, {"type": "cash"}, {"body.type": "invalid value 'cash'"}),
        (Card | Invoice, {"days": 1}, {"body": "type is missing"}),
        (Card | Invoice | None, {"type": "invoice"}, {"body.days": "missing"}),
        (Card, {"type": "invoice", "days": 1}, {"body.type": "invalid value 'invoice'"}),
        (Line | int, {"sku": "a"}, {"body.quantity": "missing"}),
        (Line | tuple[int, ...], [1, "b"], {"body[1]": "expected int, got str"}),
        (int | str | None, [], {"body": "expected int | str | null, got array"}),
        (Mapping[int, str], {"a": "b", "1": 2},
         {"body.a": "the key: expected int, got str", "body.1": "expected str, got int"}),
        (Literal["a", "b"], "c", {"body": "invalid enum value 'c'"}),
        (Sku, 1, {"body": "expected str, got int"}),
        (Annotated[tuple[int, ...], msgspec.Meta(max_length=1)], [1, 2], {"body": "expected array of length <= 1"}),
        (Annotated[tuple[int, ...], msgspec.Meta(max_length=1)], [1, "b"], {"body[1]": "expected int, got str"}),
    ],
)  # fmt: skip
def test_each_kind_of_type(wanted: Any, raw: Any, expected: dict[str, str]) -> None:
    """Each kind of type tells of its parts, or of itself where no part is wrong."""
    assert said(wanted, raw) == expected


def test_at_most_a_hundred_errors_are_told() -> None:
    """A body of nothing but mistakes is answered by the first hundred of them."""
    assert len(field_errors(tuple[int, ...], ["a"] * 500)) == ERRORS_MAX == 100
    assert len(field_errors(Strict, {f"field{number}": 1 for number in range(500)})) == ERRORS_MAX
    assert len(field_errors(Mapping[str, int], {f"key{number}": "a" for number in range(500)})) == ERRORS_MAX


def test_what_a_sender_made_up_is_shortened() -> None:
    """Names and values of the sender's own do not come back at any length."""
    long = "x" * 10_000
    told = [*field_errors(Strict, {long: 1}), *field_errors(Size, long), *field_errors(Mapping[str, int], {long: "a"})]
    assert max(len(error.path) + len(error.detail) for error in told) < 500


def test_a_secret_is_not_told() -> None:
    """No error of a Secret shows what was sent for it."""
    for raw in (["hunter2"], {"hunter2": "hunter2"}, 41421356):
        text = repr(field_errors(Box[Secret], {"content": raw}))
        assert "expected str, got" in text
        assert "hunter2" not in text
        assert "41421356" not in text


def test_a_secret_that_is_missing_a_value_is_told_as_json_says_it() -> None:
    """Null, lists and objects are called what they are in JSON."""
    raws: tuple[Any, ...] = (None, [], {}, True)
    told = [said(Box[Secret], {"content": raw})["body.content"] for raw in raws]
    assert told == [f"expected str, got {name}" for name in ("null", "array", "object", "bool")]


def test_the_decoders_own_words_stand_in() -> None:
    """Of a key that comes twice only the last is left: what the decoder said of the first is told instead."""
    body = b'{"sku":5,"sku":"a","quantity":1}'
    with pytest.raises(msgspec.ValidationError) as refused:
        json_decoder(Line).decode(body)
    told = field_errors(Line, msgspec.json.decode(body), refusal=str(refused.value))
    assert [(error.path, error.detail) for error in told] == [("body.sku", "expected str, got int")]


def test_whole_numbers_are_whole() -> None:
    """``3.0`` is the integer 3 for JSON; what is no whole number, or has too many digits, stays."""
    raw = {"a": [3.0, 1.5, 1e300], "b": {"c": -2.0}, "d": True, "e": "1.0"}
    assert whole_numbers(raw) == {"a": [3, 1.5, 1e300], "b": {"c": -2}, "d": True, "e": "1.0"}
    assert [type(item) for item in whole_numbers(raw)["a"]] == [int, float, float]


# --- bodies, as the server reads them ------------------------------------------------------------------------------


class Shop(Contract, Protocol, name="shop"):
    """One operation with a body."""

    @post("/lines", access=PUBLIC)
    async def add(self, line: Line) -> None: ...


def read(body: bytes) -> Any:
    """What the operation is given for a body."""
    arguments = Arguments(body=body, content_type="application/json")
    return decode_arguments(compiled(Shop).operations["add"], arguments)["line"]


def test_a_float_without_a_fraction_is_an_integer() -> None:
    """``2.0`` is read as the integer that it is."""
    assert read(b'{"sku":"a","quantity":2.0}') == Line(sku="a", quantity=2)


def test_broken_json_after_a_wrong_field_is_broken_json() -> None:
    """A body that is no JSON is Malformed, also where a wrong field comes before the place where it breaks."""
    for body in (b'{"sku":5, oops', b'{"sku":5,"quantity":"\xff"}', b'{"sku":5}}'):
        with pytest.raises(Malformed):
            read(body)


def test_a_key_that_comes_twice_is_refused_once() -> None:
    """A field that is wrong the first time and right the second time is refused, and does not reach the handler."""
    with pytest.raises(Invalid) as refused:
        read(b'{"sku":5,"sku":"a","quantity":1}')
    assert [error.path for error in refused.value.errors] == ["body.sku"]


# --- agreement with the decoder ------------------------------------------------------------------------------------

TYPES: list[Any] = [
    Line, Strict, Card | Invoice, Place, Row, Size2, Box[int], Tree, Order, Page[Line], Mapping[int, Line],
    tuple[int, str], frozenset[int], Size, int | str | None, Literal[1, 2], Annotated[str, msgspec.Meta(pattern="^a")],
    UUID, date, Decimal, bytes, float, bool, Positive, Sku, Card | None, tuple[Card | Invoice, ...],
]  # fmt: skip
NAMES = st.sampled_from(
    ["sku", "quantity", "type", "number", "day", "days", "unitPrice", "content", "value", "below", "items", "1", "x"]
)
LEAVES = (
    st.none() | st.booleans() | st.integers(-5, 120) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "small", "card", "invoice", "2030-01-01", "1.5", str(UUID(int=5)), "YWJj"])
)  # fmt: skip
RAW = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=8
)


def accepts(decode: Callable[[bytes], Any], body: bytes) -> bool:
    """Whether the decoder takes the bytes."""
    try:
        decode(body)
    except msgspec.ValidationError:
        return False
    return True


@given(st.sampled_from(TYPES), RAW)
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_errors_are_told_exactly_where_the_decoder_refuses(wanted: Any, raw: Any) -> None:
    """There are errors if and only if the decoder refuses the same JSON; none has an empty text or path."""
    body = msgspec.json.encode(raw)
    found = field_errors(wanted, msgspec.json.decode(body))
    assert accepts(json_decoder(wanted).decode, body) == (not found)
    assert all(error.path.startswith("body") and error.detail for error in found)
    assert len(set(found)) == len(found)
