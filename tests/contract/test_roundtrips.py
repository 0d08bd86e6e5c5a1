"""Every type that msgspec knows crosses the wire of a contract and comes back the same: as a body, and as a text."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Protocol, TypeVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partita import PUBLIC, Contract, Cookie, Header, Message, Money, Page, Secret, get, post
from partita.contract.codec import (
    JSON_NESTING_MAX,
    encode_json,
    encode_text,
    json_decoder,
    nesting_too_deep,
    text_decoder,
)
from partita.contract.contract import compiled
from partita.contract.types import faults_of

T = TypeVar("T")
Sku = NewType("Sku", str)


class Size(Enum):
    """A choice that is a text."""

    SMALL = "small"


class Level(IntEnum):
    """A choice that is a number."""

    LOW = 1


class Word(StrEnum):
    """A choice that is a text itself."""

    YES = "yes"


class Cat(Message, tag="cat"):
    """Purrs."""

    lives: int = 9


class Dog(Message, tag="dog", rename="camel"):
    """Barks."""

    best_friend: Dog | Cat | None = None


class Place(NamedTuple):
    """An array whose items have names."""

    x: int
    y: float = 0.5


@dataclasses.dataclass(frozen=True)
class Point:
    """A frozen dataclass."""

    x: int
    y: int = 2


class Box(Message, Generic[T]):
    """Holds anything."""

    content: T


class Change(Message, omit_defaults=True):
    """A partial change."""

    note: str | msgspec.UnsetType | None = msgspec.UNSET


class Tree(Message):
    """Holds itself."""

    below: tuple[Tree, ...] = ()


NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001 - times without a zone cross as well
BODIES: list[tuple[Any, Any]] = [
    (int, -(2**63)), (int, 2**64 - 1), (float, 0.1), (bool, True), (str, "ä𝄞\x00\"\\"), (bytes, b"\x00\xff"),
    (None, None),
    (Decimal, Decimal("0.10")), (UUID, UUID(int=1)), (date, date(2030, 2, 28)), (time, time(9, 30, 0, 5)),
    (datetime, datetime(2030, 1, 1, 9, 30, tzinfo=UTC)), (datetime, NAIVE),
    (timedelta, timedelta(days=-1, seconds=5, microseconds=7)), (Secret, Secret("hunter2")),
    (Size, Size.SMALL), (Level, Level.LOW), (Word, Word.YES), (Literal["a", 1, None], 1), (Sku, Sku("a")),
    (tuple[int, ...], (1, 2)), (tuple[int, str], (1, "a")), (tuple[()], ()), (frozenset[int], frozenset({1, 2})),
    (Mapping[str, int], {"a": 1}), (Mapping[int, Cat], {1: Cat()}), (Mapping[UUID, int], {UUID(int=1): 1}),
    (Cat, Cat(lives=3)), (Cat | Dog, Dog(best_friend=Dog(best_friend=Cat()))), (Cat | int | None, 5),
    (int | None, None),
    (Place, Place(1)), (Point, Point(1)), (Box[Cat], Box(content=Cat())),
    (Page[Box[int]], Page(items=(Box(content=1),))),
    (Change, Change()), (Change, Change(note=None)), (Change, Change(note="a")), (Tree, Tree(below=(Tree(), Tree()))),
    (Money, Money(amount=-5, currency="EUR")),
    (Annotated[int, msgspec.Meta(ge=1, le=9, multiple_of=3)], 9), (Annotated[float, msgspec.Meta(gt=0, lt=1)], 0.5),
    (Annotated[str, msgspec.Meta(min_length=1, max_length=2, pattern="^a")], "ab"),
    (Annotated[bytes, msgspec.Meta(max_length=2)], b"ab"),
    (Annotated[datetime, msgspec.Meta(tz=False)], NAIVE),
    (Annotated[tuple[int, ...], msgspec.Meta(min_length=1)], (1,)),
    (Annotated[Mapping[str, int], msgspec.Meta(max_length=1)], {"a": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "value"), BODIES, ids=lambda each: str(each)[:60])
def test_it_may_cross_and_comes_back_the_same(wanted: Any, value: Any) -> None:
    """A contract accepts the type, and what is written as JSON is read as an equal value of the same type."""
    assert faults_of(wanted, "it") == []
    read = json_decoder(wanted).decode(encode_json(value))
    assert read == value
    assert type(read) is type(value)


REFUSED: list[tuple[Any, bytes]] = [
    (Annotated[int, msgspec.Meta(ge=1)], b"0"), (Annotated[int, msgspec.Meta(gt=1)], b"1"),
    (Annotated[int, msgspec.Meta(le=1)], b"2"), (Annotated[float, msgspec.Meta(lt=1)], b"1.0"),
    (Annotated[int, msgspec.Meta(multiple_of=3)], b"4"), (Annotated[str, msgspec.Meta(min_length=1)], b'""'),
    (Annotated[str, msgspec.Meta(max_length=1)], b'"ab"'), (Annotated[str, msgspec.Meta(pattern="^a$")], b'"b"'),
    (Annotated[tuple[int, ...], msgspec.Meta(max_length=1)], b"[1,2]"),
    (Annotated[datetime, msgspec.Meta(tz=True)], b'"2030-01-01T00:00:00"'),
    (Size, b'"huge"'), (Literal["a"], b'"b"'), (Cat | Dog, b'{"type":"cow"}'), (int, b"true"),
    (int, b'"1"'), (bool, b"1"),
    (str, b"1"), (float, b"NaN"), (UUID, b'"1"'), (date, b'"2030-02-30"'), (Decimal, b'"x"'), (bytes, b'"!"'),
    (Secret, b"5"), (Money, b'{"amount":1,"currency":"eur"}'), (Money, b'{"amount":9007199254740992,"currency":"EUR"}'),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "body"), REFUSED, ids=str)
def test_what_does_not_fit_is_refused(wanted: Any, body: bytes) -> None:
    """Types and constraints hold when JSON is read."""
    with pytest.raises(msgspec.DecodeError):
        json_decoder(wanted).decode(body)


TEXTS: list[tuple[Any, Any, str]] = [
    (str, "a b/ä", "a b/ä"), (str, "", ""), (int, -5, "-5"), (float, 0.5, "0.5"), (bool, True, "true"),
    (bool, False, "false"),
    (Decimal, Decimal("0.10"), "0.10"), (UUID, UUID(int=1), str(UUID(int=1))), (date, date(2030, 1, 2), "2030-01-02"),
    (time, time(9, 30), "09:30:00"), (datetime, datetime(2030, 1, 1, tzinfo=UTC), "2030-01-01T00:00:00Z"),
    (timedelta, timedelta(seconds=3), "PT3S"), (Secret, Secret("a"), "a"), (Size, Size.SMALL, "small"),
    (Level, Level.LOW, "1"),
    (Word, Word.YES, "yes"), (Literal["a", "b"], "b", "b"), (Literal[1, 2], 2, "2"), (Sku, Sku("a"), "a"),
    (int | None, 5, "5"), (Annotated[int, msgspec.Meta(ge=1)], 5, "5"), (str | None, "null", "null"),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "value", "text"), TEXTS, ids=str)
def test_a_scalar_is_a_text_and_comes_back_the_same(wanted: Any, value: Any, text: str) -> None:
    """A scalar has one text for paths, queries, headers and cookies, and is read from it."""
    assert encode_text(value) == text
    read = text_decoder(wanted)(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (int, "a"), (int, ""), (int, " 1"), (int, "1_0"), (int, "null"), (float, "nan"),
        (float, "inf"), (float, "-Infinity"), (bool, "maybe"),
        (UUID, "1"), (date, "x"), (Size, "huge"), (Literal["a"], "b"),
        (Annotated[int, msgspec.Meta(ge=1)], "0"), (int | None, "None"),
        (Annotated[int | None, msgspec.Meta(title="A number")], "null"),
    ],
    ids=str,
)  # fmt: skip
def test_a_text_that_does_not_fit_is_refused(wanted: Any, text: str) -> None:
    """A text that is no such value is refused; no text stands for None, and floats are finite."""
    with pytest.raises(msgspec.ValidationError):
        text_decoder(wanted)(text)


@given(
    st.one_of(
        st.text(), st.integers(-(2**53), 2**53), st.booleans(), st.uuids(), st.dates(), st.timedeltas(),
        st.decimals(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False),
        st.datetimes(timezones=st.just(UTC)), st.times(),
    )
)  # fmt: skip
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_scalar_survives_as_a_text(value: Any) -> None:
    """Whatever the value, its text is read as the same value."""
    assert text_decoder(type(value))(encode_text(value)) == value


def test_nesting_is_bounded() -> None:
    """Brackets within brackets are counted, those in strings are not, and a flat body of any length is fine."""
    deep = JSON_NESTING_MAX
    assert not nesting_too_deep(b"[" * deep + b"]" * deep)
    assert nesting_too_deep(b"[" * (deep + 1) + b"]" * (deep + 1))
    assert not nesting_too_deep(b"[" * deep + b"]" * (deep - 1) + b",[]]")
    assert nesting_too_deep(b'{"a":' * (deep + 1))
    assert not nesting_too_deep(b"[" + b"[]," * 1000 + b"[]]")
    assert not nesting_too_deep(b'["' + b"[" * 1000 + b'\\"' + b"{" * 1000 + b'"]')


class Shop(Contract, Protocol, name="shop"):
    """Signatures of all sorts."""

    @post("/boxes/{size}", access=PUBLIC)
    async def put(
        self,
        size: Size,
        box: Box[Cat | Dog],
        level: Level = Level.LOW,
        *,
        tag: tuple[Sku, ...] = (),
        share: Decimal | None = None,
        match: Annotated[str | None, Header("If-Match")] = None,
        guest: Annotated[UUID | None, Cookie("guest")] = None,
    ) -> Page[Mapping[str, Place]]: ...

    @get("/trees")
    def trees(self, since: datetime, kind: Literal["oak", "ash"] = "oak") -> AsyncIterator[Tree]: ...


def test_signatures_are_read() -> None:
    """Each argument has its place, its name on the wire and its default; the result has its type."""
    put, trees = compiled(Shop).operations.values()
    assert [(each.name, each.place, each.alias, each.required, each.default) for each in put.parameters] == [
        ("size", "path", "size", True, None),
        ("box", "body", "box", True, None),
        ("level", "query", "level", False, Level.LOW),
        ("tag", "query", "tag", False, ()),
        ("share", "query", "share", False, None),
        ("match", "header", "if-match", False, None),
        ("guest", "cookie", "guest", False, None),
    ]
    assert (put.full_name, put.method, put.status, put.kind) == ("shop.put", "POST", 200, "value")
    assert put.positional == ("size", "box", "level")
    assert put.result == Page[Mapping[str, Place]]
    assert (trees.kind, trees.safe, trees.result) == ("stream", True, Tree)


def test_local_names_are_found() -> None:
    """A contract that is made inside a function may name what is defined there."""

    class Inner(Message):
        """Defined here."""

        x: int

    class Local(Contract, Protocol, name="local"):
        """Defined here too."""

        @post("/inner")
        async def keep(self, inner: Inner) -> Page[Inner]: ...

    operation = compiled(Local).operations["keep"]
    assert operation.decode_body is not None
    assert operation.decode_body(b'{"x":1}') == Inner(x=1)
    assert operation.result == Page[Inner]


def test_a_path_is_filled_in_safely() -> None:
    """A text cannot leave its segment."""
    put = compiled(Shop).operations["put"]
    assert put.format_path({"size": "../a b?c#ä"}) == "/boxes/..%2Fa%20b%3Fc%23%C3%A4"
