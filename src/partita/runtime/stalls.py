"""Reports of a stalled event loop, while a process serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["watching_stalls"]


@contextmanager
def watching_stalls() -> Iterator[None]:
    """Watch the running loop."""
    yield
