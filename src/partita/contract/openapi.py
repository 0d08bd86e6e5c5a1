"""OpenAPI 3.1 documents, made of contracts."""

from __future__ import annotations

import re
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
from partita.contract.schema import ANY_PROBLEM, REF, Schemas, default_of, problem_schema, refs_of, types_of
from partita.contract.wire import members_type
from partita.core.errors import ContractRefused, Mistake

__all__ = ["openapi"]

JSON, PROBLEM = "application/json", "application/problem+json"
PARAMETER_PLACES = ("path", "query", "header", "cookie")
SECURITY_SCHEMES = {
    "user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "service": {
        "type": "apiKey",
        "in": "header",
        "name": "Partita-Caller",
        "description": "The identity of another service of the system.",
    },
}


def openapi(
    contracts: Compiled | Sequence[Compiled],
    *,
    title: str | None = None,
    version: str = "0",
    servers: Sequence[str] = (),
    public_only: bool = False,
) -> dict[str, Any]:
    """The document of one contract or of several. With ``public_only`` internal operations are left out.

    ``servers`` are URLs. The same contracts always give the same document. Raises ``ContractRefused`` where two
    contracts have one route.
    """
    several = [contracts] if isinstance(contracts, Compiled) else list(contracts)
    chosen = {
        contract: [each for each in contract.operations.values() if not (public_only and each.access.is_internal)]
        for contract in several
    }
    _refuse_shared_routes([operation for operations in chosen.values() for operation in operations])
    components: dict[str, Any] = {"Problem": ANY_PROBLEM}
    paths = _Paths()
    for contract, operations in chosen.items():
        schemas = Schemas(
            [each for operation in operations for each in _types_of(operation)], components, contract.name
        )
        components |= schemas.components
        problems = _Problems(schemas, components, contract.name)
        for operation in operations:
            paths.add(operation, _operation(operation, schemas, problems, paths.names(operation)))
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": title or (several[0].name if several else "none"), "version": version},
        "paths": paths.documents,
        "components": {"schemas": _used(components, paths.documents), "securitySchemes": SECURITY_SCHEMES},
        "tags": [{"name": each.name, **({"description": each.doc} if each.doc else {})} for each in several],
    }
    if len(several) == 1 and several[0].doc:
        document["info"]["description"] = several[0].doc
    if servers:
        document["servers"] = [{"url": url} for url in servers]
    plain: dict[str, Any] = msgspec.json.decode(encode_json(document))  # defaults may be tuples, UUIDs and the like
    return plain


def _shape(path: str) -> str:
    """The path as a router sees it: what its parameters are called makes no difference."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def _refuse_shared_routes(operations: Sequence[Operation]) -> None:
    taken: dict[tuple[str, str], Operation] = {}
    mistakes = []
    for operation in operations:
        other = taken.setdefault((operation.method, _shape(operation.path)), operation)
        if other is not operation:
            fact = f"{operation.method} {operation.path} is the route of {other.full_name} as well."
            mistakes.append(
                Mistake(operation.place, fact, 'Change the path of one, or give its contract a prefix="...".')
            )
    if mistakes:
        raise ContractRefused(mistakes)


class _Paths:
    """The paths of a document. Of one shape there is one path, whatever each operation calls its parameters."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self._first: dict[str, str] = {}

    def _path(self, operation: Operation) -> str:
        return self._first.setdefault(_shape(operation.path), operation.path)

    def names(self, operation: Operation) -> dict[str, str]:
        """What the operation's path parameters are called in the document."""
        own, told = (re.findall(r"\{([^}]*)\}", path) for path in (operation.path, self._path(operation)))
        return dict(zip(own, told, strict=True))

    def add(self, operation: Operation, document: dict[str, Any]) -> None:
        self.documents.setdefault(self._path(operation), {})[operation.method.lower()] = document


class _Problems:
    """The components of a contract's problems, each made once."""

    def __init__(self, schemas: Schemas, components: dict[str, Any], prefix: str) -> None:
        self._schemas, self._components, self._prefix = schemas, components, prefix
        self._names: dict[type[Problem], str] = {}

    def ref(self, problem: type[Problem]) -> dict[str, str]:
        """A reference to the component of ``problem``; two classes of one name get two components."""
        name = self._names.get(problem)
        if name is None:
            schema = problem_schema(problem, self._schemas)
            name = f"{problem.__name__}Problem"
            for prefix in (self._prefix, f"{self._prefix}.{problem.code}"):
                if self._components.setdefault(name, schema) == schema:
                    break
                name = f"{prefix}.{problem.__name__}Problem"
            self._components[name] = schema
            self._names[problem] = name
        return {"$ref": REF + name}


def _used(components: dict[str, Any], paths: dict[str, Any]) -> dict[str, Any]:
    """What the paths refer to, and what that refers to. The members of problems are written out where they belong."""
    wanted, found = refs_of(paths), set[str]()
    while wanted:
        found |= wanted
        wanted = {name for each in wanted for name in refs_of(components[each])} - found
    return {name: components[name] for name in sorted(found)}


def _types_of(operation: Operation) -> list[Any]:
    return [*types_of(operation), *(members_type(problem) for problem in _built_in(operation))]


def _operation(operation: Operation, schemas: Schemas, problems: _Problems, names: dict[str, str]) -> dict[str, Any]:
    summary, _, rest = operation.doc.partition("\n")
    document: dict[str, Any] = {"operationId": operation.full_name, "tags": [operation.contract]}
    if summary:
        document["summary"] = summary
    if rest.strip():
        document["description"] = rest.strip()
    parameters = [_parameter(each, schemas, names) for each in operation.parameters if each.place in PARAMETER_PLACES]
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


def _parameter(parameter: Parameter, schemas: Schemas, names: dict[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": names[parameter.alias] if parameter.place == "path" else parameter.alias,
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
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    }


def _body(body: Parameter, schemas: Schemas) -> dict[str, Any]:
    if body.place == "body":
        return {"required": body.required, "content": {JSON: {"schema": schemas.of(body.type)}}}
    return {"required": False, "content": {"application/octet-stream": {}}}  # no bytes are bytes too


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
        data = {"type": "string", "contentMediaType": JSON, "contentSchema": schema}
        event = {"type": "object", "properties": {"event": {"type": "string"}, "data": data}, "required": ["data"]}
        return {
            "description": "Server-sent events; the data of each is one item, or a problem where the event says so.",
            "content": {"text/event-stream": {"schema": event}},
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
