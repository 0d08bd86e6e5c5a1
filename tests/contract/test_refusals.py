"""What a contract cannot be: refused when it is imported, all mistakes at once, each with place, fact and remedy."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from partita import ContractRefused, PartitaError

SHARED = """
import dataclasses, enum, typing
from collections import deque
from collections.abc import *
from datetime import date, datetime
from typing import *
from uuid import UUID
import msgspec
from msgspec import UNSET, Meta, UnsetType
from partita import *

class M(Message):
    x: int
class Other(Message):
    y: int
class Holds(Message):
    items: list[int]
class Deep(Message):
    holds: tuple[Holds, ...]
class Lost(Message):
    nowhere: "Nowhere"
@dataclasses.dataclass
class Loose:
    x: int
class Thawed(msgspec.Struct):
    x: int
class Typed(TypedDict):
    x: int
class Floats(enum.Enum):
    A = 1.5
class Declined(Problem, status=402): ...
class Success(Problem, status=200): ...
class Twice(Problem, status=400, code="declined"): ...
class Hides(Problem, status=400):
    title: str
class Mutable(Problem, status=400):
    items: list[int]
class Good(Event, name="a.good", key="id"):
    id: int
class Same(Event, name="a.good", key="id"):
    id: int
class Nameless(Event, key="id"):
    id: int
class Keyless(Event, name="a.b"):
    id: int
class OtherKey(Event, name="a.c", key="nope"):
    id: int
class Zero(Event, name="a.d", key="id", version=0):
    id: int
class Listed(Event, name="a.e", key="id"):
    id: int
    items: list[int]
"""
FUTURE = "from __future__ import annotations\n"


def run(source: str, name: str = "orders_api") -> None:
    """Import a module of this text, as ``orders/api.py``."""
    module = sys.modules[name] = ModuleType(name)
    try:
        exec(compile(source, "orders/api.py", "exec"), module.__dict__)
    finally:
        del sys.modules[name]


def refusals(body: str, head: str = 'name="orders"', *, future: bool = True) -> list[str]:
    """What is said of a contract with this body, without the places."""
    source = f"{FUTURE if future else ''}{SHARED}\nclass Orders(Contract, Protocol, {head}):\n    {body}\n"
    with pytest.raises(ContractRefused) as refused:
        run(source)
    assert all(mistake.place and mistake.fact and mistake.remedy for mistake in refused.value.mistakes)
    return [f"{mistake.fact} {mistake.remedy}" for mistake in refused.value.mistakes]


def operation(signature: str, verb: str = '@get("/a")') -> str:
    """The body of a contract with one operation."""
    return f"{verb}\n    {signature}: ..."


# --- the words -----------------------------------------------------------------------------------------------------


def test_a_mistake_has_place_fact_and_remedy() -> None:
    """The design's example: file and line, what is the case, and what to do."""
    source = (
        "from collections.abc import AsyncIterator\nfrom typing import Protocol\nfrom partita import Contract, get\n"
        'class Orders(Contract, Protocol, name="orders"):\n'
        '    @get("/orders/{id}/events")\n'
        "    async def watch(self, id: int) -> AsyncIterator[int]: ...\n"
    )
    with pytest.raises(ContractRefused) as refused:
        run(source)
    assert str(refused.value) == (
        'orders/api.py:5 Orders.watch: a stream is declared with "def", not "async def". Remove "async".'
    )
    assert isinstance(refused.value, PartitaError)


def test_all_mistakes_come_at_once() -> None:
    """Mistakes of several operations, of one operation, and of the contract itself are told together."""
    source = (
        FUTURE
        + SHARED
        + (
            'class Orders(Contract, Protocol, name="Orders", publishes=[Keyless]):\n'
            '    @get("/a/{x}")\n    async def first(self, y) -> list[int]: ...\n'
            '    @get("/a/{z}")\n    async def second(self, z: object) -> AsyncIterator[int]: ...\n'
            "    async def third(self) -> int: ...\n"
        )
    )
    with pytest.raises(ContractRefused) as refused:
        run(source)
    names = [mistake.place.rpartition(" ")[2] for mistake in refused.value.mistakes]
    assert names == ["Orders", "Keyless", *["Orders.first"] * 3, *["Orders.second"] * 3, "Orders.third"]
    assert len(str(refused.value).splitlines()) == 9


# --- types ---------------------------------------------------------------------------------------------------------

RESULTS = [
    ("list[int]", "its result is a list, which can be changed after it was checked. Use tuple[..., ...]."),
    ("dict[str, int]", "its result is a dict, which can be changed after it was checked. Use Mapping"),
    ("set[int]", "its result is a set, which can be changed after it was checked. Use frozenset[...]."),
    ("Sequence[int]", "its result is a Sequence, which can be changed"),
    ("bytearray", "its result is a bytearray, which can be changed after it was checked. Use bytes."),
    ("tuple[list[int], ...]", "its result is a list, which can be changed"),
    ("Mapping[str, set[int]]", "its result is a set, which can be changed"),
    ("list[int] | None", "its result is a list, which can be changed"),
    ("deque[int]", "has no JSON form. Use a Message, or a type that msgspec knows."),
    ("object", "has no JSON form."),
    ("complex", "its result is a complex, which has no JSON form."),
    ("Any", "its result is Any, which nothing checks."),
    ("Loose", "its result holds Loose, which can be changed. Derive it from Message, or make it frozen=True."),
    ("Thawed", "its result holds Thawed, which can be changed. Derive it from Message, or make it frozen=True."),
    ("Typed", "its result holds Typed, a TypedDict, which can be changed. Derive it from Message."),
    ("Holds", "Holds.items is a list, which can be changed after it was checked."),
    ("Deep", "Holds.items is a list, which can be changed after it was checked."),
    ("Page[Holds]", "Holds.items is a list, which can be changed after it was checked."),
    ("Page", "its result is a Page of anything. Say what it holds: Page[...]."),
    ("Lost", "Lost names 'Nowhere', which is not defined."),
    ("Floats", "its result cannot be read from JSON: Enums must contain either all str or all int values"),
    ("Literal[1.5]", "its result cannot be read from JSON: Literal may only contain"),
    ("M | Other", "its result cannot be read from JSON: If a type union contains multiple Struct types, all"),
    ("UUID | date", "its result cannot be read from JSON: Type unions may not contain more than one str-like type"),
    ('Annotated[int, Meta(pattern="a")]', "its result cannot be read from JSON: Can only set `pattern` on a str type"),
    ("Annotated[Secret, Meta(min_length=3)]", "its result cannot be read from JSON: Can only set `min_length` on"),
    ('"1 +"', "the result has an annotation that fails: Forward reference must be an expression"),
    ('"Nowhere"', "the result names 'Nowhere', which is not defined. Import it, or define it above the contract."),
    ("Raw", "its result is Raw, which only requests have."),
    ("Iterator[int]", "has no JSON form."),
]  # fmt: skip


@pytest.mark.parametrize(("result", "said"), RESULTS, ids=[result for result, _ in RESULTS])
@pytest.mark.parametrize("future", [True, False], ids=["postponed", "evaluated"])
def test_a_type_that_cannot_cross(result: str, said: str, future: bool) -> None:
    """What can be changed, what has no JSON form, and what cannot be told apart is refused, wherever it stands."""
    found = refusals(operation(f"async def a(self) -> {result}"), future=future)
    assert [text for text in found if said in text] == found


# --- signatures ----------------------------------------------------------------------------------------------------

SIGNATURES = [
    ('@get("/a")', "async def a(self)", 'the result has no annotation. Write "-> None" if it returns nothing.'),
    ('@get("/a")', "async def a(self, x) -> None", "the argument x has no annotation. Annotate it."),
    ('@get("/a")', "async def a() -> None", 'it has no self. Make "self" its first argument.'),
    ('@get("/a")', "def a(self) -> int", 'it is declared with "def". Write "async def"; only streams go without.'),
    ('@post("/a")', "def a(self) -> AsyncIterator[int]", "a stream is declared with post. Use @get."),
    ('@get("/a")', "def a(self) -> AsyncIterator[list[int]]", "its item is a list, which can be changed"),
    ('@get("/a")', "def a(self) -> AsyncIterator",
     "it is a stream of anything. Say what it gives: AsyncIterator[...]."),
    ('@get("/a/{x}")', "async def a(self) -> None",
     "the path has {x}, and no argument has that name. Add the argument x"),
    ('@get("/a/{x}/{x}")', "async def a(self, x: int) -> None", "the path has {x} twice. Give each its own name."),
    ('@get("/a/{x}")', "async def a(self, x: int = 3) -> None", "stands in the path and has a default"),
    ('@get("/a/{x}")', "async def a(self, x: int | None) -> None",
     'stands in the path and may be None. Take "| None" away.'),
    ('@get("/a/{x}")', "async def a(self, x: M) -> None", "is M, which does not fit into a path. Use a scalar here"),
    ('@get("/a/{x}")', "async def a(self, x: tuple[int, ...]) -> None", "which does not fit into a path."),
    ('@get("/a/{x}")', "async def a(self, x: bytes) -> None", "is bytes, which does not fit into a path."),
    ('@get("/a/{x}")', 'async def a(self, x: Annotated[int, Header("X")]) -> None', "is a Header as well. Choose one."),
    ('@get("a")', "async def a(self) -> None", "'a' is no path. It starts with \"/\""),
    ('@get("/a/")', "async def a(self) -> None", "'/a/' is no path."),
    ('@get("/a b")', "async def a(self) -> None", "'/a b' is no path."),
    ('@get("/a{x}")', "async def a(self, x: int) -> None", "'/a{x}' is no path."),
    ('@get("/healthz")', "async def a(self) -> None", "/healthz is answered by Partita itself. Choose another path."),
    ('@get("/a")', "async def a(self, m: M) -> None", "m is a body, and GET has none. Use scalars"),
    ('@post("/a")', "async def a(self, m: M, n: Other) -> None",
     "m and n are both the body. Make one Message of them."),
    ('@post("/a")', "async def a(self, m: M, n: Raw) -> None", "m and n are both the body."),
    ('@post("/a")', "async def a(self, *m: int) -> None", "the argument m takes any number of arguments."),
    ('@post("/a")', "async def a(self, **m: int) -> None", "the argument m takes any number of arguments."),
    ('@get("/a")', "async def a(self, x: list[int]) -> None", "the argument x is a list, which can be changed"),
    ('@get("/a")', 'async def a(self, x: tuple[int, str] = (1, "a")) -> None', "which a query cannot hold."),
    ('@get("/a")', "async def a(self, x: tuple[M, ...] = ()) -> None", "which a query cannot hold."),
    ('@get("/a")', "async def a(self, x: int | str) -> None", "is int | str, which does not fit into a query."),
    ('@get("/a")', "async def a(self, x: int | None) -> None", "may be None, which a query says by leaving it out."),
    ('@get("/a")', "async def a(self, x: int | None = 3) -> None", "leaving it out. Give it the default None."),
    ('@get("/a")', "async def a(self, x: tuple[int, ...]) -> None", "leaving it out. Give it the default ()."),
    ('@get("/a")', "async def a(self, x: tuple[int, ...] = (1,)) -> None", "leaving it out. Give it the default ()."),
    ('@get("/a")', "async def a(self, x: Annotated[tuple[int, ...], Meta(max_length=3)] = ()) -> None",
     "has a constraint on how often it is given."),
    ('@get("/a")', 'async def a(self, x: int = "b") -> None', "has the default 'b', which does not fit"),
    ('@get("/a")', "async def a(self, x: int = None) -> None", "has the default None, which does not fit"),
    ('@get("/a")', "async def a(self, x: Annotated[int, Meta(ge=1)] = 0) -> None",
     "has the default 0, which does not fit"),
    ('@get("/a")', "async def a(self, x: Annotated[str, Header]) -> None",
     'is a Header without a name. Write Header("...").'),
    ('@get("/a")', 'async def a(self, x: Annotated[str, Header("X")] | None = None) -> None', "inside of "),
    ('@get("/a")', 'async def a(self, x: Annotated[str, Header("X Y")]) -> None', "'X Y', which is no valid name."),
    ('@get("/a")', 'async def a(self, x: Annotated[str, Header("Authorization")]) -> None', "which Partita handles."),
    ('@get("/a")', 'async def a(self, x: Annotated[str, Header("X-A")], y: Annotated[str, Header("x-a")]) -> None',
     "x and y are both the header 'x-a'."),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "signature", "said"), SIGNATURES, ids=[f"{one} {two}" for one, two, _ in SIGNATURES])
@pytest.mark.parametrize("future", [True, False], ids=["postponed", "evaluated"])
def test_a_signature_that_no_request_can_fill(verb: str, signature: str, said: str, future: bool) -> None:
    """Arguments and results that HTTP cannot carry as they are written are refused."""
    found = refusals(operation(signature, verb), future=future)
    assert [text for text in found if said in text] == found


# --- what a verb declares ------------------------------------------------------------------------------------------

DECLARED = [
    ("timeout=0", "its timeout is 0 s. Give it more than 0"),
    ("body_max=0", "its body_max is 0 bytes. Give it more than 0"),
    ("status=404", "404 is no status of success. Use 200 to 299; failures are Problems."),
    ("status=204", '204 has no body, and it returns one. Write "-> None", or another status.'),
    ('access="USER"', "its access is 'USER'. Use PUBLIC, USER, INTERNAL or role"),
    ("access=Access()", "its access lets nobody in."),
    ('idempotency="maybe"', 'its idempotency is \'maybe\'. Use "optional", "required" or "none".'),
    ("raises=Declined", "raises is Declined. Write a list: raises=["),
    ("raises=[ValueError]", "raises holds "),
    ("raises=[Declined, Twice]", "Declined and Twice have the code 'declined'. Give one its own: code="),
    ("raises=[Success]", "Success has the status 200. Give it one from 400 to 599."),
    ("raises=[Hides]", "Hides.title has a name that RFC 9457 uses itself. Choose another name."),
    ("raises=[Mutable]", "Mutable.items is a list, which can be changed after it was checked."),
]


@pytest.mark.parametrize(("option", "said"), DECLARED, ids=[option for option, _ in DECLARED])
def test_a_verb_that_declares_what_cannot_be(option: str, said: str) -> None:
    """Options that contradict each other, HTTP or the signature are refused."""
    found = refusals(operation("async def a(self) -> int", f'@post("/a", {option})'))
    assert [text for text in found if said in text] == found


# --- the contract itself -------------------------------------------------------------------------------------------

ONE = operation("async def one(self) -> int")
HEADS = [
    ('name="Orders"', "'Orders' is no name for a service."),
    ('name=""', "it has no name. Write name="),
    ('name="a", prefix="v1"', "'v1' is no prefix. It looks like \"/v1\"."),
    ('name="a", prefix="/v1/"', "'/v1/' is no prefix."),
    ('name="a", publishes=[M]', "publishes holds "),
    ('name="a", publishes=[Nameless]', "the event has no name for the wire."),
    ('name="a", publishes=[Keyless]', 'the event has no key. Write key="id"'),
    ('name="a", publishes=[OtherKey]', "its key 'nope' is none of its fields."),
    ('name="a", publishes=[Zero]', "its version is 0."),
    ('name="a", publishes=[Listed]', "items is a list, which can be changed after it was checked."),
    ('name="a", publishes=[Good, Same]', "Good and Same have the name 'a.good'. Give each event its own."),
]


@pytest.mark.parametrize(("head", "said"), HEADS, ids=[head for head, _ in HEADS])
def test_a_class_line_that_cannot_be(head: str, said: str) -> None:
    """Names, prefixes and events that no system could use are refused."""
    found = refusals(ONE, head)
    assert [text for text in found if said in text] == found


MEMBERS = [
    ("async def a(self) -> int: ...", 'it has no route. Add one: @get("/..."), or begin its name with "_".'),
    ("x: int", "it is an attribute. A contract has operations only"),
    ("@property\n    def x(self) -> int: ...", "it is a property. A contract has operations only"),
    ("@staticmethod\n    def x() -> int: ...", "it is a staticmethod. A contract has operations only"),
    (
        operation("async def a(self, x: int) -> int", '@get("/a/{x}")')
        + "\n    "
        + operation("async def b(self, y: int) -> int", '@get("/a/{y}")'),
        "GET /a/{y} is the route of a as well. Change the path or the verb of one.",
    ),
]


@pytest.mark.parametrize(("body", "said"), MEMBERS, ids=[said[:40] for _, said in MEMBERS])
def test_a_member_that_is_no_operation(body: str, said: str) -> None:
    """Each public member is one operation, with a route of its own."""
    found = refusals(body)
    assert [text for text in found if said in text] == found


def test_a_contract_that_is_no_protocol() -> None:
    """Forgetting ``Protocol`` would make an implementation of nothing: it is refused, and told how to write it."""
    with pytest.raises(ContractRefused, match=r"is no Protocol\. Write class Orders\(Contract, Protocol, name="):
        run(f'{SHARED}\nclass Orders(Contract, name="orders"):\n    {ONE}\n')


def test_the_same_contract_is_accepted_without_its_mistake() -> None:
    """What all of these begin with is a contract that works."""
    run(f'{FUTURE}{SHARED}\nclass Orders(Contract, Protocol, name="orders", publishes=[Good]):\n    {ONE}\n')
    assert "orders_api" not in sys.modules


def test_a_message_alone_is_not_refused() -> None:
    """A message that no contract uses may hold what it likes: it crosses no boundary."""
    run(SHARED)
    assert "orders_api" not in sys.modules
