"""Problems: their classes, and their documents."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest

from partita import Busy, FieldError, Invalid, Money, NotFound, Problem, Secret
from partita.contract.problem import kebab
from partita.contract.problems import BUILT_IN
from partita.contract.wire import decode_problem, encode_problem


class Declined(Problem, status=402, commits=True):
    """The card was declined.

    More about it.
    """

    reason: str
    left: Money | None = None
    tries: tuple[int, ...] = ()


class Named(Problem, status=409):
    """A default that is made anew each time."""

    names: tuple[str, ...] = dataclasses.field(default_factory=tuple)


class Gone(Declined, status=410, code="it-is-gone"):
    """It was there once."""

    id: UUID


class Wrong(Problem, status=400):
    password: Secret
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


KNOWN = {problem.code: problem for problem in (Declined, Gone, Named, Wrong)}
FULL = Declined(reason="limit", left=Money(amount=5, currency="EUR"), tries=(1, 2))


def document(problem: Problem, **options: Any) -> dict[str, Any]:
    """What stands on the wire."""
    found: dict[str, Any] = json.loads(encode_problem(problem, **options))
    return found


# --- classes -------------------------------------------------------------------------------------------------------


def test_a_class_line_says_it_all() -> None:
    """Status, code, title and whether it commits come from the class line and the docstring, and are inherited."""
    assert (Declined.status, Declined.code, Declined.title, Declined.commits) == (
        402,
        "declined",
        "The card was declined",
        True,
    )
    assert (Gone.status, Gone.code, Gone.title, Gone.commits) == (410, "it-is-gone", "It was there once", True)
    assert (Wrong.code, Wrong.title, Wrong.commits) == ("wrong", "Wrong", False)


@pytest.mark.parametrize(
    ("name", "code"), [("Declined", "declined"), ("OutOfStock", "out-of-stock"), ("HTTPError", "http-error")]
)
def test_codes_are_in_kebab_case(name: str, code: str) -> None:
    """A class's name becomes its code."""
    assert kebab(name) == code


def test_fields_are_given_by_name() -> None:
    """A problem takes its fields by keyword, and says which are missing."""
    with pytest.raises(TypeError, match="reason"):
        Declined()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Declined("limit")  # type: ignore[call-arg]


def test_it_says_what_it_is() -> None:
    """Text and representation name the fields; a Secret stays hidden in both."""
    assert str(Declined(reason="limit")) == "The card was declined (reason='limit', left=None, tries=())"
    assert repr(Gone(reason="a", id=UUID(int=1))).startswith("Gone(reason='a'")
    assert "hunter2" not in f"{Wrong(password=Secret('hunter2'))!r} {Wrong(password=Secret('hunter2'))}"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda problem: pickle.loads(pickle.dumps(problem))])
def test_it_can_be_copied_and_pickled(again: Any) -> None:
    """A copy is of the same class and has the same fields, also through another process."""
    copied = again(Gone(reason="a", id=UUID(int=1)))
    assert type(copied) is Gone
    assert copied.members() == {"reason": "a", "left": None, "tries": (), "id": UUID(int=1)}


# --- documents -----------------------------------------------------------------------------------------------------


def test_the_document_is_that_of_rfc_9457() -> None:
    """type, title and status, and the fields beside them; what was not told is not written."""
    assert document(FULL) == {
        "type": "urn:partita:problem:declined",
        "title": "The card was declined",
        "status": 402,
        "reason": "limit",
        "left": {"amount": 5, "currency": "EUR"},
        "tries": [1, 2],
    }


def test_the_occurrence_is_told_where_it_is_known() -> None:
    """``instance`` and ``may_have_executed`` are written where they are given."""
    told = document(FULL, may_have_executed=False, instance="urn:uuid:1")
    assert (told["may_have_executed"], told["instance"]) == (False, "urn:uuid:1")


@pytest.mark.parametrize(
    "problem",
    [
        FULL,
        Declined(reason=""),
        Gone(reason="a", id=UUID(int=1)),
        Wrong(password=Secret("hunter2"), count=3),
        Invalid(errors=(FieldError(path="body.x", detail="missing"),)),
        NotFound(what="a thing"),
        Named(),
        Busy(),
    ],
    ids=repr,
)
def test_it_comes_back_as_the_same_class(problem: Problem) -> None:
    """What is written is read as the same class with the same values."""
    read = decode_problem(encode_problem(problem, may_have_executed=True), {**BUILT_IN, **KNOWN})
    assert type(read) is type(problem)
    assert read is not None
    assert read.members() == problem.members()


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"urn:partita:problem:unknown","reason":"a"}',
        b'{"type":"about:blank","title":"Not Found","status":404}',
        b'{"type":"urn:partita:problem:declined"}',
        b'{"type":"urn:partita:problem:declined","reason":5}',
        b'{"type":"urn:partita:problem:declined","reason":"a","tries":["x"]}',
        b'{"type":"urn:partita:problem:wrong","password":5}',
        b'{"type":"urn:partita:problem:wrong","password":"a","count":0}',
        b'{"type":7}',
        b"[]",
        b"",
        b"<html>",
        b'{"type":"\xff"}',
        b'{"type":"urn:partita:problem:declined","reason":"\xff"}',
    ],
)
def test_what_does_not_fit_is_no_problem(body: bytes) -> None:
    """An unknown code, members that do not fit, and what is no document at all give None."""
    assert decode_problem(body, KNOWN) is None


def test_members_that_are_not_known_are_passed_over() -> None:
    """A newer service may tell more than this caller knows."""
    read = decode_problem(b'{"type":"urn:partita:problem:declined","reason":"a","since":"2030"}', KNOWN)
    assert isinstance(read, Declined)
    assert read.reason == "a"


def test_a_default_that_is_made_need_not_be_sent() -> None:
    """A field with a default factory may be left out of the document, as one with a default."""
    read = decode_problem(b'{"type":"urn:partita:problem:named"}', KNOWN)
    assert isinstance(read, Named)
    assert read.names == ()


def test_problems_of_one_name_are_kept_apart() -> None:
    """Two classes of one name have members of their own."""

    def made(kind: type) -> type[Problem]:
        class Same(Problem, status=400):
            """One of two."""

            value: kind  # type: ignore[valid-type]

        Same.__annotations__["value"] = kind
        return Same

    first, second = made(int), made(str)
    body = b'{"type":"urn:partita:problem:same","value":5}'
    assert decode_problem(body, {"same": first}) is not None
    assert decode_problem(body, {"same": second}) is None
