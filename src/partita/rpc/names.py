"""The names of the headers that a call takes along, in lower case."""

from __future__ import annotations

__all__ = ["AUTHORIZATION", "CALLER", "DEADLINE_MS", "IDEMPOTENCY_KEY", "TRACEPARENT", "TRACESTATE"]

AUTHORIZATION = "authorization"
CALLER = "partita-caller"
DEADLINE_MS = "partita-deadline-ms"
IDEMPOTENCY_KEY = "idempotency-key"
TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
