"""Listening sockets, and who holds a port that is taken."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from partita.core.errors import StartFailed

__all__ = ["BACKLOG", "free_port", "holder", "listen", "require_free"]

BACKLOG = 1024
"""Connections that wait for a service that is being started again; the kernel lowers it to net.core.somaxconn."""

_COMMAND_CHARACTERS_MAX = 80
_LISTENING = "0A"  # the state TCP_LISTEN in /proc/net/tcp


def listen(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """A listening TCP socket on ``host``, an IP address; port 0 takes a free one. It blocks until a loop takes it over.

    Raises ``StartFailed`` with who holds the port, where the operating system tells; ``option`` is what the sentence
    names as the way to choose another.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen(BACKLOG)
    except OSError as error:
        server.close()
        raise StartFailed(_sentence(error, host, port, option)) from None
    except OverflowError:
        server.close()
        raise StartFailed(f"Port {port} does not exist: ports go from 1 to 65535. Choose another: {option}") from None
    return server


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago, for a program that binds by itself."""
    with listen(host, 0) as server:
        return int(server.getsockname()[1])


def require_free(host: str, port: int, *, option: str = "--port") -> None:
    """Raise ``StartFailed``, as ``listen`` does, where a program that binds by itself would find ``port`` taken."""
    listen(host, port, option=option).close()


def _sentence(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        found = holder(port)
        by = f" by process {found[0]} ({found[1]}). Stop it or choose another" if found else ". Choose another"
        return f"Port {port} is taken{by}: {option}"
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used by this user, as ports below 1024 often may not. Choose another: {option}"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{host} is not an address of this machine, so port {port} cannot be opened on it. Use 127.0.0.1."
    return f"Port {port} on {host} cannot be opened: {error.strerror}. Choose another: {option}"


def holder(port: int) -> tuple[int, str] | None:
    """The process that listens on a TCP port: its id and its command line. None where nobody may or can tell."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listeners(Path("/proc/net") / table, port)}
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in sorted(path for path in Path("/proc").iterdir() if path.name.isdigit()):
        if _holds(process, wanted):
            return int(process.name), _command(process)
    return None


def _listeners(table: Path, port: int) -> list[str]:
    """The inodes of the listening sockets on ``port``, from /proc/net/tcp (proc(5))."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(os.readlink(entry) in sockets for entry in (process / "fd").iterdir())
    except OSError:
        return False  # it ended meanwhile, or belongs to somebody else


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "unknown"
    return words if len(words) <= _COMMAND_CHARACTERS_MAX else words[: _COMMAND_CHARACTERS_MAX - 1] + "…"
