"""The typed client: an object with a contract's methods, each of which makes a call over a channel."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TypeVar, cast

from partita.contract.contract import compiled
from partita.contract.operation import Operation
from partita.rpc.arguments import Arguments, bind, encode_arguments

__all__ = ["Channel", "client"]

C = TypeVar("C")


class Channel(Protocol):
    """Carries calls to one service, and their answers back as values."""

    async def call(self, operation: Operation, arguments: Arguments) -> Any:
        """Make one call. Raises the declared problems, built-in ones, and the subclasses of ``CallFailed``."""
        ...

    def stream(self, operation: Operation, arguments: Arguments) -> AsyncIterator[Any]:
        """Make one call whose answer is a stream."""
        ...


def client(contract: Callable[..., C], channel: Channel) -> C:
    """A client of ``contract``: an object that has its methods."""
    made = _client_class(cast(type, contract))()
    made._channel = channel
    return cast(C, made)


@functools.cache
def _client_class(contract: type) -> Any:
    found = compiled(contract)
    methods: dict[str, Any] = {"__doc__": f"A client of {found.name}.", "__init__": lambda self: None}
    for name, operation in found.operations.items():
        make = _stream if operation.kind == "stream" else _single
        methods[name] = make(operation)
    return type(f"{found.cls.__name__}Client", (found.cls,), methods)


def _single(operation: Operation) -> Callable[..., Any]:
    async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        arguments = encode_arguments(operation, bind(operation, args, kwargs))
        return await self._channel.call(operation, arguments)

    return _named(call, operation)


def _stream(operation: Operation) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        arguments = encode_arguments(operation, bind(operation, args, kwargs))
        return cast(AsyncIterator[Any], self._channel.stream(operation, arguments))

    return _named(call, operation)


def _named(call: Callable[..., Any], operation: Operation) -> Callable[..., Any]:
    call.__name__ = operation.name
    call.__qualname__ = operation.full_name
    call.__doc__ = operation.doc
    return call
