"""W3C Trace Context, Level 1: the ``traceparent`` and ``tracestate`` that travel with every call."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

__all__ = ["TraceContext", "new_trace", "parse_traceparent"]

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
TRACESTATE_CHARS_MAX = 512


class TraceContext(NamedTuple):
    """Where a call stands in its trace. Identifiers are lower-case hexadecimal, 32 and 16 digits."""

    trace_id: str
    span_id: str
    flags: str = "01"
    state: str = ""

    def child(self) -> TraceContext:
        """The same trace with a new span identifier."""
        return TraceContext(self.trace_id, os.urandom(8).hex(), self.flags, self.state)

    def traceparent(self) -> str:
        """The header's value."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def new_trace() -> TraceContext:
    """A trace that begins here, sampled."""
    identifier = os.urandom(24).hex()
    return TraceContext(identifier[:32], identifier[32:])


def parse_traceparent(value: str | None, state: str | None = None) -> TraceContext | None:
    """Read the headers; ``None`` for what the recommendation tells to ignore (https://www.w3.org/TR/trace-context/)."""
    if value is None:
        return None
    match = _TRACEPARENT.fullmatch(value.strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or trace_id == "0" * 32 or span_id == "0" * 16:
        return None
    if state is not None and len(state) > TRACESTATE_CHARS_MAX:
        state = None
    return TraceContext(trace_id, span_id, flags, state or "")
