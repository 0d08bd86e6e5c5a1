"""What keeps services from making a system: every check gives its mistakes, and none stops the others."""

from __future__ import annotations

import dataclasses
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from partita.contract.compiler import place_of
from partita.contract.contract import Contract
from partita.contract.operation import Operation, Parameter
from partita.core.blocking import Blocking
from partita.core.call import Call
from partita.core.clock import Clock
from partita.core.errors import Mistake
from partita.core.ids import Ids
from partita.core.settings import Settings
from partita.data.database import Database
from partita.service.fields import fields_of
from partita.system.member import Member, Parts

__all__ = ["mistakes_of"]

FILLED = (Database, Clock, Ids, Call, Blocking, Settings)
"""What a field may ask for, besides other services."""


def mistakes_of(system: Parts) -> list[Mistake]:
    """Everything that cannot work."""
    checks: list[Callable[[Parts], Iterator[Mistake]]] = [
        _implementations, _fields, _missing_services, _roles, _cycles, _publishers, _routes, _identity,
    ]  # fmt: skip
    return [mistake for check in checks for mistake in check(system)]


def _implementations(system: Parts) -> Iterator[Mistake]:
    for member in system.members.values():
        for operation in member.contract.operations.values():
            yield from _implementation(member, operation)
        for field in fields_of(member.cls):
            if field in member.contract.operations:
                where = place_of(member.cls, f"{member.cls.__name__}.{field}")
                yield Mistake(
                    where, f"the field hides the operation {member.contract.name}.{field}.", "Rename the field."
                )


def _implementation(member: Member, operation: Operation) -> Iterator[Mistake]:
    found = _find(member.cls, operation.name)
    where = place_of(member.cls, member.cls.__name__)
    if found is None:
        if operation.name not in fields_of(member.cls):
            fact = f"it does not implement {operation.full_name}, declared at {operation.place}."
            yield Mistake(where, fact, f"Write the method {operation.name}.")
        return
    where = place_of(found, f"{member.cls.__name__}.{operation.name}")
    if operation.kind == "stream":
        if inspect.iscoroutinefunction(found):
            yield Mistake(where, "a stream is an async generator, and this returns once.", "Use yield.")
    elif inspect.isasyncgenfunction(found):
        yield Mistake(where, f"it yields, and {operation.full_name} returns one value.", "Return it.")
    elif not inspect.iscoroutinefunction(found):
        yield Mistake(where, 'it is declared with "def".', 'Write "async def".')
    parameters = list(inspect.signature(found).parameters.values())[1:]
    names = [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]
    wanted = [each.name for each in operation.parameters]
    missing = [name for name in wanted if name not in names]
    extra = [each.name for each in parameters if each.name not in wanted and each.default is each.empty]
    if missing or extra:
        have, want = ", ".join(names) or "none", ", ".join(wanted) or "none"
        fact = f"its parameters are {have}; the contract's are {want}."
        yield Mistake(where, fact, "Give them the contract's names: callers pass them by name.")


def _find(cls: type, name: str) -> Any:
    """The implementation of an operation; ``None`` where only the contract's own ``...`` would answer."""
    for base in cls.__mro__:
        if getattr(base, "_is_protocol", False):
            continue
        if name in vars(base) and callable(vars(base)[name]):
            return vars(base)[name]
    return None


def _fields(system: Parts) -> Iterator[Mistake]:
    """What the runtime could not fill when the service starts."""
    for member in system.members.values():
        optional = {field.name for field in dataclasses.fields(member.cls) if field.default is not dataclasses.MISSING}  # type: ignore[arg-type]
        for field, hint in fields_of(member.cls).items():
            known = isinstance(hint, type) and (issubclass(hint, FILLED) or Contract in hint.__mro__)
            if known or field in optional or field in member.contract.operations:
                continue
            where = place_of(member.cls, f"{member.cls.__name__}.{field}")
            fact = f"a field of the type {getattr(hint, '__name__', hint)} cannot be filled."
            yield Mistake(
                where, fact, "Fields are Database, Clock, Ids, Call, Blocking, Settings, or a service's contract."
            )


def _missing_services(system: Parts) -> Iterator[Mistake]:
    for member in system.members.values():
        for field, callee in member.calls.items():
            if callee not in system.members:
                where = place_of(member.cls, f"{member.cls.__name__}.{field}")
                fact = f"it needs the service {callee}, and nothing in the system implements it."
                yield Mistake(where, fact, "Add its implementation to services=[...].")


def _roles(system: Parts) -> Iterator[Mistake]:
    for member in system.members.values():
        for operation in member.contract.operations.values():
            for role in sorted(operation.access.roles - set(system.roles)):
                known = ", ".join(system.roles) or "none"
                fact = f"it asks for the role {role!r}; the system's roles are: {known}."
                yield Mistake(operation.place, fact, "Add it to System(roles=[...]), or mend the name.")


def _cycles(system: Parts) -> Iterator[Mistake]:
    allowed = {frozenset(pair) for pair in system.cycles}
    for pair in system.cycles:
        for name in pair:
            if name not in system.members:
                yield Mistake(
                    f"System({system.name!r})", f"cycles names {name!r}, which is no service.", "Mend the name."
                )
    reported: set[frozenset[str]] = set()
    for cycle in _find_cycles(system):
        pairs = [frozenset(pair) for pair in zip(cycle, [*cycle[1:], cycle[0]], strict=True)]
        if frozenset(cycle) in reported or all(pair in allowed for pair in pairs):
            continue
        reported.add(frozenset(cycle))
        fact = f"{' calls '.join([*cycle, cycle[0]])}: a circle of synchronous calls."
        remedy = "Let one side publish an event, or declare it: System(cycles=[(...), ...])."
        yield Mistake(f"System({system.name!r})", fact, remedy)


def _find_cycles(system: Parts) -> Iterator[list[str]]:
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> Iterator[list[str]]:
        if name in path:
            yield path[path.index(name) :]
            return
        if name in done or name not in system.members:
            return
        for callee in sorted(set(system.members[name].calls.values())):
            yield from visit(callee, [*path, name])
        done.add(name)

    for name in system.members:
        yield from visit(name, [])


def _publishers(system: Parts) -> Iterator[Mistake]:
    by_name: dict[str, list[str]] = defaultdict(list)
    for member in system.members.values():
        for event in member.contract.publishes:
            by_name[event.__partita__["name"]].append(member.name)
    for name, publishers in by_name.items():
        if len(publishers) > 1:
            fact = f"the event {name} is published by {' and '.join(publishers)}."
            yield Mistake(
                f"System({system.name!r})", fact, "One service owns a fact: let the others publish their own."
            )


def _routes(system: Parts) -> Iterator[Mistake]:
    """Two services that answer one route could not both stand behind the gateway."""
    taken: dict[tuple[str, tuple[str, ...]], Operation] = {}
    for member in system.members.values():
        for operation in member.contract.operations.values():
            if operation.access.is_internal:
                continue
            shape = tuple("{}" if isinstance(part, Parameter) else part for part in operation.segments)
            other = taken.setdefault((operation.method, shape), operation)
            if other is not operation:
                fact = f"{operation.method} {operation.path} is the route of {other.full_name} as well."
                yield Mistake(operation.place, fact, "Change the path of one, or give one contract a prefix.")


def _identity(system: Parts) -> Iterator[Mistake]:
    if system.users is None:
        return
    issuer = system.members.get(system.users.service)
    where = f"System({system.name!r})"
    if issuer is None:
        yield Mistake(
            where, f"users names the service {system.users.service!r}, which is none of it.", "Mend the name."
        )
        return
    keys = system.users.keys
    if not any(each.path == keys and each.access.guests for each in issuer.contract.operations.values()):
        yield Mistake(where, f"{issuer.name} has no public operation at {keys}.", f'Add @get("{keys}", access=PUBLIC).')
