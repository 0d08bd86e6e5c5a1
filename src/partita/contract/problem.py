"""Problems: typed failures that are part of a contract. On the wire: RFC 9457, ``application/problem+json``."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, ClassVar, dataclass_transform

from partita.core.errors import PartitaError

__all__ = ["Problem", "kebab"]

# What RFC 9457 and this project write themselves; a field of the same name would hide it.
RESERVED = frozenset({"type", "title", "status", "detail", "instance", "may_have_executed"})


def kebab(name: str) -> str:
    """``OutOfStock`` as ``out-of-stock``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


@dataclass_transform(kw_only_default=True, eq_default=False)
class Problem(PartitaError):
    """A typed failure: raised by a handler, raised again as the same class at the caller.

    ``class Declined(Problem, status=402, commits=True): reason: str``. ``status`` is the HTTP status (400 to 599),
    ``commits`` keeps what the handler wrote before it, and ``code`` is its name on the wire (the class's name in
    kebab case unless told). The docstring's first line becomes the title.
    """

    status: ClassVar[int] = 500
    commits: ClassVar[bool] = False
    title: ClassVar[str] = "Problem"
    code: ClassVar[str] = "problem"

    def __init_subclass__(
        cls, *, status: int | None = None, commits: bool | None = None, code: str = "", **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        if status is not None:
            cls.status = status
        if commits is not None:
            cls.commits = commits
        cls.code = code or kebab(cls.__name__)
        cls.title = ((cls.__doc__ or "").strip() or cls.__name__).splitlines()[0].rstrip(".")
        dataclass(kw_only=True, eq=False, repr=False)(cls)

    def members(self) -> dict[str, Any]:
        """The problem's own fields, by name."""
        if type(self) is Problem:
            return {}
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __str__(self) -> str:
        members = ", ".join(f"{name}={value!r}" for name, value in self.members().items())
        return f"{self.title} ({members})" if members else self.title

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.members().items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.members())


def _restore(cls: type[Problem], members: dict[str, Any]) -> Problem:
    return cls(**members)
