"""From a request's path to an endpoint: a tree of segments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from partita.contract.operation import Operation, Parameter
from partita.contract.problems import Malformed

__all__ = ["Found", "Router"]

T = TypeVar("T")


class _Node(Generic[T]):
    __slots__ = ("literals", "methods", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.methods: dict[str, tuple[Operation, T]] = {}


class Found(Generic[T]):
    """The methods that a path knows, and the texts that stand in the places of its parameters."""

    __slots__ = ("methods", "texts")

    def __init__(self, methods: dict[str, tuple[Operation, T]], texts: list[str]) -> None:
        self.methods = methods
        self.texts = texts

    def arguments(self, operation: Operation) -> dict[str, str]:
        """The texts by the parameter's name."""
        parameters = [part for part in operation.segments if isinstance(part, Parameter)]
        return {parameter.alias: text for parameter, text in zip(parameters, self.texts, strict=True)}

    def allowed(self) -> tuple[str, ...]:
        """What the ``Allow`` header says."""
        known = set(self.methods) | {"OPTIONS"} | ({"HEAD"} if "GET" in self.methods else set())
        return tuple(sorted(known))


class Router(Generic[T]):
    """Finds by path; a plain segment goes before a parameter, as ``/products/search`` before ``/products/{sku}``."""

    def __init__(self, routes: Iterable[tuple[Operation, T]]) -> None:
        self._root: _Node[T] = _Node()
        self._plain: dict[str, Found[T]] = {}
        for operation, target in routes:
            node = self._root
            for part in operation.segments:
                if isinstance(part, Parameter):
                    if node.parameter is None:
                        node.parameter = _Node()
                    node = node.parameter
                else:
                    node = node.literals.setdefault(part, _Node())
            node.methods[operation.method] = (operation, target)
            if not any(isinstance(part, Parameter) for part in operation.segments):
                self._plain[operation.path] = Found(node.methods, [])

    def find(self, raw_path: str) -> Found[T] | None:
        """The methods of a path, percent-encoded as it came. Raises ``Malformed`` where it is not UTF-8."""
        plain = self._plain.get(raw_path)
        if plain is not None:
            return plain
        if not raw_path.startswith("/"):
            return None
        segments = [_decode(part) for part in raw_path[1:].split("/")]
        if any(part in ("", ".", "..") for part in segments):
            return None
        return self._walk(self._root, segments, 0, [])

    def _walk(self, node: _Node[T], segments: list[str], index: int, texts: list[str]) -> Found[T] | None:
        if index == len(segments):
            return Found(node.methods, texts) if node.methods else None
        below = node.literals.get(segments[index])
        if below is not None:
            found = self._walk(below, segments, index + 1, texts)
            if found is not None:
                return found
        if node.parameter is not None:
            return self._walk(node.parameter, segments, index + 1, [*texts, segments[index]])
        return None


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(reason="the path is not UTF-8") from None
