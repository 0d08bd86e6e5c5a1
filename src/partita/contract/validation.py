"""Every wrong field of a body at once. The decoder stops at the first; this walks on, and only when it stopped."""

from __future__ import annotations

import collections.abc
import dataclasses
import re
import typing
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from partita.contract.codec import decode_hook
from partita.contract.problems import FieldError

__all__ = ["ERRORS_MAX", "field_errors"]

ERRORS_MAX = 100
_PLACE = re.compile(r" - at `(?:key in )?\$?([^`]*)`$")


def field_errors(wanted: Any, raw: Any, where: str = "body") -> tuple[FieldError, ...]:
    """What is wrong with ``raw`` (as read from JSON, untyped) as a ``wanted``: at most 100 errors, each with its path.

    Empty where nothing is wrong.
    """
    found: list[FieldError] = []
    _check(wanted, raw, where, found)
    return tuple(found[:ERRORS_MAX])


def _check(wanted: Any, raw: Any, path: str, found: list[FieldError]) -> None:
    """Add what is wrong with one value. What is in order is not looked into."""
    if len(found) >= ERRORS_MAX:
        return
    try:
        msgspec.convert(raw, wanted, dec_hook=decode_hook, str_keys=True)
        return
    except msgspec.ValidationError as error:
        refusal = str(error)
    except (ValueError, TypeError, RecursionError) as error:
        refusal = str(error) or "not valid"
    before = len(found)
    _descend(wanted, raw, path, found)
    if len(found) == before:
        place = _PLACE.search(refusal)
        deeper = place.group(1) if place is not None else ""
        found.append(FieldError(path=path + deeper.replace("[...]", "[]"), detail=_words(_PLACE.sub("", refusal))))


def _words(refusal: str) -> str:
    """The decoder's message as a person would say it."""
    missing = re.fullmatch(r"Object missing required field `(.*)`", refusal)
    if missing is not None:
        return f"{missing.group(1)} is missing"
    text = refusal.replace("`", "")
    return text[:1].lower() + text[1:]


def _descend(wanted: Any, raw: Any, path: str, found: list[FieldError]) -> None:
    """Look into a value that is wrong somewhere: its fields, its items, or the one type of a union that it can be."""
    origin, args = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        _descend(args[0], raw, path, found)
    elif origin in (Union, UnionType):
        chosen = _choose([arg for arg in args if arg is not type(None)], raw)
        if chosen is not None:
            _check(chosen, raw, path, found)
    elif origin in (tuple, frozenset) and isinstance(raw, list):
        _items(args, raw, path, found, fixed=origin is tuple and not (len(args) == 2 and args[1] is Ellipsis))
    elif origin is collections.abc.Mapping and isinstance(raw, dict):
        for key, value in raw.items():
            _check(args[1], value, f"{path}.{key}", found)
    elif isinstance(origin or wanted, type):
        _fields(wanted, origin or wanted, raw, path, found)


def _items(args: tuple[Any, ...], raw: list[Any], path: str, found: list[FieldError], *, fixed: bool) -> None:
    if fixed and len(args) != len(raw):
        return
    for index, item in enumerate(raw):
        _check(args[index] if fixed else args[0], item, f"{path}[{index}]", found)


def _choose(members: list[Any], raw: Any) -> Any:
    """The one member of a union that a JSON value is meant to be; ``None`` where that cannot be told."""
    if isinstance(raw, dict):
        objects = [each for each in members if _is_object(each)]
        if len(objects) > 1:
            objects = [each for each in objects if _tag_fits(get_origin(each) or each, raw)]
        return objects[0] if len(objects) == 1 else None
    if isinstance(raw, list):
        lists = [each for each in members if get_origin(_plain(each)) in (tuple, frozenset)]
        return lists[0] if len(lists) == 1 else None
    rest = [each for each in members if each is not msgspec.UnsetType]
    return rest[0] if len(rest) == 1 else None


def _plain(wanted: Any) -> Any:
    return get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted


def _is_object(wanted: Any) -> bool:
    cls = get_origin(_plain(wanted)) or _plain(wanted)
    if cls is collections.abc.Mapping:
        return True
    return isinstance(cls, type) and (issubclass(cls, msgspec.Struct) or dataclasses.is_dataclass(cls))


def _tag_fits(cls: Any, raw: dict[str, Any]) -> bool:
    config = getattr(cls, "__struct_config__", None)
    return config is not None and config.tag is not None and raw.get(config.tag_field) == config.tag


def _fields(wanted: Any, cls: type, raw: Any, path: str, found: list[FieldError]) -> None:
    if issubclass(cls, msgspec.Struct) and isinstance(raw, dict):
        _struct(wanted, cls, raw, path, found)
    elif dataclasses.is_dataclass(cls) and isinstance(raw, dict):
        hints = typing.get_type_hints(cls, include_extras=True)
        for field in dataclasses.fields(cls):
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            _field(field.name, hints[field.name], required, raw, path, found)
    elif issubclass(cls, tuple) and isinstance(raw, list):
        types = list(typing.get_type_hints(cls, include_extras=True).values())
        for index, (item, hint) in enumerate(zip(raw, types, strict=False)):
            _check(hint, item, f"{path}[{index}]", found)


def _struct(wanted: Any, cls: type[msgspec.Struct], raw: dict[str, Any], path: str, found: list[FieldError]) -> None:
    config = cls.__struct_config__
    if config.tag is not None and not _tag_fits(cls, raw):
        return  # of another kind: what its fields are is not the matter
    fields = msgspec.structs.fields(wanted)
    for field in fields:
        _field(field.encode_name, field.type, field.required, raw, path, found)
    if config.forbid_unknown_fields:
        known = {field.encode_name for field in fields} | ({config.tag_field} if config.tag is not None else set())
        for name in raw:
            if name not in known:
                found.append(FieldError(path=f"{path}.{name}", detail="unknown field"))


def _field(name: str, hint: Any, required: bool, raw: dict[str, Any], path: str, found: list[FieldError]) -> None:
    if name in raw:
        _check(hint, raw[name], f"{path}.{name}", found)
    elif required:
        found.append(FieldError(path=f"{path}.{name}", detail="missing"))
