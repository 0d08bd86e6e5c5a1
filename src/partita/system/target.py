"""Finds a system by what a person types: ``module:attr``, or a file."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path

from partita.core.errors import StartFailed
from partita.system.model import System

__all__ = ["DEFAULT_TARGET", "load_system"]

DEFAULT_TARGET = "system.py"


def load_system(target: str = DEFAULT_TARGET) -> System:
    """The system at ``module[:attr]`` or ``path/to/file.py[:attr]``; ``attr`` is ``system`` unless told.

    The current directory is put on the import path. Raises ``StartFailed`` where there is none, and whatever the
    module raises when it is imported.
    """
    place, _, attr = target.partition(":")
    attr = attr or "system"
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    name = _module_name(place, target)
    module = importlib.import_module(name)
    found = getattr(module, attr, None)
    if isinstance(found, System):
        return found
    others = [key for key, value in vars(module).items() if isinstance(value, System)]
    if found is not None:
        raise StartFailed(f"{target}: {attr} is a {type(found).__name__}, not a System.")
    hint = (
        f" It has {', '.join(others)}: write {place}:{others[0]}."
        if others
        else ' Add: system = System("...", services=[...]).'
    )
    raise StartFailed(f"{target}: the module has no {attr}.{hint}")


def _module_name(place: str, target: str) -> str:
    if place.endswith(".py") or "/" in place:
        path = Path(place)
        if path.is_dir():
            path = path / "system.py"
        if not path.is_file():
            raise StartFailed(
                f"There is no file {place} here. Name a system: partita dev module:attr, or path/to/system.py."
            )
        absolute = path.resolve()
        if absolute.is_relative_to(Path.cwd()):
            parts = absolute.relative_to(Path.cwd()).with_suffix("").parts
            if all(part.isidentifier() for part in parts):
                return ".".join(parts)
        sys.path.insert(0, str(absolute.parent))
        return absolute.stem
    try:
        spec = find_spec(place)
    except (ModuleNotFoundError, ValueError):
        spec = None
    if spec is None:
        raise StartFailed(
            f"{target}: no module {place} is found from here. "
            "Name a system: partita dev module:attr, or path/to/system.py."
        )
    return place
