"""Numbers that fit nowhere, as strangers send them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Protocol

import pytest

from partita import PUBLIC, Contract, Invalid, Message, get, post
from partita.contract.contract import compiled
from partita.rpc.arguments import Arguments, decode_arguments


class Numbers(Message):
    """One of each."""

    whole: int = 0
    part: float = 0
    exact: Decimal = Decimal(0)


class Sums(Contract, Protocol, name="sums"):
    """Gives back what it was given."""

    @post("/numbers", access=PUBLIC)
    async def body(self, numbers: Numbers) -> Numbers: ...

    @get("/numbers", access=PUBLIC)
    async def query(self, whole: int = 0, part: float = 0, exact: Decimal = Decimal(0)) -> Numbers: ...


def in_body(text: str) -> Any:
    """The message of a JSON text."""
    arguments = Arguments()
    arguments.body, arguments.content_type = text.encode(), "application/json"
    return decode_arguments(compiled(Sums).operations["body"], arguments)["numbers"]


def in_query(name: str, text: str) -> Any:
    """A value of the query."""
    arguments = Arguments()
    arguments.query = {name: [text]}
    return decode_arguments(compiled(Sums).operations["query"], arguments)[name]


def paths(refused: pytest.ExceptionInfo[Invalid]) -> list[str]:
    """Where the errors are."""
    return [error.path for error in refused.value.errors]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"whole": ' + "9" * 5000 + "}", "body.whole"),
        ('{"part": 1e400}', "body.part"),
        ('{"part": -1e400}', "body.part"),
        ('{"whole": "x", "stranger": 1e999}', "body.whole"),
        ('{"whole": 1.5}', "body.whole"),
    ],
)
def test_a_number_out_of_range_in_a_body(text: str, path: str) -> None:
    """A number that no type here can hold is a wrong field, not a failure of the service."""
    with pytest.raises(Invalid) as refused:
        in_body(text)
    assert paths(refused) == [path]


def test_large_and_whole_numbers_in_a_body() -> None:
    """Whole numbers beyond 64 bits are read exactly, and 2.0 is a whole number, as JSON Schema says."""
    assert in_body(f'{{"whole": {2**70}}}').whole == 2**70
    assert in_body('{"whole": 2.0}').whole == 2
    assert in_body('{"exact": "0.10"}').exact.as_tuple() == Decimal("0.10").as_tuple()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("whole", "9" * 5000),
        ("whole", "1_0"),
        ("whole", " 1"),
        ("whole", "١"),
        ("part", "1e400"),
        ("part", "nan"),
        ("part", "-inf"),
        ("exact", "NaN"),
        ("exact", "sNaN"),
        ("exact", "Infinity"),
    ],
)
def test_a_number_out_of_range_in_a_query(name: str, text: str) -> None:
    """Neither what is too large nor what is no number passes as one."""
    with pytest.raises(Invalid) as refused:
        in_query(name, text)
    assert paths(refused) == [f"query.{name}"]
