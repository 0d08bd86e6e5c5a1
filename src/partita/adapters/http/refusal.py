"""What the server itself refuses, before or instead of the application."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

__all__ = ["Refusal", "refusal_bytes"]


class Refusal(Exception):
    """A request that is answered by the server. ``detail`` is for a person who reads the answer.

    ``code`` is the end of the problem's type, as in ``urn:partita:problem:malformed-request``.
    """

    def __init__(self, status: int, code: str, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that describe the answer, without its length."""
        headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
        if self.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % self.retry_after_s))
        return headers

    def body(self) -> bytes:
        """The answer's body: RFC 9457, section 3."""
        return msgspec.json.encode(
            {
                "type": f"urn:partita:problem:{self.code}",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "detail": self.detail,
            }
        )


def refusal_bytes(refusal: Refusal, date_line: bytes, *, head_only: bool) -> bytes:
    """The whole answer, after which the connection is closed. ``head_only`` for HEAD."""
    body = refusal.body()
    lines = [b"HTTP/1.1 %d %b\r\n" % (refusal.status, HTTPStatus(refusal.status).phrase.encode("ascii")), date_line]
    lines += [b"%b: %b\r\n" % header for header in refusal.headers()]
    lines.append(b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body))
    if not head_only:
        lines.append(body)
    return b"".join(lines)
