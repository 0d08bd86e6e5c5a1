"""Where a client's server is: read from a URL."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Address", "parse_address"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """Host and port, or the ``path`` of a Unix socket. ``prefix`` goes before each request's target."""

    host: str
    port: int
    secure: bool = False
    prefix: str = ""
    path: str | None = None

    @property
    def host_header(self) -> str:
        """The value of ``Host`` (RFC 9110, section 7.2)."""
        if self.path is not None:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host.encode("idna").decode("ascii")
        default = _DEFAULT_PORTS["https" if self.secure else "http"]
        return host if self.port == default else f"{host}:{self.port}"

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"{'https' if self.secure else 'http'}://{self.host_header}{self.prefix}"


def parse_address(place: str | tuple[str, int]) -> Address:
    """Read ``http://host:port/prefix``, ``https://...``, ``unix:/path`` or a pair of host and port.

    Raises ``ValueError`` for anything else, with what would do.
    """
    if not isinstance(place, str):
        return Address(*place)
    if place.startswith("unix:/"):
        return Address("localhost", 80, path=place.removeprefix("unix:"))
    url = urlsplit(place)
    if url.scheme not in _DEFAULT_PORTS or not url.hostname:
        raise ValueError(f"{place!r} is no address of a server; write it as http://host:port or https://host")
    if url.query or url.fragment or url.username is not None:
        raise ValueError(f"{place!r} holds a user, query or fragment; the address of a server has none")
    port = url.port if url.port is not None else _DEFAULT_PORTS[url.scheme]
    return Address(url.hostname, port, url.scheme == "https", url.path.rstrip("/"))
