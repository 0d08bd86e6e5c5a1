"""What messages, problems, events and results may not hold, one mistake for each."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from partita import ContractRefused, Service
from partita.contract.contract import compiled

HEAD = """\
from __future__ import annotations
import dataclasses, enum, typing
from collections.abc import *
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Protocol, TypedDict, TypeVar
from uuid import UUID
import msgspec
from msgspec import UNSET, Meta, UnsetType
from partita import *
T = TypeVar("T")
class Order(Message):
    id: UUID
class Placed(Event, name="orders.placed", key="id"):
    id: UUID
class Declined(Problem, status=402):
    reason: str
"""


def load(source: str) -> ModuleType:
    """Import a module of this text after the head, as ``api.py``."""
    module = sys.modules["refused_api"] = ModuleType("refused_api")
    try:
        exec(compile(HEAD + source, "api.py", "exec"), module.__dict__)
    finally:
        del sys.modules["refused_api"]
    return module


def contract(*operations: str, head: str = 'name="orders"') -> str:
    """A contract with operations."""
    lines = [f"    {line}" for operation in operations for line in operation.splitlines()]
    return "\n".join([f"class Orders(Contract, Protocol, {head}):", *(lines or ["    ..."]), ""])


def refused(source: str) -> str:
    """The one mistake of a source, as it is told."""
    with pytest.raises(ContractRefused) as caught:
        load(source)
    (mistake,) = caught.value.mistakes
    assert mistake.place
    assert mistake.fact.endswith(".")
    assert mistake.remedy.endswith((".", ")"))
    return f"{mistake.fact} {mistake.remedy}"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("class M(Message, frozen=False):\n    a: int", "holds M, which can be changed. Derive it from Message"),
        ("class N(TypedDict):\n    a: int\nclass M(Message):\n    n: N", "M.n holds N, a TypedDict"),
        ("class M(NamedTuple):\n    a: list[int]", "M.a is a list"),
        ("@dataclasses.dataclass(frozen=True)\nclass M:\n    a: set[int]", "M.a is a set"),
        ("class M(Message):\n    _a: list[int]", "M._a is a list"),
        ("class M(Message):\n    a: Any", "M.a is Any, which nothing checks. Write its type, or msgspec.Raw"),
        ("class M(Message):\n    a: Annotated[str, Meta(ge=1)]", "cannot be read from JSON: Can only set `ge`"),
        ("class M(Message):\n    a: Mapping[bool, int]", "M.a has keys of the type bool, which JSON has no keys of."),
        ("class M(Message):\n    a: Mapping[tuple[int, ...], int]", "which JSON has no keys of."),
        ("class M(Message):\n    a: Mapping[str | int, int]", "which a text cannot tell apart."),
        ("class M(Message):\n    a: Mapping[Secret, int]", "which paths of errors would show."),
        ("class M(Message):\n    a: frozenset[Mapping[str, int]]", "which has no hash. Use tuple[..., ...]."),
        ("class N(Message):\n    m: Mapping[str, int]\nclass M(Message):\n    a: frozenset[N]", "which has no hash."),
        ("class M(Message):\n    a: Mapping", "M.a is a Mapping of anything. Say what it holds: Mapping[str, int]."),
        ("class M(Message):\n    a: int | UnsetType", "M.a may be UNSET and has no default."),
        ("class M(Message):\n    a: tuple[int | UnsetType, ...]", "M.a is UNSET, which only a field can be."),
        ('class M(Message):\n    a: int = "x"', "M.a has the default 'x', which does not fit"),
        ('class M(Message):\n    a: Secret = Secret("x")', "M.a has a Secret for its default"),
        (
            'class M(Message):\n    a: Annotated[str, Header("X")]',
            "M.a is a header or a cookie inside of another type.",
        ),
        ('class M(Message):\n    a: Literal[b"x"]', "Literal may only contain"),
        ("Ids = NewType('Ids', list[int])\nclass M(Message):\n    a: Ids", "M.a is a list"),
        ("class G(Message, Generic[T]):\n    g: T\nclass M(Message):\n    a: G", "M.a is a G of anything."),
        ("class G(Message, Generic[T]):\n    g: T\nclass M(Message):\n    a: G[set[int]]", "G.g is a set"),
        ("class M(Message):\n    a: tuple[M, ...]\n    b: list[M]", "M.b is a list"),
    ],
)
def test_messages(message: str, said: str) -> None:
    """Whatever a message holds, however deep, can be read from JSON and cannot be changed."""
    taking = contract('@post("/x")\nasync def a(self, m: M) -> None: ...')
    assert said in refused(f"{message}\n{taking}")


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("async def a(self) -> Page: ...", "its result is a Page of anything. Say what it holds: Page[...]."),
        ("async def a(self) -> Page[list[int]]: ...", "Page.items is a list, which can be changed"),
        ("async def a(self) -> Page[Any]: ...", "Page.items is Any, which nothing checks."),
        ("async def a(self) -> T: ...", "its result is the type variable T. Write the type itself."),
        ("async def a(self) -> Raw: ...", "its result is Raw, which only requests have. Use Download."),
        ("async def a(self) -> Upload: ...", "its result is Upload, which only requests have. Use Download."),
        ("async def a(self) -> Download | None: ...", "it may return None instead of content."),
        ("def a(self) -> AsyncIterator[int] | None: ...", "it may return None instead of content."),
        ("def a(self) -> AsyncIterator: ...", "it is a stream of anything. Say what it gives: AsyncIterator[...]."),
        ("async def a(self) -> typing.Never: ...", "its result cannot be read from JSON"),
        ("async def a(self, x: int, /) -> None: ...", "the argument x cannot be given by name."),
        ("async def a(self, x: Secret) -> None: ...", "is a Secret and travels in the query, which logs and proxies"),
        ("async def a(self, x: int | str) -> None: ...", "does not fit into a query."),
        ("async def a(self, x: bool | int) -> None: ...", "does not fit into a query."),
        ("async def a(self, x: msgspec.Raw) -> None: ...", "does not fit into a query."),
        ("async def a(self, x: int | UnsetType = UNSET) -> None: ...", "may be UNSET, which a query says by leaving"),
        ("async def a(self, x: int = UNSET) -> None: ...", "has the default UNSET, which its type does not allow."),
        ('async def a(self, x: Annotated[str, Header("A"), Cookie("b")]) -> None: ...', "is more than one header or"),
    ],
)
def test_operations(method: str, said: str) -> None:
    """Arguments and results are values that their place can hold, all of them."""
    assert said in refused(contract(f'@get("/x")\n{method}'))


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ('@get("/x/../y")', "has a segment of dots, which clients and proxies take away."),
        ('@get("/x", timeout=float("inf"))', "its timeout is inf s. Give it more than 0, and 3600 at most."),
        ('@get("/x", timeout="1")', "its timeout is 1 s."),
        ('@get("/x", access=role(""))', "its access names a role without a name."),
        ('@get("/x", raises=[Problem])', "raises holds Problem. Derive a class from Problem."),
        ('@delete("/x")', "order is a body, which a proxy may take from a DELETE (RFC 9110, 9.3.5)."),
    ],
)
def test_verbs(verb: str, said: str) -> None:
    """What a verb promises can be kept."""
    argument = ", order: Order" if "delete" in verb else ""
    assert said in refused(contract(f"{verb}\nasync def a(self{argument}) -> None: ..."))


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ('class P(Problem, status="402"): ...', "P has the status 402. Give it one from 400 to 599."),
        ('class P(Problem, status=409, code="no good"): ...', "P has the code 'no good'."),
        ('class P(Problem, status=409, code="not-found"): ...', "which Partita answers with."),
        ("class P(Problem, status=409):\n    may_have_executed: bool", "has a name that RFC 9457 uses itself."),
        ("class P(Problem, status=409):\n    code: str", "P.code has a name that every Problem has."),
        ("class P(Problem, status=409):\n    args: tuple[int, ...]", "P.args has a name that every Problem has."),
        ("class P(Problem, status=409):\n    why: Secret", "P.why is a Secret, which would be stored and shown here."),
        ('class P(Problem, status=409):\n    left: int = "x"', "P.left has the default 'x', which does not fit"),
        ("P = Declined\nclass Declined(Problem, status=409): ...", "have the code 'declined'."),
    ],
)
def test_problems(problem: str, said: str) -> None:
    """A problem has a code of its own, and members that can cross, hide nothing and keep no secret."""
    raising = contract('@get("/x", raises=[Declined, P])\nasync def a(self) -> None: ...')
    assert said in refused(f"{problem}\n{raising}")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ('class E(Event, name="e", key="id"):\n    id: Order', "its key 'id' is not one text that is always there."),
        ('class E(Event, name="e", key="id"):\n    id: int | None', "is not one text that is always there."),
        ('class E(Event, name="e", key="id", version=True):\n    id: int', "its version is True."),
        ('class E(Event, name="e", key="id"):\n    id: int\n    pin: Secret', "E.pin is a Secret"),
        ('class E(Event, name="e", key="id"):\n    id: int\n    of: Page[list[int]]', "Page.items is a list"),
        ("E = Event", "publishes holds Event. Derive a class from Event."),
        ("E = Placed", "publishes names an event twice."),
    ],
)
def test_events(event: str, said: str) -> None:
    """An event has one field that orders it, and nothing in it that is secret or can change."""
    publishing = contract(head='name="a", publishes=[Placed, E]')
    assert said in refused(f"{event}\n{publishing}")


def test_publishes_is_a_list() -> None:
    """An event alone is no list of events."""
    said = refused(contract(head='name="a", publishes=Placed'))
    assert said == "publishes is Placed. Write a list: publishes=[Placed]."


@pytest.mark.parametrize("name", [name for name in vars(Service) if not name.startswith("_")])
def test_operations_do_not_hide_what_services_have(name: str) -> None:
    """Every public name of Service is one that no operation may have."""
    said = refused(contract(f'@get("/x")\nasync def {name}(self) -> None: ...'))
    assert said == f"every service has {name} for itself. Choose another name."


def test_an_operation_does_not_begin_with_an_underscore() -> None:
    """A verb on a private method would be left out silently."""
    said = refused(contract('@get("/x")\nasync def _a(self) -> int: ...'))
    assert said.startswith("it has a route, and its name begins with an underscore.")


def test_what_an_extending_contract_takes_over() -> None:
    """Name, prefix, events and operations come from the extended one, unless they are said anew."""
    base = contract('@get("/x")\nasync def a(self) -> int: ...', head='name="a", prefix="/v1", publishes=[Placed]')
    module = load(base + 'class More(Orders, Protocol):\n    @get("/y")\n    async def b(self) -> None: ...\n')
    more = compiled(module.More)
    assert (more.name, more.prefix, more.publishes) == ("a", "/v1", (module.Placed,))
    assert {name: each.path for name, each in more.operations.items()} == {"a": "/v1/x", "b": "/v1/y"}
    assert list(compiled(module.Orders).operations) == ["a"]
    second = load(base + 'class Two(Orders, Protocol, name="b", prefix="/v2"): ...\n')
    assert [each.full_name + each.path for each in compiled(second.Two).operations.values()] == ["b.a/v2/x"]


def test_what_is_right_is_not_refused() -> None:
    """Every shape that can work passes: the rules refuse no more than they say."""
    module = load(
        'UserId = NewType("UserId", UUID)\nclass Colour(enum.Enum):\n    RED = "red"\n'
        "class Flags(enum.IntFlag):\n    A = 1\n"
        "class Point(NamedTuple):\n    x: int\n    y: int = 0\n"
        "class Sum(Message, Generic[T], tag='m'):\n    amount: T\n    note: str | None | UnsetType = UNSET\n"
        "class Other(Message, tag='o', rename='camel'):\n    prices: Mapping[UserId, Sum[int]]\n"
        "    any: msgspec.Raw = msgspec.Raw(b'{}')\n    points: frozenset[Point] = frozenset()\n"
        + contract(
            '@put("/x/{id}/{kind}")\nasync def a(self, id: UserId, kind: Literal["a", "b"], m: Sum[int] | Other, '
            "when: datetime | None = None, *, c: Colour = Colour.RED, tags: tuple[UserId, ...] = (), "
            'n: Annotated[int, Meta(ge=1)] | None = None, h: Annotated[Secret | None, Header("X-Key")] = None, '
            'p: Decimal = Decimal("1.5"), f: Flags = Flags.A, either: Literal["all"] | int = 3) -> Point | None: ...',
            '@get("/")\ndef stream(self) -> AsyncGenerator[Sum[Decimal], None]: ...',
            '@post("/x", raises=[NotFound, Declined], timeout=3600)\nasync def b(self, up: Upload) -> Page[Order]: ...',
            '@delete("/x")\nasync def c(self, at: datetime) -> None: ...',
            "def _helper(self) -> int: ...",
        )
    )
    operations = compiled(module.Orders).operations
    kinds = {name: each.kind for name, each in operations.items()}
    assert kinds == {"a": "value", "stream": "stream", "b": "value", "c": "nothing"}
    assert operations["stream"].path == "/"
