"""The base class of services: a contract's implementation whose fields are its dependencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, dataclass_transform

__all__ = ["Adapter", "Service"]


@dataclass_transform(kw_only_default=True)
class Service:
    """Derive an implementation from its contract and from this: ``class OrdersService(Orders, Service)``.

    Each annotated field is a dependency that the runtime fills: ``Database``, ``Clock``, ``Ids``, ``Call``,
    ``Blocking``, a ``Settings`` class, or another service's contract, which becomes a typed client.

    ``tables`` names the SQLAlchemy ``MetaData`` of the service's own tables. Without it, the tables that its module
    or the module ``tables`` beside it defines are taken.
    """

    tables: ClassVar[Any] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(kw_only=True, eq=False, repr=False)(cls)

    async def on_start(self) -> None:
        """Runs once in each replica when its fields are filled and its tables are there, before the first call.

        An exception here is a failed start. There is no unit of work: use ``db.unit()``.
        """

    async def on_stop(self) -> None:
        """Runs once in each replica after its last call."""


class Adapter(Service):
    """A service of a few lines that keeps an older contract alive on top of a newer one."""
