"""Values that must not be seen: passwords, tokens, card numbers."""

from __future__ import annotations

import hmac

__all__ = ["Secret"]


class Secret:
    """A text that prints as ``Secret(***)``. ``reveal()`` is the one way to it, apart from the wire of a contract."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled or copied to another process; hand on what it is needed for")
