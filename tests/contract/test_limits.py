"""What lies at the edges of JSON and of texts: numbers that are none, halves of characters, large amounts."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from partita import Money, Problem
from partita.contract.codec import encode_json, encode_text, json_decoder, text_decoder
from partita.contract.contract import compiled
from partita.contract.openapi import openapi
from partita.contract.validation import field_errors

LARGEST = 2**53 - 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_floats_that_are_no_numbers_do_not_arrive(value: float) -> None:
    """JSON has no NaN and no infinity: they are written as null, which no float is, and as a text they are refused."""
    assert encode_json((value,)) == b"[null]"
    with pytest.raises(msgspec.ValidationError, match="Expected `float`, got `null`"):
        json_decoder(tuple[float, ...]).decode(b"[null]")
    with pytest.raises(msgspec.ValidationError):
        text_decoder(float)(encode_text(value))


def test_whole_numbers_have_no_bound_of_their_own() -> None:
    """What is beyond 64 bits is read exactly, in JSON and as a text; a constraint is what bounds it."""
    assert json_decoder(int).decode(encode_json(-(2**200))) == -(2**200)
    assert text_decoder(int)(encode_text(2**200)) == 2**200


def test_half_a_character_is_none() -> None:
    """A lone surrogate is no JSON text and has no UTF-8 form, so it is neither read nor written."""
    with pytest.raises(msgspec.DecodeError):
        json_decoder(str).decode(rb'"\ud800"')
    with pytest.raises(UnicodeEncodeError):
        encode_json("\ud800")
    assert json_decoder(str).decode(rb'"\ud83c\udfbb"') == "🎻"


@pytest.mark.parametrize("amount", [LARGEST, -LARGEST, 0])
def test_amounts_up_to_the_bound_cross(amount: int) -> None:
    """Every amount that a double of JavaScript holds exactly crosses."""
    money = Money(amount=amount, currency="EUR")
    assert json_decoder(Money).decode(encode_json(money)) == money


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"amount": LARGEST + 1, "currency": "EUR"}, "body.amount"),
        ({"amount": -LARGEST - 1, "currency": "EUR"}, "body.amount"),
        ({"amount": 1.5, "currency": "EUR"}, "body.amount"),
        ({"amount": 1, "currency": "Eur"}, "body.currency"),
        ({"amount": 1, "currency": "EURO"}, "body.currency"),
        ({"amount": 1, "currency": "EUR\n"}, "body.currency"),
    ],
)
def test_amounts_beyond_the_bound_and_currencies_that_are_none(raw: dict[str, Any], path: str) -> None:
    """Amounts are whole and within 53 bits, currencies are three capital letters."""
    assert [error.path for error in field_errors(Money, raw)] == [path]


@pytest.mark.parametrize("other", [1, 1.5, None, "1 EUR"])
def test_money_is_added_to_money_only(other: Any) -> None:
    """A number without a currency is no money."""
    money = Money(amount=1, currency="EUR")
    with pytest.raises(TypeError, match="name its currency"):
        money + other
    with pytest.raises(TypeError, match="name its currency"):
        _ = money < other


def test_a_problem_without_words_is_named_after_its_class() -> None:
    """A docstring of blanks is no title."""

    class Gone(Problem, status=410):
        """ """

    assert (Gone.title, Gone.code) == ("Gone", "gone")


def test_the_document_of_every_shape_of_call_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract that the suite of calls runs on has a document that the official schema accepts."""
    file = Path(__file__).resolve().parents[1] / "rpc" / "conftest.py"
    spec = importlib.util.spec_from_file_location("things_of_the_suite", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # where its dataclass looks for itself
    spec.loader.exec_module(module)
    document = openapi(compiled(module.Things))
    OpenAPIV31SpecValidator(document).validate()
    named = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert sorted(named) == sorted(f"things.{name}" for name in compiled(module.Things).operations)
