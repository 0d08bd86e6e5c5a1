"""Which types may cross a boundary: what msgspec can write and read, and nobody can change afterwards."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import typing
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, ForwardRef, Literal, NewType, TypeVar, Union, get_args, get_origin

import msgspec

from partita.contract.codec import decode_hook, json_decoder
from partita.contract.hashing import key_fault, unhashable
from partita.contract.parameters import Header
from partita.core.secret import Secret

__all__ = [
    "Fault",
    "allows_none",
    "default_fault",
    "faults_of",
    "is_message_like",
    "is_scalar",
    "members_of",
    "plain",
    "problem_members",
    "strip",
]

Fault = tuple[str, str, str]
"""The place inside of a type, the fact, and the remedy."""

_MUTABLE: dict[Any, str] = {
    list: "tuple[..., ...]",
    set: "frozenset[...]",
    dict: "Mapping[..., ...] or a Message",
    bytearray: "bytes",
    memoryview: "bytes",
    collections.abc.Sequence: "tuple[..., ...]",
    collections.abc.MutableSequence: "tuple[..., ...]",
    collections.abc.Collection: "tuple[..., ...]",
    collections.abc.Set: "frozenset[...]",
    collections.abc.MutableSet: "frozenset[...]",
    collections.abc.MutableMapping: "Mapping[..., ...]",
}
_HOLDERS: dict[Any, str] = {
    tuple: "tuple[int, ...]",
    frozenset: "frozenset[int]",
    collections.abc.Mapping: "Mapping[str, int]",
}
_NONE = type(None)
_DATACLASS = "__dataclass_params__"  # what checkers do not know that every dataclass has


def faults_of(wanted: Any, path: str, *, secrets: bool = True) -> list[Fault]:
    """What keeps ``wanted`` from crossing a boundary, with the path of each place inside of it.

    ``secrets`` says whether a ``Secret`` may stand in it. What the walk does not know, msgspec itself is asked.
    """
    walk = _Walk(secrets=secrets)
    walk.visit(wanted, path, outermost=True)
    return walk.found or list(_decoder_fault(wanted, path))


class _Walk:
    """Walks through a type and everything that it holds."""

    def __init__(self, *, secrets: bool) -> None:
        self.secrets = secrets
        self.found: list[Fault] = []
        self.seen: set[Any] = set()
        self.inside = 0

    def refuse(self, path: str, fact: str, remedy: str) -> None:
        self.found.append((path, fact, remedy))

    def visit(self, wanted: Any, path: str, *, outermost: bool = False, unset: bool = False) -> None:
        """``unset`` says whether UNSET may stand here: only what has a name can be left out."""
        origin, args = get_origin(wanted), get_args(wanted)
        if origin is Annotated:
            if not outermost and any(note is Header or isinstance(note, Header) for note in args[1:]):
                self.refuse(path, "is a header or a cookie inside of another type.", "Make it an argument of its own.")
            self.visit(args[0], path, outermost=outermost, unset=unset)
        elif origin in (Union, UnionType):
            for arg in args:
                if arg is not msgspec.UnsetType or not (unset or outermost):
                    self.visit(arg, path, outermost=outermost)
        elif isinstance(wanted, NewType):
            self.visit(wanted.__supertype__, path)
        elif not self.special(wanted, path):
            self.plain(wanted, origin, args, path)

    def special(self, wanted: Any, path: str) -> bool:
        """What is no class of values."""
        if wanted in (None, _NONE) or get_origin(wanted) is Literal:
            return True
        if isinstance(wanted, TypeVar):
            if not self.inside:
                self.refuse(path, f"is the type variable {wanted.__name__}.", "Write the type itself.")
            return True
        if wanted is Any:
            self.refuse(path, "is Any, which nothing checks.", "Write its type, or msgspec.Raw for JSON of any shape.")
            return True
        if wanted is Secret:
            if not self.secrets:
                self.refuse(path, "is a Secret, which would be stored and shown here.", "Leave it out.")
            return True
        if wanted is msgspec.UnsetType:
            self.refuse(path, "is UNSET, which only a field can be.", "Use None here, or leave it out.")
            return True
        if isinstance(wanted, (str, ForwardRef)):
            fact = f"has the type {wanted!r}, which cannot be resolved."
            self.refuse(path, fact, "Import the name, or write the type itself.")
            return True
        return False

    def plain(self, wanted: Any, origin: Any, args: tuple[Any, ...], path: str) -> None:
        cls = origin or wanted
        mutable = _MUTABLE.get(cls) if isinstance(cls, collections.abc.Hashable) else None
        if mutable is not None:
            name = getattr(cls, "__name__", str(wanted))
            self.refuse(path, f"is a {name}, which can be changed after it was checked.", f"Use {mutable}.")
            return
        if cls in _HOLDERS and not args and wanted != tuple[()]:
            self.refuse(path, f"is a {cls.__name__} of anything.", f"Say what it holds: {_HOLDERS[cls]}.")
            return
        if cls is frozenset and unhashable(args[0]):
            self.refuse(path, f"is a frozenset of {_name(args[0])}, which has no hash.", "Use tuple[..., ...].")
        if cls is collections.abc.Mapping and (fault := key_fault(args[0])):
            self.refuse(path, f"has keys of the type {_name(args[0])}, {fault}.", "Use str, int, UUID or an Enum.")
        if not _is_struct(cls):  # a struct's fields say what the arguments make of them
            for arg in args:
                if arg is not Ellipsis:
                    self.visit(arg, path)
        if cls not in _HOLDERS:
            self.cls(wanted, cls, path)

    def cls(self, wanted: Any, cls: Any, path: str) -> None:
        if not isinstance(cls, type):
            self.found.extend(_decoder_fault(wanted, path))
            return
        if wanted in self.seen:
            return
        self.seen.add(wanted)
        if get_origin(wanted) is None and getattr(cls, "__parameters__", None):
            fact = f"is a {cls.__name__} of anything."
            self.refuse(path, fact, f"Say what it holds: {cls.__name__}[...].")
        elif typing.is_typeddict(cls):
            self.refuse(path, f"holds {cls.__name__}, a TypedDict, which can be changed.", "Derive it from Message.")
        elif _is_changeable(cls):
            fact = f"holds {cls.__name__}, which can be changed."
            self.refuse(path, fact, "Derive it from Message, or make it frozen=True.")
        elif is_message_like(cls):
            self.members(wanted, cls)
        elif not issubclass(cls, enum.Enum):
            self.found.extend(_decoder_fault(wanted, path))

    def members(self, wanted: Any, cls: type) -> None:
        try:
            found = list(members_of(wanted))
        except NameError as error:
            remedy = "Import or define it in the message's module: not in a function, not under TYPE_CHECKING."
            self.refuse(cls.__name__, f"names {error.name!r}, which is not defined.", remedy)
            return
        self.inside += 1
        for name, hint, default in found:
            path = f"{cls.__name__}.{name}"
            self.visit(hint, path, unset=True)
            if default is not msgspec.NODEFAULT and (fault := default_fault(default, hint)):
                self.refuse(path, fault, "Change the default or the type.")
            elif default is msgspec.NODEFAULT and msgspec.UnsetType in get_args(hint):
                self.refuse(path, "may be UNSET and has no default.", "Write = msgspec.UNSET.")
        self.inside -= 1


def members_of(wanted: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, type and default (``msgspec.NODEFAULT`` without) of each field of a message-like type."""
    cls = get_origin(wanted) or wanted
    if issubclass(cls, msgspec.Struct):
        for field in msgspec.structs.fields(wanted):
            made = field.default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT
            yield field.name, field.type, field.default_factory() if made else field.default
        return
    hints = typing.get_type_hints(cls, include_extras=True)
    if dataclasses.is_dataclass(cls):
        for each in dataclasses.fields(cls):
            default = each.default if each.default is not dataclasses.MISSING else msgspec.NODEFAULT
            yield each.name, hints[each.name], default
        return
    for name in cls._fields:
        yield name, hints.get(name, Any), cls._field_defaults.get(name, msgspec.NODEFAULT)


def problem_members(problem: Any) -> Iterator[tuple[str, Any, Any, bool]]:
    """Name, type and default of each field of a problem class, and whether it has a default."""
    hints = typing.get_type_hints(problem, include_extras=True)
    for each in dataclasses.fields(problem):
        if each.default_factory is not dataclasses.MISSING:
            yield each.name, hints[each.name], each.default_factory(), True
        else:
            yield each.name, hints[each.name], each.default, each.default is not dataclasses.MISSING


def default_fault(default: Any, wanted: Any) -> str:
    """Why a default does not fit its type; empty where it does. A ``Secret`` never does: it would be in the code."""
    if isinstance(default, Secret):
        return "has a Secret for its default, which everybody could read in the code."
    if default is msgspec.UNSET:
        return "" if msgspec.UnsetType in get_args(wanted) else "has the default UNSET, which its type does not allow."
    try:
        msgspec.convert(default, wanted, dec_hook=decode_hook, from_attributes=True)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        return f"has the default {default!r}, which does not fit: {error}."
    except NameError:
        return ""  # its type cannot be resolved, which is said elsewhere
    return ""


def _is_struct(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, msgspec.Struct)


def _is_changeable(cls: Any) -> bool:
    if _is_struct(cls):
        return not cls.__struct_config__.frozen
    parameters = getattr(cls, _DATACLASS, None)
    return parameters is not None and not parameters.frozen


def _decoder_fault(wanted: Any, path: str) -> Iterator[Fault]:
    """Ask msgspec itself: it refuses unions that it cannot tell apart, constraints that do not fit, and strangers."""
    try:
        json_decoder(wanted)
        info = msgspec.inspect.type_info(wanted)
    except NameError as error:
        yield path, f"names {error.name!r}, which is not defined.", "Import it where it is used."
        return
    except (TypeError, ValueError, RuntimeError) as error:
        yield path, f"cannot be read from JSON: {str(error).splitlines()[0]}.", "Use types that msgspec knows."
        return
    if isinstance(info, msgspec.inspect.CustomType) and info.cls is not Secret:
        remedy = "Use a Message, or a type that msgspec knows."
        yield path, f"is a {_name(wanted)}, which has no JSON form.", remedy


def _name(wanted: Any) -> str:
    return wanted.__name__ if isinstance(wanted, type) else str(wanted)


def plain(wanted: Any) -> Any:
    """The type without ``Annotated`` and ``NewType``."""
    while True:
        if get_origin(wanted) is Annotated:
            wanted = get_args(wanted)[0]
        elif isinstance(wanted, NewType):
            wanted = wanted.__supertype__
        else:
            return wanted


def strip(wanted: Any) -> Any:
    """The type without ``Annotated``, ``NewType`` and ``None``, where one type is left."""
    wanted = plain(wanted)
    if get_origin(wanted) in (Union, UnionType):
        rest = [arg for arg in get_args(wanted) if arg is not _NONE]
        if len(rest) == 1:
            return strip(rest[0])
    return wanted


def allows_none(wanted: Any) -> bool:
    """Whether ``None`` is one of its values."""
    wanted = plain(wanted)
    if get_origin(wanted) in (Union, UnionType):
        return any(allows_none(arg) for arg in get_args(wanted))
    if get_origin(wanted) is Literal:
        return None in get_args(wanted)
    return wanted in (None, type(None))


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
        return _can_be_told_apart([arg for arg in get_args(wanted) if arg not in (_NONE, msgspec.UnsetType)])
    if origin is Literal:
        return all(isinstance(value, (str, int)) and not isinstance(value, bool) for value in get_args(wanted))
    if wanted is Secret:
        return True
    if origin is not None or not isinstance(wanted, type):
        return False
    if issubclass(wanted, enum.Enum):
        return True
    return not is_message_like(wanted) and not issubclass(
        wanted, (tuple, list, set, frozenset, dict, bytes, bytearray, memoryview, msgspec.Raw, _NONE)
    )


def _can_be_told_apart(members: list[Any]) -> bool:
    """Whether a text says which of several types it is: every text is a ``str``, and ``1`` is a ``bool`` too."""
    plain = [strip(member) for member in members]
    mixed = len(plain) > 1 and (str in plain or Secret in plain or bool in plain)
    return not mixed and all(is_scalar(member) for member in plain)
