"""What ``partita dev`` was asked for."""

from __future__ import annotations

import msgspec

__all__ = ["Options"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """``started`` is when the command began, in seconds of ``time.monotonic()``."""

    target: str
    port: int
    host: str
    database_url: str | None
    started: float

    @property
    def url(self) -> str:
        """Where a person finds the gateway."""
        host = "localhost" if self.host in ("127.0.0.1", "0.0.0.0", "::1", "::") else self.host
        return f"http://{host}:{self.port}"
