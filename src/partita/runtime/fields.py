"""Fills the fields of a service: what its annotations ask for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from partita.contract.contract import Contract, compiled
from partita.core.blocking import Blocking
from partita.core.call import Call
from partita.core.clock import Clock
from partita.core.errors import Mistake, ServiceRefused
from partita.core.ids import Ids
from partita.core.settings import Settings, read_settings
from partita.data.database import Database
from partita.ports.units import NoUnits
from partita.rpc.client import Channel, client
from partita.rpc.endpoint import Endpoint
from partita.rpc.local import LocalChannel
from partita.service.fields import fields_of

__all__ = ["Filled", "fill"]


class Filled:
    """The values of a service's fields, and those among them that the runtime has to look after."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.database: Database | None = None
        self.blocking: list[Blocking] = []


def fill(
    service: type,
    name: str,
    *,
    channels: Callable[[str], Channel],
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    clock: Clock,
    strict: bool = False,
) -> Filled:
    """Make a value for each field of ``service``.

    ``given`` holds values for some (fakes in tests); ``channels`` gives the channel to a service by its name. Raises
    ``ServiceRefused`` with every field that cannot be filled, and ``SettingsRefused``.
    """
    filled = Filled()
    mistakes: list[Mistake] = []
    hints = fields_of(service)
    defaults = {field.name for field in dataclasses.fields(service) if field.default is not dataclasses.MISSING}
    for unknown in sorted(set(given) - set(hints)):
        where = f"{service.__module__}.{service.__qualname__}"
        mistakes.append(Mistake(where, f"it has no field {unknown!r}.", "Mend the name."))
    for field, hint in hints.items():
        cls = hint if isinstance(hint, type) else object
        if field in given:
            value = given[field]
            if Contract in cls.__mro__ and not hasattr(value, "_channel"):
                value = client(cls, LocalChannel(_fake(cls, value, strict), caller=name))
        elif Contract in cls.__mro__:
            value = client(cls, channels(compiled(cls).name))
        elif issubclass(cls, Settings):
            value = read_settings(cls, name, environment)
        elif cls is Ids:
            value = Ids(clock)
        elif cls is Clock:
            value = clock
        elif issubclass(cls, (Call, Blocking, Database)):
            value = cls()
        elif field in defaults:
            continue
        else:
            where = f"{service.__module__}.{service.__qualname__}.{field}"
            fact = f"a field of the type {getattr(hint, '__name__', hint)} cannot be filled."
            remedy = "Fields are Database, Clock, Ids, Call, Blocking, a Settings class, or another service's contract."
            mistakes.append(Mistake(where, fact, remedy))
            continue
        filled.values[field] = value
        if isinstance(value, Database):
            filled.database = value
        elif isinstance(value, Blocking):
            filled.blocking.append(value)
    if mistakes:
        raise ServiceRefused(mistakes)
    return filled


def _fake(contract: type, fake: Any, strict: bool) -> Callable[[str], Endpoint | None]:
    """A fake behind the real path of a call: what it is given and gives back is encoded and validated."""
    found = compiled(contract)
    missing = [name for name in found.operations if not callable(getattr(fake, name, None))]
    if missing:
        where = type(fake).__name__
        fact = f"it has no {' and no '.join(missing)}, which {contract.__name__} declares."
        raise ServiceRefused([Mistake(where, fact, f"Derive it from {contract.__name__}, or add what is missing.")])
    endpoints = {
        operation.name: Endpoint(found.name, operation, getattr(fake, operation.name), NoUnits(), strict=strict)
        for operation in found.operations.values()
    }
    return endpoints.get
