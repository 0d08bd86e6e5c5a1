"""The problems that Partita itself answers with, the same for every service."""

from __future__ import annotations

from partita.contract.message import Message
from partita.contract.problem import Problem

__all__ = [
    "BUILT_IN",
    "BodyTooLarge",
    "Busy",
    "FieldError",
    "Forbidden",
    "Internal",
    "Invalid",
    "Malformed",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "Unauthenticated",
    "UnsupportedMediaType",
]


class FieldError(Message):
    """What is wrong with one field. ``path`` begins with its place: ``body.lines[0].quantity``, ``query.limit``."""

    path: str
    detail: str


class Malformed(Problem, status=400):
    """The request cannot be read."""

    reason: str = ""


class Unauthenticated(Problem, status=401):
    """This needs a valid token."""

    reason: str = ""


class Forbidden(Problem, status=403):
    """This caller may not do this."""

    reason: str = ""


class NotFound(Problem, status=404):
    """There is nothing here."""

    what: str = ""


class MethodNotAllowed(Problem, status=405):
    """This resource does not know the method."""

    allowed: tuple[str, ...] = ()


class NotAcceptable(Problem, status=406):
    """None of the accepted media types can be produced."""

    available: tuple[str, ...] = ()


class BodyTooLarge(Problem, status=413):
    """The body is larger than this operation allows."""

    bytes_max: int = 0


class UnsupportedMediaType(Problem, status=415):
    """The body's media type is not supported."""

    supported: tuple[str, ...] = ()


class Invalid(Problem, status=422):
    """The request has invalid fields."""

    errors: tuple[FieldError, ...] = ()


class Internal(Problem, status=500):
    """The service failed."""


class Busy(Problem, status=503):
    """The service is busy or stopping; try again later."""

    reason: str = ""


BUILT_IN: dict[str, type[Problem]] = {
    problem.code: problem
    for problem in (
        Malformed, Unauthenticated, Forbidden, NotFound, MethodNotAllowed, NotAcceptable,
        BodyTooLarge, UnsupportedMediaType, Invalid, Busy,
    )
}  # fmt: skip
"""By code: what every client raises again as the same class. ``Internal`` is none of them; that is a ``CallFailed``."""
