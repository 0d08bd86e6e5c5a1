"""Contracts: what a service promises, as a Protocol whose methods are operations. Compiled when the class is made."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from partita.contract.compiler import compile_operation, place_of
from partita.contract.message import Event
from partita.contract.operation import DECLARED, Declared, Operation
from partita.contract.types import allows_none, faults_of, is_scalar, members_of
from partita.core.errors import ContractRefused, Mistake

__all__ = ["Compiled", "Contract", "compiled"]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,38}[a-z0-9]|[a-z]")
_EVENT_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*")
_COMPILED = "__partita_contract__"
_OF_SERVICES = frozenset({"on_start", "on_stop", "tables"})  # what every Service has; an operation would hide it


@dataclass(frozen=True, kw_only=True, eq=False)
class Compiled:
    """A contract, compiled. ``operations`` are by the name of their method, in the order of their declaration."""

    name: str
    prefix: str
    cls: type
    operations: dict[str, Operation]
    publishes: tuple[type[Event], ...]
    doc: str
    place: str


class Contract(Protocol):
    """What a service promises: ``class Orders(Contract, Protocol, name="orders", publishes=[Placed])``.

    Each method has a verb (``@get``, ``@post``, ``@put``, ``@patch``, ``@delete``) and ``...`` for its body. ``name``
    is the service's, ``prefix`` stands before each path, ``publishes`` lists its events. Raises ``ContractRefused``
    with every mistake when the class is made.
    """

    def __init_subclass__(
        cls, *, name: str = "", prefix: str = "", publishes: Sequence[type[Event]] = (), **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        if Protocol in cls.__bases__:
            _compile(cls, name, prefix, publishes)
        elif name or prefix or publishes or Contract in cls.__bases__:
            place = place_of(cls, cls.__qualname__.rpartition("<locals>.")[2])
            remedy = f'Write class {cls.__name__}(Contract, Protocol, name="..."); an implementation says no name.'
            raise ContractRefused([Mistake(place, "it is declared like a contract, and is no Protocol.", remedy)])


def compiled(contract: type) -> Compiled:
    """What was made of ``contract``, or of the contract that a service class implements.

    Raises ``TypeError`` for a class that is neither.
    """
    found: Compiled | None = getattr(contract, _COMPILED, None)
    if found is None:
        raise TypeError(f"{contract!r} is no contract: derive it as class X(Contract, Protocol, name=...)")
    return found


def _local_names(module: str) -> dict[str, Any]:
    """The local names where the class statement stands: contracts may be made inside a function, as tests do."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") != module:
        if frame.f_back is None:
            return {}
        frame = frame.f_back
    return dict(frame.f_locals)


def _compile(cls: type, name: str, prefix: str, publishes: Sequence[type[Event]]) -> None:
    inherited: Compiled | None = next(
        (base.__dict__[_COMPILED] for base in cls.__mro__[1:] if _COMPILED in base.__dict__), None
    )
    if inherited is not None:
        name, prefix, publishes = name or inherited.name, prefix or inherited.prefix, publishes or inherited.publishes
    names = _local_names(cls.__module__)
    place = place_of(cls, cls.__qualname__.rpartition("<locals>.")[2])
    mistakes = [*_contract_mistakes(place, name, prefix, publishes), *_member_mistakes(cls)]
    operations: dict[str, Operation] = {}
    routes: dict[tuple[str, str], str] = {}
    for method, function in _methods(cls):
        if not hasattr(function, DECLARED):
            where = place_of(function, f"{cls.__name__}.{method}")
            mistakes.append(Mistake(where, "it has no route.", 'Add one: @get("/..."), or begin its name with "_".'))
            continue
        where = place_of(function, f"{cls.__name__}.{method}")
        mistakes.extend(_route_taken(where, getattr(function, DECLARED), method, routes))
        if method in _OF_SERVICES:
            mistakes.append(Mistake(where, f"every service has {method} for itself.", "Choose another name."))
        operation, found = compile_operation(name, prefix, cls.__name__, function, names)
        mistakes.extend(found)
        if operation is not None:
            operations[method] = operation
    if mistakes:
        raise ContractRefused(mistakes)
    compiled_contract = Compiled(
        name=name,
        prefix=prefix,
        cls=cls,
        operations=operations,
        publishes=tuple(publishes),
        doc=inspect.cleandoc(cls.__dict__.get("__doc__") or ""),
        place=place,
    )
    setattr(cls, _COMPILED, compiled_contract)


def _methods(cls: type) -> list[tuple[str, Any]]:
    """The public methods of the contract and of those it extends, the extended ones first."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base is Contract or Contract not in base.__mro__:
            continue
        for name, value in vars(base).items():
            if not name.startswith("_") and inspect.isfunction(value):
                found[name] = value
    return list(found.items())


def _member_mistakes(cls: type) -> list[Mistake]:
    """What stands in the class and is no operation: nobody could call it from outside."""
    annotated = inspect.get_annotations(cls)
    remedy = 'A contract has operations only; begin its name with "_", or put it elsewhere.'
    mistakes = []
    for name, value in {**annotated, **vars(cls)}.items():
        if name.startswith("_") and hasattr(value, DECLARED):
            fact = "it has a route, and its name begins with an underscore."
            mistakes.append(Mistake(place_of(value, f"{cls.__name__}.{name}"), fact, "Take the underscore away."))
        if name.startswith("_") or inspect.isfunction(value) or "ClassVar" in str(value):
            continue
        if name in annotated:
            mistakes.append(Mistake(place_of(cls, f"{cls.__name__}.{name}"), "it is an attribute.", remedy))
        elif isinstance(value, (property, staticmethod, classmethod)):
            fact = f"it is a {type(value).__name__}."
            mistakes.append(Mistake(place_of(cls, f"{cls.__name__}.{name}"), fact, remedy))
    return mistakes


def _contract_mistakes(place: str, name: str, prefix: str, publishes: Sequence[type[Event]]) -> list[Mistake]:
    mistakes: list[Mistake] = []
    if not _NAME.fullmatch(name):
        fact = f"{name!r} is no name for a service." if name else "it has no name."
        remedy = 'Write name="orders" in the class line: lower-case letters, digits and hyphens, 40 at most.'
        mistakes.append(Mistake(place, fact, remedy))
    if prefix and (not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", prefix) or {".", ".."} & set(prefix.split("/"))):
        mistakes.append(Mistake(place, f"{prefix!r} is no prefix.", 'It looks like "/v1".'))
    if isinstance(publishes, type) or not isinstance(publishes, Sequence):
        said = getattr(publishes, "__name__", repr(publishes))
        return [*mistakes, Mistake(place, f"publishes is {said}.", f"Write a list: publishes=[{said}].")]
    taken: dict[str, Any] = {}
    for event in publishes:
        mistakes.extend(_event_mistakes(place, event))
        declared = getattr(event, "__partita__", {}).get("name", "")
        other = taken.setdefault(declared, event)
        if declared and other is not event:
            fact = f"{other.__name__} and {event.__name__} have the name {declared!r}."
            mistakes.append(Mistake(place, fact, "Give each event its own."))
    if len(set(publishes)) < len(publishes):
        mistakes.append(Mistake(place, "publishes names an event twice.", "Name it once."))
    return mistakes


def _event_mistakes(place: str, event: Any) -> list[Mistake]:
    if not (isinstance(event, type) and issubclass(event, Event)) or event is Event:
        said = getattr(event, "__name__", repr(event))
        return [Mistake(place, f"publishes holds {said}.", "Derive a class from Event.")]
    declared = event.__partita__
    where = place_of(event, event.__name__)
    mistakes = []
    if not _EVENT_NAME.fullmatch(declared.get("name", "")):
        mistakes.append(
            Mistake(where, "the event has no name for the wire.", 'Write name="orders.placed" in its class line.')
        )
    version = declared.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        mistakes.append(Mistake(where, f"its version is {version!r}.", "Versions are 1, 2, 3 ..."))
    faults = faults_of(event, event.__name__, secrets=False)
    mistakes += [Mistake(where, f"{path} {fact}", remedy) for path, fact, remedy in faults]
    if not faults:
        mistakes += _key_mistakes(where, event, declared.get("key", ""))
    return mistakes


def _key_mistakes(where: str, event: type[Event], key: str) -> list[Mistake]:
    remedy = 'Write key="id", the field among whose equal values order is kept.'
    types = {name: hint for name, hint, _ in members_of(event)}
    if key not in types:
        return [Mistake(where, f"its key {key!r} is none of its fields." if key else "the event has no key.", remedy)]
    if not is_scalar(types[key]) or allows_none(types[key]):
        return [Mistake(where, f"its key {key!r} is not one text that is always there.", remedy)]
    return []


def _route_taken(place: str, declared: Declared, name: str, routes: dict[tuple[str, str], str]) -> list[Mistake]:
    shape = (declared.method, re.sub(r"\{[^}]*\}", "{}", declared.path))
    other = routes.setdefault(shape, name)
    if other == name:
        return []
    fact = f"{declared.method} {declared.path} is the route of {other} as well."
    return [Mistake(place, fact, "Change the path or the verb of one.")]
