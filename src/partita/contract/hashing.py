"""What can be a key or stand in a frozenset: known from the type, before a value of it comes."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import typing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

import msgspec

from partita.core.secret import Secret

__all__ = ["key_fault", "unhashable"]

_KEYS = (str, int, float, bytes, UUID, Decimal, date, datetime, time, timedelta)


def key_fault(wanted: Any) -> str:
    """Why a type cannot be that of a JSON object's keys, which are texts; empty where it can."""
    origin, args = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return key_fault(args[0])
    if isinstance(wanted, NewType):
        return key_fault(wanted.__supertype__)
    if origin in (Union, UnionType):
        faults = [fault for arg in args if (fault := key_fault(arg))]
        return faults[0] if faults else ("which a text cannot tell apart" if str in args else "")
    if origin is Literal:
        plain = all(isinstance(value, (str, int)) and not isinstance(value, bool) for value in args)
        return "" if plain else "which JSON has no keys of"
    if wanted is Secret:
        return "which paths of errors would show"
    if isinstance(wanted, type) and (wanted in _KEYS or issubclass(wanted, enum.Enum)):
        return ""
    return "which JSON has no keys of"


def unhashable(wanted: Any, seen: frozenset[Any] = frozenset()) -> bool:
    """Whether values of a type have no hash: mappings, and what holds one."""
    origin, args = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return unhashable(args[0], seen)
    cls = origin or wanted
    if cls is collections.abc.Mapping:
        return True
    if any(unhashable(arg, seen) for arg in args if origin is not Literal):
        return True
    if not isinstance(cls, type) or wanted in seen:
        return False
    seen = seen | {wanted}
    try:
        if issubclass(cls, msgspec.Struct):
            return any(unhashable(field.type, seen) for field in msgspec.structs.fields(wanted))
        if dataclasses.is_dataclass(cls) or (issubclass(cls, tuple) and hasattr(cls, "_fields")):
            return any(unhashable(hint, seen) for hint in typing.get_type_hints(cls, include_extras=True).values())
    except NameError:
        return False  # said elsewhere
    return False
