"""The import rule: a service imports another's ``api`` module and nothing else of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from partita.core.errors import Mistake
from partita.system.member import Member

__all__ = ["forbidden_imports"]


def forbidden_imports(members: dict[str, Member]) -> Iterator[Mistake]:
    """Each import in a service's folder that reaches into another service's folder past its contract's module."""
    packages = {name: member.cls.__module__.rpartition(".")[0] for name, member in members.items()}
    own = [package for package in packages.values() if package]
    for name, member in members.items():
        package = packages[name]
        if not package or own.count(package) > 1:
            continue  # one module or one folder for several services: there is no wall to keep
        contracts = {other.contract.cls.__module__ for other in members.values()}
        file = sys.modules[member.cls.__module__].__file__
        if file is None:
            continue
        for path in sorted(Path(file).parent.rglob("*.py")):
            yield from _in_file(path, package, set(packages.values()) - {package, ""}, contracts)


def _in_file(path: Path, package: str, others: set[str], contracts: set[str]) -> Iterator[Mistake]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [
                node.module if node.module not in others else f"{node.module}.{alias.name}" for alias in node.names
            ]
        else:
            continue
        for name in dict.fromkeys(names):
            if name not in contracts and any(name == other or name.startswith(f"{other}.") for other in others):
                relative = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
                fact = f"{package} imports {name}, which belongs to another service."
                yield Mistake(f"{relative}:{node.lineno}", fact, "Import its api module, and call it.")
