"""The caller's side of an answer: bytes to the contract's result, and event streams to items."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from partita.contract.operation import Operation
from partita.core.errors import BadResponse
from partita.rpc.answer import raise_failure

__all__ = ["decode_item", "decode_result", "read_events"]

EVENT_BYTES_MAX = 1 << 20


def decode_result(operation: Operation, status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The value of a whole answer. Raises what an answer outside of 2xx means, and ``BadResponse``."""
    if not 200 <= status <= 299:
        raise_failure(operation, status, headers, body)
    if operation.decode_result is None:
        return None
    try:
        return operation.decode_result(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadResponse(
            f"{operation.full_name} answered {status} with a body that does not fit its contract: {error}",
            service=operation.contract,
            operation=operation.name,
            may_have_executed=not operation.safe,
        ) from None


async def read_events(operation: Operation, chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """The items of an event stream (the ``text/event-stream`` format of the HTML standard, section 9.2).

    An event named ``problem`` is raised. Raises ``BadResponse`` for an event over 1 MiB or an item that does not fit.
    """
    event, data = "message", bytearray()
    async for line in _lines(operation, chunks):
        if not line:
            if data and event == "problem":
                _raise_problem(operation, bytes(data))
            if data and event == "message":
                yield decode_item(operation, bytes(data))
            event, data = "message", bytearray()
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            if data:
                data += b"\n"
            data += value
        elif name == b"event":
            event = value.decode("utf-8", "replace")


def decode_item(operation: Operation, item: bytes) -> Any:
    """One item of a stream. Raises ``BadResponse``."""
    assert operation.decode_result is not None
    try:
        return operation.decode_result(item)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad(operation, f"an item that does not fit its contract: {error}") from None


async def _lines(operation: Operation, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        *lines, rest = buffer.split(b"\n")
        if len(rest) > EVENT_BYTES_MAX:
            raise _bad(operation, f"an event of more than {EVENT_BYTES_MAX} bytes")
        buffer = bytearray(rest)
        for line in lines:
            yield bytes(line.removesuffix(b"\r"))


def _raise_problem(operation: Operation, body: bytes) -> None:
    try:
        status = int(msgspec.json.decode(body).get("status", 500))
    except (msgspec.DecodeError, AttributeError, TypeError, ValueError):
        raise _bad(operation, "a problem that cannot be read") from None
    raise_failure(operation, status, {"content-type": "application/problem+json"}, body)


def _bad(operation: Operation, what: str) -> BadResponse:
    text = f"{operation.full_name} sent {what}"
    return BadResponse(text, service=operation.contract, operation=operation.name, may_have_executed=False)
