"""Identity and chance, injected: a service never makes its own."""

from __future__ import annotations

import os
import secrets
from uuid import UUID

from partita.core.clock import Clock

__all__ = ["Ids"]


class Ids:
    """Makes identifiers and secret tokens."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock if clock is not None else Clock()

    def uuid(self) -> UUID:
        """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 of chance; sorts by time."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(self._chance(10), "big")
        value = value & ~(0xF << 76) | 0x7 << 76
        return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)

    def token(self, size_bytes: int = 32) -> str:
        """A secret in URL-safe characters, with ``size_bytes`` bytes of chance in it."""
        return secrets.token_urlsafe(size_bytes)

    def _chance(self, size_bytes: int) -> bytes:
        return os.urandom(size_bytes)
