"""What ``partita dev`` was asked for."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec

__all__ = ["Options"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """``host`` is a numeric address."""

    target: str
    port: int
    host: str
    database_url: str | None = None

    @property
    def url(self) -> str:
        """Where a person finds the gateway."""
        address = ip_address(self.host)
        if address.is_loopback or address.is_unspecified:
            return f"http://localhost:{self.port}"
        return f"http://{f'[{address}]' if address.version == 6 else address}:{self.port}"
