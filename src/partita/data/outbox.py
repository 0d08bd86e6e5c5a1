"""Events on their way into ``partita_outbox``."""

from __future__ import annotations

from typing import Any

import msgspec

from partita.contract.message import Event
from partita.core.call import Invocation
from partita.core.clock import Clock
from partita.core.errors import Misuse
from partita.core.ids import Ids
from partita.ports.engine import OutboxRow

__all__ = ["EVENTS_MAX", "EVENT_BYTES_MAX", "outbox_row"]

EVENTS_MAX = 1000
"""How many events one unit of work may publish."""

EVENT_BYTES_MAX = 1 << 20
"""How long the JSON of one event may be."""

_encoder = msgspec.json.Encoder()


def outbox_row(event: Event, *, clock: Clock, ids: Ids, invocation: Invocation | None) -> OutboxRow:
    """The row for ``event``. Raises ``Misuse`` for what is no event, or too long."""
    declared: dict[str, Any] = getattr(type(event), "__partita__", {})
    if "name" not in declared:
        raise Misuse(
            f"db.publish() was given {event!r:.100}, which is no event. Declare it as "
            f'`class {type(event).__name__}(Event, name="...", key="...")`.'
        )
    body = _encoder.encode(event)
    if len(body) > EVENT_BYTES_MAX:
        raise Misuse(
            f"{declared['name']} has {len(body)} bytes of JSON, and {EVENT_BYTES_MAX} is the bound. An event says what "
            "happened; put large data elsewhere and publish where it is."
        )
    key = declared.get("key")
    return OutboxRow(
        event_id=ids.uuid(),
        type=declared["name"],
        key=None if key is None else str(msgspec.to_builtins(getattr(event, key), str_keys=True)),
        version=declared.get("version", 1),
        body=body,
        traceparent=None if invocation is None else invocation.trace.traceparent(),
        created_at=clock.now(),
    )
