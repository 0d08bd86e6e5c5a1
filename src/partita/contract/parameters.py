"""The HTTP vocabulary of a signature: headers, cookies, exact bytes, uploads, downloads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from partita.contract.message import Message

__all__ = ["Cookie", "Download", "Header", "Raw", "Upload"]


class Header:
    """``Annotated[str, Header("If-Match")]``: the argument travels as this header."""

    def __init__(self, name: str) -> None:
        self.name = name


class Cookie(Header):
    """``Annotated[str | None, Cookie("guest")]``: the argument travels as this cookie."""


class Raw(Message):
    """The exact bytes of a body, for a signature over them, within the operation's ``body_max``."""

    body: bytes
    content_type: str = ""


class Upload(Protocol):
    """A body of any media type, read piece by piece, up to the operation's ``body_max``."""

    @property
    def content_type(self) -> str:
        """The media type that the sender names; empty where it names none."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes, where the sender tells."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body. Raises ``BodyTooLarge`` past the bound."""
        ...


class Download:
    """A response body of any media type, sent piece by piece.

    ``filename`` makes browsers save it under that name; ``size`` in bytes, where it is known; ``headers`` are added.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        *,
        content_type: str = "application/octet-stream",
        filename: str = "",
        size: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.chunks = chunks
        self.content_type = content_type
        self.filename = filename
        self.size = size
        self.headers = headers if headers is not None else {}

    async def read(self) -> bytes:
        """The whole body in memory."""
        return b"".join([chunk async for chunk in self.chunks])
