"""Which types may cross a boundary: what msgspec can write and read, and nobody can change afterwards."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import typing
from types import UnionType
from typing import Annotated, Any, ForwardRef, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from partita.core.secret import Secret

__all__ = ["faults_of", "is_message_like", "is_scalar", "strip"]

_MUTABLE: dict[Any, str] = {
    list: "tuple[..., ...]",
    set: "frozenset[...]",
    dict: "Mapping[..., ...] or a Message",
    bytearray: "bytes",
    collections.abc.Sequence: "tuple[..., ...]",
    collections.abc.MutableSequence: "tuple[..., ...]",
    collections.abc.Collection: "tuple[..., ...]",
    collections.abc.Set: "frozenset[...]",
    collections.abc.MutableSet: "frozenset[...]",
    collections.abc.MutableMapping: "Mapping[..., ...]",
}


def faults_of(wanted: Any, path: str, seen: set[Any] | None = None) -> list[tuple[str, str, str]]:
    """What keeps ``wanted`` from crossing a boundary: (path, fact, remedy) for each place inside of it."""
    seen = set() if seen is None else seen
    origin, args = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return faults_of(args[0], path, seen)
    if origin in (Union, UnionType):
        found = [fault for arg in args for fault in faults_of(arg, path, seen)]
        return found or _msgspec_fault(wanted, path)
    if origin is Literal or wanted in (None, type(None), Any, Secret, msgspec.UnsetType) or isinstance(wanted, TypeVar):
        return []
    if isinstance(wanted, (str, ForwardRef)):
        return [
            (path, f"has the type {wanted!r}, which cannot be resolved.", "Import the name, or write the type itself.")
        ]
    mutable = _MUTABLE.get(origin or wanted)
    if mutable is not None:
        name = getattr(origin or wanted, "__name__", str(wanted))
        return [(path, f"is a {name}, which can be changed after it was checked.", f"Use {mutable}.")]
    if origin in (tuple, frozenset, collections.abc.Mapping):
        return [fault for arg in args if arg is not Ellipsis for fault in faults_of(arg, path, seen)]
    return _class_faults(wanted, origin or wanted, path, seen)


def _class_faults(wanted: Any, cls: Any, path: str, seen: set[Any]) -> list[tuple[str, str, str]]:
    if not isinstance(cls, type):
        return _msgspec_fault(wanted, path)
    if wanted in seen:
        return []
    seen.add(wanted)
    if issubclass(cls, msgspec.Struct):
        if not cls.__struct_config__.frozen:
            return [
                (
                    path,
                    f"holds {cls.__name__}, which can be changed.",
                    "Derive it from Message, or make it frozen=True.",
                )
            ]
        return _field_faults(wanted, cls, seen)
    if dataclasses.is_dataclass(cls):
        if not cls.__dataclass_params__.frozen:
            return [
                (
                    path,
                    f"holds {cls.__name__}, which can be changed.",
                    "Derive it from Message, or make it frozen=True.",
                )
            ]
        return _field_faults(wanted, cls, seen)
    if typing.is_typeddict(cls):
        return [(path, f"holds {cls.__name__}, a TypedDict, which can be changed.", "Derive it from Message.")]
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _field_faults(wanted, cls, seen)
    if issubclass(cls, enum.Enum):
        return []
    return _msgspec_fault(wanted, path)


def _field_faults(wanted: Any, cls: type, seen: set[Any]) -> list[tuple[str, str, str]]:
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        return [(cls.__name__, f"names {error.name!r}, which is not defined.", "Import it where the message stands.")]
    return [
        fault
        for name, hint in hints.items()
        if get_origin(hint) is not typing.ClassVar and not name.startswith("_")
        for fault in faults_of(hint, f"{cls.__name__}.{name}", seen)
    ]


def _msgspec_fault(wanted: Any, path: str) -> list[tuple[str, str, str]]:
    """Ask msgspec itself: it refuses unions that it cannot tell apart, constraints that do not fit, and strangers."""
    try:
        info = msgspec.inspect.type_info(wanted)
    except (TypeError, ValueError) as error:
        return [(path, f"cannot be read from JSON: {str(error).splitlines()[0]}", "Use types that msgspec knows.")]
    if isinstance(info, msgspec.inspect.CustomType):
        name = getattr(wanted, "__name__", str(wanted))
        return [(path, f"is a {name}, which has no JSON form.", "Use a Message, or a type that msgspec knows.")]
    return []


def strip(wanted: Any) -> Any:
    """The type without ``Annotated`` and ``None``, where one type is left."""
    if get_origin(wanted) is Annotated:
        return strip(get_args(wanted)[0])
    if get_origin(wanted) in (Union, UnionType):
        rest = [arg for arg in get_args(wanted) if arg is not type(None)]
        if len(rest) == 1:
            return strip(rest[0])
    return wanted


def is_message_like(wanted: Any) -> bool:
    """Whether it travels as a body: a message, or a choice among messages."""
    wanted = strip(wanted)
    if get_origin(wanted) in (Union, UnionType):
        return any(is_message_like(arg) for arg in get_args(wanted))
    cls = get_origin(wanted) or wanted
    if not isinstance(cls, type):
        return False
    return (
        issubclass(cls, msgspec.Struct)
        or dataclasses.is_dataclass(cls)
        or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    )


def is_scalar(wanted: Any) -> bool:
    """Whether it travels as one text: in a path, a query, a header or a cookie."""
    wanted = strip(wanted)
    origin = get_origin(wanted)
    if origin in (Union, UnionType):
        return all(is_scalar(arg) for arg in get_args(wanted) if arg is not type(None))
    if origin is Literal or wanted is Secret:
        return True
    if origin is not None or not isinstance(wanted, type):
        return False
    if issubclass(wanted, enum.Enum):
        return True
    return not is_message_like(wanted) and not issubclass(
        wanted, (tuple, list, set, frozenset, dict, bytes, type(None))
    )
