"""Operations: what a verb declares on a method, and what the compiler makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import quote

from partita.contract.access import INTERNAL, Access
from partita.contract.codec import encode_text, without_none
from partita.contract.problem import Problem

__all__ = ["Declared", "Operation", "Parameter", "Verb", "delete", "get", "patch", "post", "put"]

F = TypeVar("F", bound=Callable[..., Any])

Place = Literal["path", "query", "header", "cookie", "body", "raw", "upload"]
Kind = Literal["value", "nothing", "stream", "download"]

BODY_BYTES_MAX = 1 << 20
TIMEOUT_S = 1.0
DECLARED = "__partita_operation__"


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The arguments of a verb, as they stand on the method."""

    method: str
    path: str
    access: Access
    raises: Sequence[type[Problem]]
    timeout: float
    status: int | None
    body_max: int
    idempotency: str


class Verb(Protocol):
    """A decorator for the methods of a contract.

    ``path`` starts with a slash, and its ``{names}`` are arguments of the method. ``access`` says who may call;
    ``raises`` lists the problems it may answer with; ``timeout`` is in seconds; ``status`` is that of success (200, or
    204 for ``-> None``); ``body_max`` is in bytes; ``idempotency`` says whether callers from outside may, must or need
    not send an ``Idempotency-Key``.
    """

    def __call__(
        self,
        path: str,
        *,
        access: Access = INTERNAL,
        raises: Sequence[type[Problem]] = (),
        timeout: float = TIMEOUT_S,
        status: int | None = None,
        body_max: int = BODY_BYTES_MAX,
        idempotency: Literal["optional", "required", "none"] = "optional",
    ) -> Callable[[F], F]: ...


def _verb(method: str) -> Verb:
    def verb(
        path: str,
        *,
        access: Access = INTERNAL,
        raises: Sequence[type[Problem]] = (),
        timeout: float = TIMEOUT_S,
        status: int | None = None,
        body_max: int = BODY_BYTES_MAX,
        idempotency: Literal["optional", "required", "none"] = "optional",
    ) -> Callable[[F], F]:
        declared = Declared(
            method=method,
            path=path,
            access=access,
            raises=raises,
            timeout=timeout,
            status=status,
            body_max=body_max,
            idempotency=idempotency,
        )

        def mark(function: F) -> F:
            setattr(function, DECLARED, declared)
            return function

        return mark

    verb.__name__ = verb.__qualname__ = method.lower()
    verb.__doc__ = f"{method} on ``path``. {Verb.__doc__}"
    return verb


get = _verb("GET")
post = _verb("POST")
put = _verb("PUT")
patch = _verb("PATCH")
delete = _verb("DELETE")


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameter:
    """One argument of an operation: its name in Python, its name on the wire, where it travels, and how.

    ``many`` marks a query parameter that may be repeated, whose values make a tuple. ``decode`` reads one text.
    """

    name: str
    alias: str
    place: Place
    type: Any
    required: bool
    default: Any = None
    many: bool = False
    doc: str = ""
    decode: Callable[[str], Any] = str

    @property
    def text_type(self) -> Any:
        """Its type where it is given: without ``None``, which no text stands for."""
        return without_none(self.type)

    def encode(self, value: Any) -> str:
        """One value as a text."""
        return encode_text(value)


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation:
    """One method of a contract, compiled. ``segments`` are the path's, a parameter's as its ``Parameter``."""

    contract: str
    name: str
    method: str
    path: str
    segments: tuple[str | Parameter, ...]
    parameters: tuple[Parameter, ...]
    body: Parameter | None
    result: Any
    kind: Kind
    status: int
    access: Access
    raises: dict[str, type[Problem]]
    timeout_s: float
    body_bytes_max: int
    idempotency: str
    doc: str
    place: str
    positional: tuple[str, ...]
    decode_body: Callable[[bytes], Any] | None = None
    decode_result: Callable[[bytes], Any] | None = None
    by_place: dict[str, tuple[Parameter, ...]] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Contract and method, as in ``orders.place``."""
        return f"{self.contract}.{self.name}"

    @property
    def safe(self) -> bool:
        """Whether it only reads (RFC 9110, section 9.2.1)."""
        return self.method == "GET"

    def format_path(self, texts: dict[str, str]) -> str:
        """The path with its parameters filled in, percent-encoded."""
        return (
            "".join(
                f"/{segment}" if isinstance(segment, str) else f"/{quote(texts[segment.name], safe='')}"
                for segment in self.segments
            )
            or "/"
        )
