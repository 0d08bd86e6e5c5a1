"""Bytes and texts to values and back: JSON for bodies, plain texts for paths, queries, headers and cookies."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from partita.core.secret import Secret

__all__ = [
    "JSON_NESTING_MAX",
    "decode_hook",
    "encode_hook",
    "encode_json",
    "encode_text",
    "json_decoder",
    "json_type",
    "nesting_too_deep",
    "text_decoder",
    "without_none",
]

JSON_NESTING_MAX = 64
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def encode_hook(value: Any) -> Any:
    """What msgspec does not know by itself: a ``Secret`` is revealed on the wire of a contract."""
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def decode_hook(wanted: type, value: Any) -> Any:
    """The way back. Raises ``ValueError`` with a text for the sender."""
    if wanted is Secret:
        if not isinstance(value, str):
            raise ValueError(f"Expected `str`, got `{json_type(value)}`")
        return Secret(value)
    raise TypeError(f"{wanted.__name__} has no JSON form")


def json_type(value: Any) -> str:
    """A JSON value's type, in msgspec's words."""
    if value is None:
        return "null"
    return {bool: "bool", dict: "object", list: "array"}.get(type(value), type(value).__name__)


_encoder = msgspec.json.Encoder(enc_hook=encode_hook)
encode_json: Callable[[Any], bytes] = _encoder.encode


def json_decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    """A decoder that validates. Raises ``msgspec.ValidationError``, or ``msgspec.DecodeError`` for what is no JSON."""
    return msgspec.json.Decoder(wanted, dec_hook=decode_hook)


def nesting_too_deep(body: bytes, depth_max: int = JSON_NESTING_MAX) -> bool:
    """Whether a JSON text opens more than ``depth_max`` brackets within each other, outside of strings."""
    if body.count(b"[") + body.count(b"{") <= depth_max:
        return False
    brackets = _STRING.sub(b"", body).translate(None, delete=_NO_BRACKETS)
    depth = 0
    for byte in brackets:
        depth += 1 if byte in b"[{" else -1
        if depth > depth_max:
            return True
    return False


def without_none(wanted: Any) -> Any:
    """The type without ``None``: a text that is there is never ``None``."""
    if get_origin(wanted) is Annotated:
        inner, *notes = get_args(wanted)
        return Annotated[(without_none(inner), *notes)]
    if get_origin(wanted) in (Union, UnionType):
        rest = tuple(arg for arg in get_args(wanted) if arg is not type(None))
        return Union[rest]  # noqa: UP007 - of a tuple that is known only now
    return wanted


def text_decoder(wanted: Any) -> Callable[[str], Any]:
    """Reads one text as ``wanted``. Raises ``msgspec.ValidationError``."""
    wanted = without_none(wanted)
    if wanted is str:
        return str

    def decode(text: str) -> Any:
        value = msgspec.convert(text, wanted, strict=False, dec_hook=decode_hook)
        if isinstance(value, float) and not math.isfinite(value):
            raise msgspec.ValidationError("Expected a finite `float`")
        if isinstance(value, Decimal) and not value.is_finite():
            raise msgspec.ValidationError("Expected a finite `decimal`")
        return value

    return decode


def encode_text(value: Any) -> str:
    """One value as a text, for a path, a query, a header or a cookie."""
    if isinstance(value, str):
        return str(value.value) if hasattr(value, "value") else value
    if isinstance(value, Secret):
        return value.reveal()
    plain = msgspec.to_builtins(value, enc_hook=encode_hook)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return str(plain)
