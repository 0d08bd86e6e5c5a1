"""Settings: typed values that come from the environment, all checked when a service starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform, get_args, get_origin

import msgspec

from partita.core.errors import Mistake, SettingsRefused
from partita.core.secret import Secret

__all__ = ["Settings", "read_settings"]

S = TypeVar("S", bound="Settings")

if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
    class Settings:
        """Typed values for one service: ``class OrderSettings(Settings): limit: int = 100``.

        A service that declares ``settings: OrderSettings`` gets them from the environment: ``limit`` of the service
        ``orders`` is ``ORDERS_LIMIT``. A field without a default must be given.
        """

        def __init_subclass__(cls) -> None: ...

else:

    class SettingsMeta(msgspec.StructMeta):
        """Makes settings frozen and keyword-only."""

        def __new__(mcls, cls_name, bases, namespace, /, **options):
            return super().__new__(mcls, cls_name, bases, namespace, **{"frozen": True, "kw_only": True, **options})

    class Settings(msgspec.Struct, metaclass=SettingsMeta):
        """Typed values for one service, from the environment."""


def _decode(wanted: type, value: Any) -> Any:
    if wanted is Secret:
        return Secret(str(value))
    raise TypeError(f"{wanted.__name__} cannot be a setting")


def read_settings(cls: type[S], service: str, environment: Mapping[str, str]) -> S:
    """Settings of ``service`` from ``environment``. Raises ``SettingsRefused`` with every mistake."""
    prefix = service.replace("-", "_").upper()
    values: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    for field in msgspec.structs.fields(cast(type[msgspec.Struct], cls)):
        variable = f"{prefix}_{field.name}".upper()
        text = environment.get(variable)
        if text is None:
            if field.required:
                mistakes.append(
                    Mistake(variable, f"{cls.__name__}.{field.name} is not set.", "Set it in the environment.")
                )
            continue
        try:
            values[field.name] = _read(text, field.type)
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            mistakes.append(Mistake(variable, f"{cls.__name__}.{field.name} does not fit: {error}.", "Mend the value."))
    if mistakes:
        raise SettingsRefused(mistakes)
    return msgspec.convert(values, cls) if not values else cls(**values)


def _read(text: str, wanted: Any) -> Any:
    if get_origin(wanted) in (tuple, frozenset) and not text.startswith("["):
        item = get_args(wanted)[0]
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return msgspec.convert([_read(part, item) for part in parts], wanted, strict=False, dec_hook=_decode)
    if text[:1] in ("[", "{") and wanted is not str:
        return msgspec.json.decode(text, type=wanted, dec_hook=_decode)
    return msgspec.convert(text, wanted, strict=False, dec_hook=_decode)
