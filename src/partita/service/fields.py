"""The fields of a service class: its architecture, read from its annotations."""

from __future__ import annotations

import dataclasses
import sys
import typing
from typing import Any

from partita.contract.contract import Contract
from partita.core.errors import Mistake, ServiceRefused

__all__ = ["contract_of", "dependencies_of", "fields_of"]


def fields_of(service: type) -> dict[str, Any]:
    """Each field's name and type. Raises ``ServiceRefused`` for an annotation that cannot be resolved."""
    names = {field.name for field in dataclasses.fields(service)}
    try:
        hints = typing.get_type_hints(service, localns=_frames_names(service))
    except NameError as error:
        where = f"{service.__module__}.{service.__qualname__}"
        fact = f"a field names {error.name!r}, which is not defined."
        remedy = "Import it where the service stands (not under TYPE_CHECKING)."
        raise ServiceRefused([Mistake(where, fact, remedy)]) from None
    return {name: hint for name, hint in hints.items() if name in names}


def _frames_names(service: type) -> dict[str, Any] | None:
    """Local names for a service made inside a function, as tests do."""
    if "<locals>" not in service.__qualname__:
        return None
    frame = sys._getframe(1)
    names: dict[str, Any] = {}
    while frame is not None:
        if frame.f_globals.get("__name__") == service.__module__:
            names = {**frame.f_locals, **names}
        if frame.f_back is None:
            break
        frame = frame.f_back
    return names


def contract_of(service: type) -> type | None:
    """The contract that a service class implements: the nearest protocol among its bases."""
    for base in service.__mro__:
        if base is not Contract and getattr(base, "_is_protocol", False) and Contract in base.__mro__:
            return base
    return None


def dependencies_of(service: type) -> dict[str, type]:
    """The fields that are other services' contracts."""
    return {
        name: hint
        for name, hint in fields_of(service).items()
        if isinstance(hint, type) and Contract in hint.__mro__ and hint is not Contract
    }
