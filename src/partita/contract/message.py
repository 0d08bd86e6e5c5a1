"""Messages and events: immutable data that crosses a boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

import msgspec

__all__ = ["Event", "Message"]

if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
    class Message:
        """Immutable data that crosses a boundary: keyword-only, frozen, validated when it is decoded.

        Fields may have any type that msgspec knows, with ``Annotated[..., msgspec.Meta(...)]`` for constraints, as
        long as it cannot change: ``tuple``, not ``list``.
        """

        def __init_subclass__(
            cls,
            *,
            name: str = ...,
            key: str = ...,
            version: int = ...,
            rename: str = ...,
            tag: str | int | bool = ...,
            tag_field: str = ...,
            forbid_unknown_fields: bool = ...,
            omit_defaults: bool = ...,
        ) -> None: ...

else:

    class MessageMeta(msgspec.StructMeta):
        """Makes every message frozen and keyword-only, and keeps what an event's class line says."""

        def __new__(mcls, cls_name, bases, namespace, /, **options):
            declared = {word: options.pop(word) for word in ("name", "key", "version") if word in options}
            cls = super().__new__(mcls, cls_name, bases, namespace, **{"frozen": True, "kw_only": True, **options})
            cls.__partita__ = declared
            return cls

    class Message(msgspec.Struct, metaclass=MessageMeta):
        """Immutable data that crosses a boundary: keyword-only, frozen, validated when it is decoded."""


class Event(Message):
    """A fact that a service publishes: ``class Placed(Event, name="orders.placed", key="id")``.

    ``name`` is the event's type on the wire, ``key`` the field among whose equal values order is kept, and
    ``version`` (1 unless told) the version of its fields.
    """

    if TYPE_CHECKING:
        __partita__: ClassVar[dict[str, Any]]
