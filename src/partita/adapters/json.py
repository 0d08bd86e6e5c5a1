"""JSON columns, by msgspec: several times faster than the standard library, and it knows UUIDs, dates and messages."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["json_dumps", "json_loads"]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def json_dumps(value: Any) -> str:
    """As text."""
    return _encoder.encode(value).decode()


def json_loads(text: str | bytes) -> Any:
    """From text."""
    return _decoder.decode(text)
