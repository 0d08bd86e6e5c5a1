"""Reports of a stalled event loop, while a process serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from partita.core.stall import StallWatch

__all__ = ["watching_stalls"]


@contextmanager
def watching_stalls() -> Iterator[None]:
    """Watch the running loop; what holds it is logged by the name of its operation."""
    watch = StallWatch()
    watch.start()
    try:
        yield
    finally:
        watch.stop()
