"""OpenAPI 3.1 documents, made of contracts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from partita.contract.access import Access
from partita.contract.codec import encode_json
from partita.contract.contract import Compiled
from partita.contract.operation import Operation, Parameter
from partita.contract.problem import Problem
from partita.contract.problems import (
    BodyTooLarge,
    Busy,
    Forbidden,
    Internal,
    Invalid,
    Malformed,
    NotAcceptable,
    NotFound,
    Unauthenticated,
    UnsupportedMediaType,
)
from partita.contract.schema import ANY_PROBLEM, REF, Schemas, default_of, problem_schema, types_of
from partita.contract.wire import members_type

__all__ = ["openapi"]

JSON, PROBLEM = "application/json", "application/problem+json"
PARAMETER_PLACES = ("path", "query", "header", "cookie")


def openapi(
    contracts: Compiled | Sequence[Compiled],
    *,
    title: str | None = None,
    version: str = "0",
    servers: Sequence[str] = (),
    public_only: bool = False,
) -> dict[str, Any]:
    """The document of one contract or of several. With ``public_only`` internal operations are left out.

    ``servers`` are URLs. The same contracts always give the same document.
    """
    several = [contracts] if isinstance(contracts, Compiled) else list(contracts)
    operations = [
        operation
        for contract in several
        for operation in contract.operations.values()
        if not (public_only and operation.access.is_internal)
    ]
    used = {problem.code: problem for operation in operations for problem in _built_in(operation)}
    types = [each for operation in operations for each in types_of(operation)]
    schemas = Schemas([*types, *(members_type(problem) for problem in used.values())])
    problems = _Problems(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas, problems)
    first = several[0] if several else None
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": title or (first.name if first is not None else "none"), "version": version},
        "paths": paths,
        "components": {
            "schemas": {**_without_members(schemas.components, problems), **problems.components},
            "securitySchemes": {
                "user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "service": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Partita-Caller",
                    "description": "The identity of another service of the system.",
                },
            },
        },
        "tags": [{"name": each.name, **({"description": each.doc} if each.doc else {})} for each in several],
    }
    if len(several) == 1 and several[0].doc:
        document["info"]["description"] = several[0].doc
    if servers:
        document["servers"] = [{"url": url} for url in servers]
    plain: dict[str, Any] = msgspec.json.decode(encode_json(document))  # defaults may be tuples, UUIDs and the like
    return plain


class _Problems:
    """The components of problems, each made once."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self.components: dict[str, Any] = {"Problem": ANY_PROBLEM}
        self._names: dict[type[Problem], str] = {}

    def ref(self, problem: type[Problem]) -> dict[str, str]:
        """A reference to the component of ``problem``; two classes of one name get two components."""
        name = self._names.get(problem)
        if name is None:
            name = f"{problem.__name__}Problem"
            if name in self.components:
                name = f"{problem.__module__.replace('.', '_')}_{name}"
            self._names[problem] = name
            self.components[name] = problem_schema(problem, self._schemas)
        return {"$ref": REF + name}

    @property
    def member_types(self) -> set[str]:
        """The names of the structs that stand for members: they are written out in the problems themselves."""
        return {problem.__name__ for problem in self._names}


def _without_members(components: dict[str, Any], problems: _Problems) -> dict[str, Any]:
    return {name: schema for name, schema in components.items() if name not in problems.member_types}


def _operation(operation: Operation, schemas: Schemas, problems: _Problems) -> dict[str, Any]:
    summary, _, rest = operation.doc.partition("\n")
    document: dict[str, Any] = {"operationId": operation.full_name, "tags": [operation.contract]}
    if summary:
        document["summary"] = summary
    if rest.strip():
        document["description"] = rest.strip()
    parameters = [_parameter(each, schemas) for each in operation.parameters if each.place in PARAMETER_PLACES]
    if not operation.safe and operation.idempotency != "none":
        parameters.append(_idempotency_key(operation))
    if parameters:
        document["parameters"] = parameters
    if operation.body is not None:
        document["requestBody"] = _body(operation.body, schemas)
    document["responses"] = _responses(operation, schemas, problems)
    document["security"] = _security(operation.access)
    document["x-partita-access"] = str(operation.access)
    document["x-partita-timeout-s"] = operation.timeout_s
    return document


def _parameter(parameter: Parameter, schemas: Schemas) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": parameter.alias,
        "in": parameter.place,
        "required": parameter.required,
        "schema": {**schemas.of(parameter.text_type), **default_of(parameter)},
    }
    if parameter.many:
        document |= {"style": "form", "explode": True}
    return document


def _idempotency_key(operation: Operation) -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": operation.idempotency == "required",
        "description": "Names this request, so that it can be sent again.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    }


def _body(body: Parameter, schemas: Schemas) -> dict[str, Any]:
    if body.place == "body":
        return {"required": body.required, "content": {JSON: {"schema": schemas.of(body.type)}}}
    return {"required": body.required, "content": {"application/octet-stream": {}}}


def _responses(operation: Operation, schemas: Schemas, problems: _Problems) -> dict[str, Any]:
    responses: dict[str, Any] = {str(operation.status): _success(operation, schemas)}
    by_status: dict[int, list[type[Problem]]] = {}
    for problem in [*operation.raises.values(), *_built_in(operation)]:
        by_status.setdefault(problem.status, []).append(problem)
    for status, several in sorted(by_status.items()):
        refs = [problems.ref(problem) for problem in several]
        schema: dict[str, Any] = refs[0] if len(refs) == 1 else {"anyOf": refs}
        text = "; ".join(dict.fromkeys(f"{problem.title}." for problem in several))
        responses[str(status)] = {"description": text, "content": {PROBLEM: {"schema": schema}}}
    responses["default"] = {
        "description": "Any other failure.",
        "content": {PROBLEM: {"schema": {"$ref": REF + "Problem"}}},
    }
    return responses


def _success(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    if operation.kind == "nothing":
        return {"description": "Done."}
    if operation.kind == "download":
        return {"description": "The content.", "content": {"*/*": {}}}
    schema = schemas.of(operation.result)
    if operation.kind == "stream":
        described = {"schema": {"type": "string"}, "x-partita-item": schema}
        return {
            "description": "Server-sent events; the data of each is one item.",
            "content": {"text/event-stream": described},
        }
    return {"description": "The result.", "content": {JSON: {"schema": schema}}}


def _built_in(operation: Operation) -> Iterable[type[Problem]]:
    """What Partita itself may answer, apart from what stands behind ``default``."""
    yield Malformed
    if not operation.access.guests:
        yield Unauthenticated
        yield Forbidden
    else:
        yield Unauthenticated  # a token that is sent must be valid
    yield NotFound
    if operation.kind in ("value", "stream"):
        yield NotAcceptable
    if operation.body is not None:
        yield BodyTooLarge
        if operation.body.place == "body":
            yield UnsupportedMediaType
    if operation.parameters or not operation.safe:
        yield Invalid
    yield Internal
    yield Busy


def _security(access: Access) -> list[dict[str, list[str]]]:
    found: list[dict[str, list[str]]] = []
    if access.guests:
        found += [{}, {"user": []}]
    elif access.users or access.roles:
        found.append({"user": []})
    if access.services:
        found.append({"service": []})
    return found
