"""JSON Schemas of the types of contracts, with their names in a document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from partita.contract.codec import encode_json
from partita.contract.operation import Operation, Parameter
from partita.contract.problem import Problem
from partita.contract.wire import PROBLEM_TYPE, members_type
from partita.core.secret import Secret

__all__ = ["ANY_PROBLEM", "REF", "Schemas", "default_of", "problem_schema", "refs_of", "types_of"]

REF = "#/components/schemas/"
_MODULE = re.compile(r"(?:[\w<>]+\.)+(?=\w)")
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")

ANY_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "A failure (RFC 9457). What else stands in it depends on its type.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "may_have_executed": {"type": "boolean", "description": "Whether the work may have been done nevertheless."},
    },
    "required": ["type", "title", "status"],
}


def _hook(wanted: type) -> dict[str, Any]:
    if wanted is Secret:
        return {"type": "string", "format": "password"}
    raise TypeError(f"{wanted} has no JSON form")


class Schemas:
    """The schemas of a contract's types. Types with a name are components, the others stand where they are used.

    A component whose name is in ``taken`` with another schema gets ``prefix`` before its name. Raises ``ValueError``
    where two types cannot be told apart by module and name.
    """

    def __init__(self, types: Iterable[Any], taken: Mapping[str, Any] | None = None, prefix: str = "") -> None:
        wanted = list(types)
        try:
            found, components = msgspec.json.schema_components(wanted, schema_hook=_hook, ref_template=REF + "{name}")
        except KeyError as error:
            name = getattr(error.args[0], "__qualname__", error.args[0])
            raise ValueError(f"two types are named {name} in one module; rename one of them") from None
        names = _names({name: str(components[name].get("title", name)) for name in sorted(components)})
        plain = {names[name]: _renamed(schema, names) for name, schema in components.items()}
        for name in _clashes(plain, taken or {}):
            names = {key: f"{prefix}.{name}" if value == name else value for key, value in names.items()}
        self.components = {names[name]: _renamed(schema, names) for name, schema in sorted(components.items())}
        self._found = [(each, _renamed(schema, names)) for each, schema in zip(wanted, found, strict=True)]

    def of(self, wanted: Any) -> dict[str, Any]:
        """The schema of one of the types."""
        return next(dict(schema) for each, schema in self._found if each is wanted or each == wanted)


def _names(titles: dict[str, str]) -> dict[str, str]:
    """Each component's name in the document: ``Page_Order`` for ``Page[shop.api.Order]``, where no other has it."""
    short = {name: _NO_NAME.sub("_", _MODULE.sub("", title)).strip("_") for name, title in titles.items()}
    alone = Counter(short.values())
    names: dict[str, str] = {}
    for name in titles:
        fit = short[name] if alone[short[name]] == 1 else _NO_NAME.sub("_", name).strip("_")
        while fit in names.values():
            fit += "_"
        names[name] = fit
    return names


def _clashes(components: dict[str, Any], taken: Mapping[str, Any]) -> set[str]:
    """Names that stand for something else in ``taken``, or for the same made of what clashes."""
    found = {name for name, schema in components.items() if name in taken and taken[name] != schema}
    while True:
        more = {
            name
            for name, schema in components.items()
            if name in taken and name not in found and not found.isdisjoint(refs_of(schema))
        }
        if not more:
            return found
        found |= more


def refs_of(schema: Any) -> set[str]:
    """The names of the components that a document, or a part of one, refers to."""
    if isinstance(schema, dict):
        below = {name for value in schema.values() for name in refs_of(value)}
        ref = schema.get("$ref")
        return below | {ref.removeprefix(REF)} if isinstance(ref, str) else below
    return {name for each in schema for name in refs_of(each)} if isinstance(schema, list) else set()


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    """The schema with the names of components as documents may have them (OpenAPI 3.1, Components Object)."""
    if isinstance(schema, dict):
        told = {key: _renamed(value, names) for key, value in schema.items()}
        if isinstance(told.get("default"), list) and "uniqueItems" in str(schema):
            told["default"] = sorted(told["default"], key=str)  # a set's own order differs from process to process
        if told.get("uniqueItems") is True:
            del told["uniqueItems"]  # a set may be sent with an item twice: it is read as one
        return told
    if isinstance(schema, list):
        return [_renamed(each, names) for each in schema]
    if isinstance(schema, str) and schema.startswith(REF):
        return REF + names.get(schema.removeprefix(REF), schema.removeprefix(REF))
    return schema


def problem_schema(problem: type[Problem], schemas: Schemas) -> dict[str, Any]:
    """The schema of a problem's document: what RFC 9457 has, and its own members."""
    members = schemas.of(members_type(problem))
    own = schemas.components.get(str(members.get("$ref", "")).removeprefix(REF), members)
    return {
        "type": "object",
        "title": problem.__name__,
        "description": problem.title,
        "properties": {
            **ANY_PROBLEM["properties"],
            "type": {"const": PROBLEM_TYPE + problem.code},
            "status": {"const": problem.status},
            **own.get("properties", {}),
        },
        "required": ["type", "title", "status", *own.get("required", [])],
    }


def default_of(parameter: Parameter) -> dict[str, Any]:
    """The schema's ``default`` of a parameter that need not be given."""
    if parameter.required or parameter.default is None or parameter.default is msgspec.UNSET:
        return {}
    return {"default": msgspec.json.decode(encode_json(parameter.default))}


def types_of(operation: Operation) -> list[Any]:
    """Every type that an operation's document needs a schema of."""
    found = [
        parameter.text_type for parameter in operation.parameters if parameter.place not in ("raw", "upload", "body")
    ]
    if operation.body is not None and operation.body.place == "body":
        found.append(operation.body.type)
    if operation.kind in ("value", "stream"):
        found.append(operation.result)
    return [*found, *(members_type(problem) for problem in operation.raises.values())]
