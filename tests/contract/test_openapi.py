"""OpenAPI documents: valid, whole, and the same every time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from types import new_class
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from partita import (
    INTERNAL,
    PUBLIC,
    USER,
    Contract,
    ContractRefused,
    Cookie,
    Download,
    Header,
    Message,
    Page,
    Problem,
    Raw,
    Secret,
    Upload,
    delete,
    get,
    post,
    put,
    role,
)
from partita.contract.codec import encode_json, json_decoder
from partita.contract.contract import compiled
from partita.contract.openapi import openapi
from partita.contract.wire import encode_problem


class Level(IntEnum):
    """A choice that is a number."""

    LOW = 1
    HIGH = 2


class Size(Enum):
    """A choice that is a text."""

    SMALL = "small"
    LARGE = "large"


class Cat(Message, tag="cat"):
    """Purrs."""

    lives: int = 9


class Dog(Message, tag="dog"):
    """Barks."""

    friends: tuple[Dog, ...] = ()


class Everything(Message, rename="camel"):
    """Every type that JSON has a form of."""

    whole: Annotated[int, msgspec.Meta(ge=1, lt=100, multiple_of=3, title="A number", description="Not too large.")]
    part: Annotated[float, msgspec.Meta(gt=0)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=9, pattern="^[a-z]+$")]
    yes: bool
    some: Annotated[tuple[int, ...], msgspec.Meta(min_length=1)]
    pair: tuple[int, str]
    kinds: frozenset[Literal["a", "b"]]
    by_name: Mapping[str, Cat]
    pet: Cat | Dog
    day: date
    at: datetime
    hour: time
    took: timedelta
    share: Decimal
    id: UUID
    data: bytes
    size: Size = Size.SMALL
    level: Level = Level.LOW
    password: Secret | None = None
    later: int | msgspec.UnsetType = msgspec.UNSET


class Refused(Problem, status=409):
    """It cannot be done now."""

    sku: str
    left: Annotated[int, msgspec.Meta(ge=0)] = 0


class Closed(Problem, status=409):
    """The shop is closed."""


class Zoo(Contract, Protocol, name="zoo"):
    """Keeps animals.

    And much else.
    """

    @post("/things", access=USER, status=201, raises=[Refused, Closed])
    async def keep(self, thing: Everything) -> Everything:
        """Keep a thing.

        For as long
        as it lives.
        """
        ...

    @get("/things/{id}", access=PUBLIC)
    async def find(
        self,
        id: UUID,
        size: Size = Size.LARGE,
        tag: tuple[str, ...] = (),
        limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="At most so many.")] = 50,
        agent: Annotated[str | None, Header("X-Agent")] = None,
        guest: Annotated[str | None, Cookie("guest")] = None,
    ) -> Page[Cat | Dog]: ...

    @put("/things/{thing}", access=role("keeper") | INTERNAL, idempotency="required")
    async def change(self, thing: UUID, cat: Cat | None = None) -> None: ...

    @delete("/things/{id}", idempotency="none")
    async def drop(self, id: UUID) -> None: ...

    @post("/raw", access=PUBLIC)
    async def raw(self, raw: Raw) -> int: ...

    @put("/files/{name}", access=PUBLIC)
    async def upload(self, name: str, body: Upload) -> None: ...

    @get("/files/{name}", access=PUBLIC)
    async def download(self, name: str) -> Download: ...

    @get("/feed", access=USER)
    def watch(self) -> AsyncIterator[Cat]: ...


DOCUMENT = openapi(compiled(Zoo), version="3", servers=["https://zoo.example"])
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
FULL = Everything(
    whole=3, part=0.5, text="a", yes=True, some=(1,), pair=(1, "a"), kinds=frozenset({"a"}), by_name={"tom": Cat()},
    pet=Dog(friends=(Dog(),)), day=date(2030, 1, 1), at=datetime.fromisoformat("2030-01-01T09:30:00+00:00"),
    hour=time(9, 30), took=timedelta(seconds=3), share=Decimal("0.10"), id=UUID(int=1), data=b"\x00",
    password=Secret("hunter2"),
)  # fmt: skip


def operation(name: str, document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
    """The operation object with this identifier."""
    found: dict[str, Any] = next(
        each for path in document["paths"].values() for each in path.values() if each["operationId"] == name
    )
    return found


def parameter(name: str, wanted: str) -> dict[str, Any]:
    """A parameter object."""
    found: dict[str, Any] = next(each for each in operation(name)["parameters"] if each["name"] == wanted)
    return found


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value fits a schema of the document."""
    return bool(Draft202012Validator({**schema, "components": DOCUMENT["components"]}).is_valid(value))


def test_it_is_valid() -> None:
    """The document is one of OpenAPI 3.1 for the official schema."""
    assert DOCUMENT["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_says_what_the_contract_is() -> None:
    """Title, version, servers and the docstring of the contract are there."""
    assert DOCUMENT["info"] == {"title": "zoo", "version": "3", "description": "Keeps animals.\n\nAnd much else."}
    assert DOCUMENT["servers"] == [{"url": "https://zoo.example"}]
    assert DOCUMENT["tags"] == [{"name": "zoo", "description": "Keeps animals.\n\nAnd much else."}]


def test_docstrings_are_summary_and_description() -> None:
    """The first line of a docstring is the summary, the rest the description."""
    keep = operation("zoo.keep")
    assert (keep["summary"], keep["description"]) == ("Keep a thing.", "For as long\nas it lives.")
    assert keep["tags"] == ["zoo"]
    assert "summary" not in operation("zoo.drop")


def test_a_parameter_has_its_place_its_type_and_its_default() -> None:
    """Path, query, header and cookie parameters have schemas with constraints, defaults and descriptions."""
    assert parameter("zoo.find", "id") == {
        "name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"},
    }  # fmt: skip
    assert parameter("zoo.find", "limit")["schema"] == {
        "type": "integer", "minimum": 1, "maximum": 100, "description": "At most so many.", "default": 50,
    }  # fmt: skip
    assert parameter("zoo.find", "size")["schema"]["default"] == "large"
    assert [(each["name"], each["in"], each["required"]) for each in operation("zoo.find")["parameters"]] == [
        ("id", "path", True),
        ("size", "query", False),
        ("tag", "query", False),
        ("limit", "query", False),
        ("x-agent", "header", False),
        ("guest", "cookie", False),
    ]


def test_a_repeated_key_is_a_form_that_explodes() -> None:
    """A tuple in the query is an array whose items are keys of their own."""
    tag = parameter("zoo.find", "tag")
    assert (tag["style"], tag["explode"]) == ("form", True)
    assert tag["schema"] == {"type": "array", "items": {"type": "string"}, "default": []}


def test_paths_of_one_shape_are_one_path() -> None:
    """Operations on one resource share its path object, whatever each calls the parameter."""
    assert list(DOCUMENT["paths"]) == ["/things", "/things/{id}", "/raw", "/files/{name}", "/feed"]
    assert set(DOCUMENT["paths"]["/things/{id}"]) == {"get", "put", "delete"}
    assert [each["name"] for each in operation("zoo.change")["parameters"] if each["in"] == "path"] == ["id"]


def test_the_idempotency_key_is_where_it_counts() -> None:
    """Operations that write take the header, unless they say otherwise; some require it; reading ones never do."""

    def required(name: str) -> list[bool]:
        found = operation(name).get("parameters", [])
        return [each["required"] for each in found if each["name"] == "Idempotency-Key"]

    assert {name: required(f"zoo.{name}") for name in ("keep", "find", "change", "drop", "watch")} == {
        "keep": [False], "find": [], "change": [True], "drop": [], "watch": [],
    }  # fmt: skip


def test_bodies_have_schemas_or_any_bytes() -> None:
    """A Message is JSON with a schema, required unless it has a default; Raw and Upload are bytes."""
    keep, change = operation("zoo.keep")["requestBody"], operation("zoo.change")["requestBody"]
    assert keep["required"] is True
    assert keep["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Everything"}}}
    assert change["required"] is False
    assert operation("zoo.raw")["requestBody"]["content"] == {"application/octet-stream": {}}
    assert operation("zoo.upload")["requestBody"]["content"] == {"application/octet-stream": {}}


def test_a_value_fits_the_schema_of_its_type() -> None:
    """What is written for a message fits its schema, and what its constraints exclude does not."""
    schema = {"$ref": "#/components/schemas/Everything"}
    written = msgspec.json.decode(encode_json(FULL))
    assert fits(schema, written)
    for field, wrong in {
        "whole": 4, "part": 0, "text": "A", "yes": 1, "some": [], "pair": [1], "kinds": ["c"], "byName": {"a": 1},
        "pet": {"type": "cow"}, "size": "huge", "level": 3, "later": None,
    }.items():  # fmt: skip
        assert not fits(schema, {**written, field: wrong}), field


def test_a_set_may_be_sent_with_an_item_twice() -> None:
    """The schema accepts what the decoder accepts."""
    written = {**msgspec.json.decode(encode_json(FULL)), "kinds": ["a", "a"]}
    assert fits({"$ref": "#/components/schemas/Everything"}, written)
    assert json_decoder(Everything).decode(msgspec.json.encode(written)) == FULL


def test_a_secret_is_a_password_without_a_value() -> None:
    """A Secret's schema tells programs to hide what is typed, and shows nothing."""
    assert SCHEMAS["Everything"]["properties"]["password"] == {
        "anyOf": [{"type": "string", "format": "password"}, {"type": "null"}],
        "default": None,
    }


def test_components_have_readable_names() -> None:
    """Generic types are named after what they hold, with the characters that OpenAPI allows."""
    found = operation("zoo.find")["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert found == "#/components/schemas/Page_Cat_Dog"


def test_a_choice_names_the_members_it_refers_to() -> None:
    """A tagged union has its discriminator, whose mapping points at components that are there."""
    pet = SCHEMAS["Everything"]["properties"]["pet"]
    assert pet["discriminator"]["mapping"] == {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"}
    assert {"Cat", "Dog"} <= set(SCHEMAS)


def test_success_has_its_status_and_its_content() -> None:
    """The status of success is the operation's; without a result there is no content."""

    def success(name: str) -> dict[str, Any]:
        return {
            status: set(found.get("content", {}))
            for status, found in operation(f"zoo.{name}")["responses"].items()
            if status.startswith("2")
        }

    assert success("keep") == {"201": {"application/json"}}
    assert success("drop") == {"204": set()}
    assert success("download") == {"200": {"*/*"}}
    assert success("watch") == {"200": {"text/event-stream"}}


def test_a_stream_tells_what_its_events_hold() -> None:
    """The data of each event is JSON with the item's schema."""
    event = operation("zoo.watch")["responses"]["200"]["content"]["text/event-stream"]["schema"]
    assert event["properties"]["data"]["contentSchema"] == {"$ref": "#/components/schemas/Cat"}


def test_declared_problems_stand_under_their_status() -> None:
    """Each problem of an operation is described with its members; those of one status are alternatives."""
    found = operation("zoo.keep")["responses"]["409"]
    assert found["description"] == "It cannot be done now.; The shop is closed."
    schema = found["content"]["application/problem+json"]["schema"]
    assert schema == {
        "anyOf": [{"$ref": "#/components/schemas/RefusedProblem"}, {"$ref": "#/components/schemas/ClosedProblem"}]
    }
    for problem in (Refused(sku="a", left=2), Closed()):
        assert fits(schema, msgspec.json.decode(encode_problem(problem, may_have_executed=False)))
    assert not fits(schema, {**msgspec.json.decode(encode_problem(Refused(sku="a"))), "sku": 5})


def test_built_in_problems_stand_where_they_apply() -> None:
    """What Partita itself answers is documented where it can happen, and everything else by ``default``."""

    def statuses(name: str) -> set[str]:
        return {status for status in operation(f"zoo.{name}")["responses"] if not status.startswith("2")}

    always = {"400", "401", "404", "500", "503", "default"}
    assert statuses("keep") == always | {"403", "406", "409", "413", "415", "422"}
    assert statuses("find") == always | {"406", "422"}
    assert statuses("download") == always | {"422"}
    assert statuses("watch") == always | {"403", "406"}


def test_access_is_security() -> None:
    """Users come with a token, services with theirs; a guest needs neither."""
    assert operation("zoo.keep")["security"] == [{"user": []}]
    assert operation("zoo.find")["security"] == [{}, {"user": []}]
    assert operation("zoo.change")["security"] == [{"user": []}, {"service": []}]
    assert operation("zoo.drop")["security"] == [{"service": []}]
    assert operation("zoo.change")["x-partita-access"] == 'INTERNAL | role("keeper")'
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"user", "service"}


def test_what_is_internal_can_be_left_out() -> None:
    """A public document has no internal operation, and no type that only those use."""
    document = openapi(compiled(Zoo), public_only=True)
    assert set(document["paths"]["/things/{id}"]) == {"get", "put"}
    assert "zoo.drop" not in str(document)


def test_only_what_is_used_is_a_component() -> None:
    """Each component is referred to, and the members of problems are no components of their own."""
    text = str(DOCUMENT)
    assert [name for name in SCHEMAS if f"'#/components/schemas/{name}'" not in text] == []
    assert "Refused" not in SCHEMAS


def module(name: str, kind: type) -> Any:
    """A contract whose types have the same names as another's."""

    annotations = {"__annotations__": {"value": kind}, "__module__": "one"}
    order = new_class("Order", (Message,), {}, lambda namespace: namespace.update(annotations))

    class Clash(Problem, status=409):
        """One of several with this name."""

        value: int

    Clash.__annotations__["value"] = kind

    class Made(Contract, Protocol, name=name):
        @get(f"/{name}", access=PUBLIC, raises=[Clash])
        async def list(self) -> Page[order]: ...  # type: ignore[valid-type]

    return compiled(Made)


def test_equal_names_of_two_contracts_do_not_clash() -> None:
    """Two contracts with types of one name, whose schemas differ, get components of their own."""
    document = openapi([module("first", int), module("second", str), module("third", int)])
    OpenAPIV31SpecValidator(document).validate()
    schemas = document["components"]["schemas"]
    assert schemas["Order"]["properties"]["value"] == {"type": "integer"}
    assert schemas["second.Order"]["properties"]["value"] == {"type": "string"}
    assert "third.Order" not in schemas
    for name, order in {"first": "Order", "second": "second.Order", "third": "Order"}.items():
        page = operation(f"{name}.list", document)["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        assert schemas[page.rpartition("/")[2]]["properties"]["items"]["items"] == {
            "$ref": f"#/components/schemas/{order}"
        }
    problem = operation("second.list", document)["responses"]["409"]["content"]["application/problem+json"]["schema"]
    assert schemas[problem["$ref"].rpartition("/")[2]]["properties"]["value"] == {"type": "string"}


def test_two_contracts_cannot_have_one_route() -> None:
    """A route that is answered by two contracts is refused, with the place of the second."""

    class First(Contract, Protocol, name="first"):
        @get("/orders/{id}")
        async def order(self, id: int) -> int: ...

    class Second(Contract, Protocol, name="second"):
        @get("/orders/{key}")
        async def find(self, key: int) -> int: ...

    with pytest.raises(ContractRefused, match=r"Second\.find: GET /orders/\{key\} is the route of first\.order"):
        openapi([compiled(First), compiled(Second)])


def test_it_is_the_same_in_every_process() -> None:
    """Hash seeds do not show: sets and classes are written in one order."""
    code = (
        "import sys, json; sys.path.insert(0, 'src')\n"
        "from typing import Protocol, Literal\n"
        "from partita import *\n"
        "from partita.contract.contract import compiled\n"
        "from partita.contract.openapi import openapi\n"
        "class A(Message):\n    kinds: frozenset[Literal['a', 'b']]\n    names: frozenset[str] = frozenset('xyz')\n"
        "class Z(Contract, Protocol, name='z'):\n"
        "    @post('/a', access=USER | role('x') | role('y'))\n    async def a(self, a: A) -> A: ...\n"
        "print(json.dumps(openapi(compiled(Z))))\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1
