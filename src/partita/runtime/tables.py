"""Where a service's tables and migrations stand."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import MetaData

from partita.core.errors import Mistake, ServiceRefused

__all__ = ["migrations_of", "tables_of"]


def tables_of(service: type) -> MetaData | None:
    """The service's tables: what its class names, or what its module and the module ``tables`` beside it define.

    Raises ``ServiceRefused`` where several sets of tables are found and the class does not say which is meant.
    """
    told = getattr(service, "tables", None)
    if told is not None:
        return told if isinstance(told, MetaData) else told.metadata
    found: dict[int, MetaData] = {}
    for module in _modules(service):
        for value in vars(module).values():
            metadata = _metadata_of(value)
            if metadata is not None and metadata.tables:
                found[id(metadata)] = metadata
    if len(found) > 1:
        where = f"{service.__module__}.{service.__qualname__}"
        fact = f"its module uses {len(found)} sets of tables (MetaData)."
        raise ServiceRefused([Mistake(where, fact, "Say which is its own: tables = Base.metadata.")])
    return next(iter(found.values()), None)


def _modules(service: type) -> list[ModuleType]:
    modules = [sys.modules[service.__module__]]
    package = service.__module__.rpartition(".")[0]
    if package and find_spec(f"{package}.tables") is not None:
        modules.append(import_module(f"{package}.tables"))
    return modules


def _metadata_of(value: Any) -> MetaData | None:
    if isinstance(value, MetaData):
        return value
    metadata = getattr(value, "metadata", None) if isinstance(value, type) or hasattr(value, "c") else None
    return metadata if isinstance(metadata, MetaData) else None


def migrations_of(service: type) -> Path:
    """The folder of the service's history, ``migrations`` beside its module; it need not exist."""
    file = sys.modules[service.__module__].__file__
    return (Path(file).parent if file is not None else Path.cwd()) / "migrations"
