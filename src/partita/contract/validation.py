"""Every wrong field of a body at once. The decoder stops at the first; this walks on, and only when it stopped."""

from __future__ import annotations

import collections.abc
import dataclasses
import re
import typing
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from partita.contract.codec import decode_hook
from partita.contract.problems import FieldError
from partita.contract.types import plain

__all__ = ["ERRORS_MAX", "field_errors", "refused", "whole_numbers"]

ERRORS_MAX = 100
WHOLE_MAX = 2**53
NAME_CHARS_MAX = 100
DETAIL_CHARS_MAX = 300
_PLACE = re.compile(r" - at `(?:key(?:` in `)?)?\$?([^`]*)`$")


def whole_numbers(raw: Any) -> Any:
    """The same value with ``3.0`` as ``3``: for JSON and its schemas they are one number, for the decoder two types.

    Only floats within ±2**53, where each whole number has its own.
    """
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() and abs(raw) <= WHOLE_MAX else raw
    if isinstance(raw, list):
        return [whole_numbers(item) for item in raw]
    return {key: whole_numbers(value) for key, value in raw.items()} if isinstance(raw, dict) else raw


def field_errors(wanted: Any, raw: Any, where: str = "body", refusal: str = "") -> tuple[FieldError, ...]:
    """What is wrong with ``raw`` (as read from JSON, untyped) as a ``wanted``: at most 100 errors, each with its path.

    ``refusal`` is what the decoder said of the bytes. It stands in where the value itself shows no fault: of a key
    that comes twice, only the last is left in ``raw``, and the decoder may have refused the first. Without it the
    result is empty where nothing is wrong.
    """
    found: list[FieldError] = []
    _check(wanted, raw, where, found)
    if refusal and not found:
        found.append(refused(where, refusal))
    return tuple(found)


def _add(found: list[FieldError], path: str, detail: str) -> None:
    if len(found) < ERRORS_MAX:
        if len(detail) > DETAIL_CHARS_MAX:
            detail = f"{detail[:DETAIL_CHARS_MAX]}..."
        found.append(FieldError(path=path, detail=detail))


def _below(path: str, name: str) -> str:
    """The path of a field. Names that a sender made up are shortened."""
    return f"{path}.{name[:NAME_CHARS_MAX]}..." if len(name) > NAME_CHARS_MAX else f"{path}.{name}"


def refused(path: str, refusal: str) -> FieldError:
    """One refusal of the decoder's, in its own words, with the place that it names."""
    place = _PLACE.search(refusal)
    deeper = place.group(1).replace("[...]", "[]") if place is not None else ""
    one: list[FieldError] = []
    _add(one, path + deeper, _words(_PLACE.sub("", refusal)))
    return one[0]


def _words(refusal: str) -> str:
    """The decoder's message as a person would say it."""
    missing = re.fullmatch(r"Object missing required field `(.*)`", refusal)
    if missing is not None:
        return f"{missing.group(1)} is missing"
    text = refusal.replace("`", "")
    return text[:1].lower() + text[1:]


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
        found.append(refused(path, refusal))


def _descend(wanted: Any, raw: Any, path: str, found: list[FieldError]) -> None:
    """Look into a value that is wrong somewhere: its fields, its items, or the one type of a union that it can be."""
    wanted = plain(wanted)
    origin, args = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        chosen = _choose([arg for arg in args if arg is not type(None)], raw)
        if chosen is not None:
            _check(chosen, raw, path, found)
    elif origin in (tuple, frozenset):
        if isinstance(raw, list):
            _items(args, raw, path, found, fixed=origin is tuple and not (len(args) == 2 and args[1] is Ellipsis))
    elif origin is collections.abc.Mapping:
        if isinstance(raw, dict):
            _mapping(args, raw, path, found)
    elif isinstance(origin or wanted, type):
        _fields(wanted, origin or wanted, raw, path, found)


def _items(args: tuple[Any, ...], raw: list[Any], path: str, found: list[FieldError], *, fixed: bool) -> None:
    if fixed and len(args) != len(raw):
        return
    for index, item in enumerate(raw):
        if len(found) >= ERRORS_MAX:
            return
        _check(args[index] if fixed else args[0], item, f"{path}[{index}]", found)


def _mapping(args: tuple[Any, ...], raw: dict[str, Any], path: str, found: list[FieldError]) -> None:
    for key, value in raw.items():
        if len(found) >= ERRORS_MAX:
            return
        below = _below(path, key)
        try:
            msgspec.convert({key: None}, typing.Mapping[args[0], None], dec_hook=decode_hook, str_keys=True)  # type: ignore[valid-type]
        except (ValueError, TypeError) as error:
            _add(found, below, f"the key: {_words(_PLACE.sub('', str(error)))}")
        _check(args[1], value, below, found)


def _choose(members: list[Any], raw: Any) -> Any:
    """The one member of a union that a JSON value is meant to be; ``None`` where that cannot be told."""
    if isinstance(raw, dict):
        objects = [each for each in members if _is_object(each)]
        if len(objects) > 1:
            objects = [each for each in objects if _tag_fits(_class_of(each), raw)]
        return objects[0] if len(objects) == 1 else None
    if isinstance(raw, list):
        lists = [each for each in members if _is_array(each)]
        return lists[0] if len(lists) == 1 else None
    return None  # a plain value has no parts; what the decoder says names all that it could have been


def _class_of(wanted: Any) -> Any:
    wanted = plain(wanted)
    return get_origin(wanted) or wanted


def _is_object(wanted: Any) -> bool:
    cls = _class_of(wanted)
    if cls is collections.abc.Mapping:
        return True
    if not isinstance(cls, type):
        return False
    if issubclass(cls, msgspec.Struct):
        return not cls.__struct_config__.array_like
    return dataclasses.is_dataclass(cls)


def _is_array(wanted: Any) -> bool:
    cls = _class_of(wanted)
    if not isinstance(cls, type):
        return False
    return issubclass(cls, (tuple, frozenset)) or (issubclass(cls, msgspec.Struct) and cls.__struct_config__.array_like)


def _tag_fits(cls: Any, raw: dict[str, Any]) -> bool:
    config = getattr(cls, "__struct_config__", None)
    return config is not None and config.tag is not None and raw.get(config.tag_field) == config.tag


def _fields(wanted: Any, cls: type, raw: Any, path: str, found: list[FieldError]) -> None:
    if issubclass(cls, msgspec.Struct):
        if isinstance(raw, dict) and not cls.__struct_config__.array_like:
            _struct(wanted, cls, raw, path, found)
        elif isinstance(raw, list) and cls.__struct_config__.array_like and cls.__struct_config__.tag is None:
            fields = msgspec.structs.fields(wanted)
            _positions([(field.encode_name, field.type, field.required) for field in fields], raw, path, found)
    elif dataclasses.is_dataclass(cls):
        if isinstance(raw, dict):
            hints = typing.get_type_hints(cls, include_extras=True)
            for field in dataclasses.fields(cls):
                required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
                _field(field.name, hints[field.name], required, raw, path, found)
    elif issubclass(cls, tuple) and isinstance(raw, list):
        hints = typing.get_type_hints(cls, include_extras=True)
        defaults = getattr(cls, "_field_defaults", {})
        names = getattr(cls, "_fields", ())
        _positions([(name, hints.get(name, Any), name not in defaults) for name in names], raw, path, found)


def _positions(fields: list[tuple[str, Any, bool]], raw: list[Any], path: str, found: list[FieldError]) -> None:
    """Fields that stand one after the other in an array."""
    for index, (name, hint, required) in enumerate(fields):
        if index < len(raw):
            _check(hint, raw[index], f"{path}[{index}]", found)
        elif required:
            _add(found, f"{path}[{index}]", f"{name} is missing")


def _struct(wanted: Any, cls: type[msgspec.Struct], raw: dict[str, Any], path: str, found: list[FieldError]) -> None:
    config = cls.__struct_config__
    if config.tag is not None and not _tag_fits(cls, raw) and config.tag_field in raw:
        return  # of another kind: what its fields are is not the matter
    fields = msgspec.structs.fields(wanted)
    for field in fields:
        _field(field.encode_name, field.type, field.required, raw, path, found)
    if config.forbid_unknown_fields:
        known = {field.encode_name for field in fields} | ({config.tag_field} if config.tag is not None else set())
        for name in raw:
            if len(found) >= ERRORS_MAX:
                return
            if name not in known:
                _add(found, _below(path, name), "unknown field")


def _field(name: str, hint: Any, required: bool, raw: dict[str, Any], path: str, found: list[FieldError]) -> None:
    if name in raw:
        _check(hint, raw[name], f"{path}.{name}", found)
    elif required:
        _add(found, f"{path}.{name}", "missing")
