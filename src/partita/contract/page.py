"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from partita.contract.message import Message

__all__ = ["Page", "pages"]

T = TypeVar("T")
P = ParamSpec("P")


class Page(Message, Generic[T]):
    """Some items, and the cursor that the next page begins after (``None`` on the last page)."""

    items: tuple[T, ...]
    next: str | None = None


async def pages(
    operation: Callable[Concatenate[str | None, P], Awaitable[Page[T]]], *args: P.args, **kwargs: P.kwargs
) -> AsyncIterator[T]:
    """Every item of every page: calls ``operation(after, ...)``, whose first argument is the cursor, until the last.

    Raises ``ValueError`` if a page names itself as its next, which would never end.
    """
    after: str | None = None
    call: Callable[..., Awaitable[Page[Any]]] = operation
    while True:
        page = await call(after, *args, **kwargs)
        for item in page.items:
            yield item
        if page.next is None:
            return
        if page.next == after:
            raise ValueError(f"the page after {after!r} names itself as its next")
        after = page.next
