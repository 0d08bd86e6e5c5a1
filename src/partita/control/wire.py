"""What the supervisor and the zygote say to each other: JSON messages with a length before them, over a socket pair.

File descriptors travel with the first byte of the message that they belong to (SCM_RIGHTS).
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgspec

__all__ = [
    "FDS_MAX",
    "LENGTH",
    "MESSAGE_BYTES_MAX",
    "Exited",
    "Fork",
    "ForkFailed",
    "Forked",
    "FromZygote",
    "Release",
    "ToZygote",
    "Up",
    "Ward",
    "decode_from_zygote",
    "frame",
    "receive",
    "send",
]

LENGTH = struct.Struct("!I")
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
FDS_MAX = 8


class Fork(msgspec.Struct, tag="fork", kw_only=True):
    """Start ``entry`` ("module:function") in a forked child. ``fds`` names the descriptors that come along, in order.

    ``path`` goes to the front of the child's ``sys.path``; ``environment`` is the whole of the child's environment.
    """

    id: int
    name: str
    entry: str
    argument: dict[str, Any]
    environment: dict[str, str]
    cwd: str | None
    path: list[str]
    fds: list[str]


class Ward(msgspec.Struct, tag="ward"):
    """A process group that the supervisor started itself: the zygote ends it, should the supervisor be gone."""

    group: int


class Release(msgspec.Struct, tag="release"):
    """The process group has ended."""

    group: int


class Up(msgspec.Struct, tag="up"):
    """The zygote has imported what it should and waits for requests. ``seconds`` is what the imports took."""

    pid: int
    seconds: float
    threads: int


class Forked(msgspec.Struct, tag="forked"):
    """The child of request ``id`` runs as ``pid``."""

    id: int
    pid: int


class ForkFailed(msgspec.Struct, tag="fork-failed"):
    """The operating system refused to fork."""

    id: int
    text: str


class Exited(msgspec.Struct, tag="exited"):
    """The child of request ``id`` ended. ``code`` is negative where a signal ended it, as in ``subprocess``."""

    id: int
    code: int


ToZygote = Fork | Ward | Release
FromZygote = Up | Forked | ForkFailed | Exited

_encoder = msgspec.json.Encoder()
_to_zygote: msgspec.json.Decoder[ToZygote] = msgspec.json.Decoder(ToZygote)
_from_zygote: msgspec.json.Decoder[FromZygote] = msgspec.json.Decoder(FromZygote)


def frame(message: ToZygote | FromZygote) -> bytes:
    """The bytes of a message: four for its length, then its JSON. Raises ``ValueError`` above the bound."""
    body = _encoder.encode(message)
    if len(body) > MESSAGE_BYTES_MAX:
        raise ValueError(f"the message has {len(body)} bytes; at most {MESSAGE_BYTES_MAX} are sent to the zygote")
    return LENGTH.pack(len(body)) + body


def decode_from_zygote(body: bytes) -> FromZygote:
    """A message of the zygote, from its JSON."""
    return _from_zygote.decode(body)


def send(control: socket.socket, message: FromZygote) -> None:
    """Send from the zygote, whose socket blocks."""
    control.sendall(frame(message))


def receive(control: socket.socket) -> tuple[ToZygote, list[int]] | None:
    """Wait for one message on the zygote's side, with its descriptors. None when the supervisor is gone."""
    head, fds, _, _ = socket.recv_fds(control, LENGTH.size, FDS_MAX)
    head += _exactly(control, LENGTH.size - len(head)) if head else b""
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = _exactly(control, length)
    if len(body) < length:
        return None
    return _to_zygote.decode(body), fds


def _exactly(control: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = control.recv(count - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)
