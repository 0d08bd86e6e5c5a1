"""A running Envoy, watched through its admin interface on a unix socket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from partita.core.clock import Clock
from partita.core.errors import StartFailed
from partita.gateway.files import Version
from partita.gateway.listener import LISTENER, STATS
from partita.gateway.routes import Endpoint

__all__ = ["Admin"]

T = TypeVar("T")

POLL_S = 0.02
ANSWER_TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 32 * 1024 * 1024


class Admin:
    """Asks Envoy how it is. ``socket`` is ``GatewayFiles.admin``."""

    def __init__(self, socket: Path, clock: Clock | None = None) -> None:
        self._socket = socket
        self._clock = clock if clock is not None else Clock()
        self._refused: dict[str, int] = {}

    async def ready(self, *, timeout_s: float = 10.0) -> tuple[Endpoint, ...]:
        """Wait until requests are taken; where, is returned. Raises ``StartFailed`` with the reason."""
        state = "it does not answer"

        async def listening() -> tuple[Endpoint, ...]:
            nonlocal state
            state = (await self.get("/ready")).strip().decode()
            found = await self.endpoints() if state == "LIVE" else ()
            if not found:
                await self._raise_refusal()
            return found

        found = await self._until(listening, timeout_s)
        if not found:
            raise StartFailed(f"The gateway did not start within {timeout_s:g} s ({state}); its log has the reason.")
        return found

    async def endpoints(self) -> tuple[Endpoint, ...]:
        """The addresses on which it takes requests."""
        answer = msgspec.json.decode(await self.get("/listeners?format=json"))
        return tuple(
            Endpoint(address["socket_address"]["address"], address["socket_address"]["port_value"])
            for status in answer.get("listener_statuses", ())
            if status["name"] == LISTENER
            for address in (status["local_address"], *status.get("additional_local_addresses", ()))
        )

    async def acknowledged(self, versions: Iterable[Version], *, timeout_s: float = 10.0) -> None:
        """Wait until these versions are in force. Raises ``StartFailed`` where Envoy refuses one, or takes too long.

        No new request then goes to a replica that was taken out. Those on their way still reach it, some on
        connections that are just being opened, so it goes on listening until Envoy has closed its connections.
        """
        wanted = {version.stat: version.text for version in versions}
        pattern = "|".join(re.escape(stat) for stat in wanted)
        missing = sorted(wanted)

        async def in_force() -> bool:
            found = await self._stats(rf"^({pattern})\.(version_text|update_rejected|update_failure)$")
            missing[:] = [stat for stat in sorted(wanted) if found.get(f"{stat}.version_text") != wanted[stat]]
            refused = [stat for stat in missing if self._has_refused(stat, found)]
            if refused:
                await self._raise_refusal()
                raise StartFailed(
                    f"The gateway refuses its configuration ({', '.join(refused)}); its log has the reason."
                )
            return not missing

        if wanted and not await self._until(in_force, timeout_s):
            names = ", ".join(missing)
            raise StartFailed(f"The gateway did not take the new configuration within {timeout_s:g} s: {names}.")

    def _has_refused(self, stat: str, found: dict[str, Any]) -> bool:
        """Whether Envoy refused more of the files under ``stat`` than was known."""
        count = sum(found.get(f"{stat}.{name}", 0) for name in ("update_rejected", "update_failure"))
        known = self._refused.get(stat, 0)
        self._refused[stat] = count
        return bool(count > known)

    async def drain(self, *, timeout_s: float = 5.0) -> bool:
        """Take no new connection, and close the others as their requests end; whether all ended in time.

        Raises ``OSError`` and ``TimeoutError`` where nobody answers.
        """
        # The first announces the end on connections that are open, the second takes no more of them.
        await self.get("/drain_listeners?graceful&skip_exit", method="POST")
        await self.get("/drain_listeners", method="POST")

        async def idle() -> bool:
            name = f"http.{STATS}.downstream_rq_active"
            found = await self.stats(f"^{re.escape(name)}$")
            return found.get(name, 0) == 0

        return bool(await self._until(idle, timeout_s))

    async def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names fit ``pattern``, a regular expression."""
        found = await self._stats(pattern)
        return {name: value for name, value in found.items() if isinstance(value, int)}

    async def version(self) -> str:
        """Envoy's own version, as in ``1.40.0``."""
        text = str(msgspec.json.decode(await self.get("/server_info"))["version"])
        parts = text.split("/")
        return parts[1] if len(parts) > 1 else text

    async def get(self, target: str, *, method: str = "GET") -> bytes:
        """The body of an answer of at most 32 MiB, whatever its status. Raises ``OSError`` and ``TimeoutError``."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(str(self._socket), limit=ANSWER_BYTES_MAX)
            try:
                head = f"{method} {target} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                writer.write(head.encode("ascii"))
                return await _body(reader)
            finally:
                writer.close()

    async def _stats(self, pattern: str) -> dict[str, Any]:
        quoted = "".join(char if char.isalnum() or char in "._-" else f"%{ord(char):02X}" for char in pattern)
        answer = msgspec.json.decode(await self.get(f"/stats?format=json&filter={quoted}"))
        return {entry["name"]: entry["value"] for entry in answer["stats"] if "value" in entry}

    async def _raise_refusal(self) -> None:
        """Raise what Envoy says of a configuration that it did not take."""
        dump = await self.get("/config_dump")
        for reason in _reasons(msgspec.json.decode(dump)):
            if "Address already in use" in reason:
                found = re.search(r"'?(\S+:\d+)'?", reason)
                where = found.group(1).strip("'") if found else "its address"
                raise StartFailed(f"The gateway cannot listen on {where}: the port is taken. Choose another.")
            raise StartFailed(f"The gateway refuses its configuration: {reason}")

    async def _until(self, condition: Callable[[], Awaitable[T]], timeout_s: float) -> T | None:
        """Await ``condition`` until it returns something true, while Envoy may still be starting."""
        deadline = self._clock.monotonic() + timeout_s
        while True:
            found: T | None = None
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, msgspec.DecodeError):
                found = await condition()
            if found or self._clock.monotonic() >= deadline:
                return found
            await self._clock.sleep(POLL_S)


async def _body(reader: asyncio.StreamReader) -> bytes:
    """What stands after the head, which is chunked or ends with the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" not in head:
        return await reader.read()
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    return b"".join(parts)


def _reasons(dump: Any) -> Iterable[str]:
    """The texts of every ``error_state`` in a dump, wherever it stands."""
    if isinstance(dump, dict):
        state = dump.get("error_state")
        if isinstance(state, dict) and state.get("details"):
            yield str(state["details"])
        for value in dump.values():
            yield from _reasons(value)
    elif isinstance(dump, list):
        for value in dump:
            yield from _reasons(value)
