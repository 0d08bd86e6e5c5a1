"""Problems on the wire: ``application/problem+json`` (RFC 9457), with the problem's own fields as extension members."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import Any

import msgspec

from partita.contract.codec import decode_hook, encode_json
from partita.contract.problem import Problem

__all__ = ["PROBLEM_TYPE", "decode_problem", "encode_problem", "members_type"]

PROBLEM_TYPE = "urn:partita:problem:"


class _Head(msgspec.Struct):
    type: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode


def encode_problem(problem: Problem, *, may_have_executed: bool | None = None, instance: str = "") -> bytes:
    """The document of a problem. ``may_have_executed`` and ``instance`` (a URI) are written where they are given."""
    document: dict[str, Any] = {
        "type": PROBLEM_TYPE + problem.code,
        "title": problem.title,
        "status": problem.status,
    }
    if instance:
        document["instance"] = instance
    if may_have_executed is not None:
        document["may_have_executed"] = may_have_executed
    return encode_json({**document, **problem.members()})


def decode_problem(body: bytes, known: Mapping[str, type[Problem]]) -> Problem | None:
    """The problem of a document, as the class that ``known`` has for its code.

    ``None`` for a code that is not known, for members that do not fit the class, and for what is no such document.
    """
    try:
        cls = known.get(_decode_head(body).type.removeprefix(PROBLEM_TYPE))
        if cls is None:
            return None
        read = msgspec.json.decode(body, type=members_type(cls), dec_hook=decode_hook)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return cls(**{field: getattr(read, field) for field in read.__struct_fields__})


def members_type(cls: type) -> type[msgspec.Struct]:
    """A struct with the fields of a problem class: what validates them, and what documents describe them by."""
    return _members_type(cls)


@functools.cache
def _members_type(cls: type) -> type[msgspec.Struct]:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields: list[Any] = []
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            fields.append((field.name, hints[field.name], field.default))
        elif field.default_factory is not dataclasses.MISSING:
            fields.append((field.name, hints[field.name], msgspec.field(default_factory=field.default_factory)))
        else:
            fields.append((field.name, hints[field.name]))
    return msgspec.defstruct(cls.__name__, fields, module=cls.__module__, kw_only=True, frozen=True)
