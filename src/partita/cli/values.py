"""A call's arguments, of texts that a person types: ``sku=123``, ``lines='[{"sku": "1"}]'``, ``body=@photo.jpg``."""

from __future__ import annotations

import difflib
import mimetypes
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from partita.contract.codec import decode_hook, json_decoder
from partita.contract.operation import Operation, Parameter
from partita.contract.parameters import Raw

__all__ = ["FileUpload", "meant", "values_of"]

CHUNK_BYTES = 64 * 1024


class FileUpload:
    """A file as an upload."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.content_type = _media_type(path)
        self.size: int | None = path.stat().st_size

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file, piece by piece."""
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def _media_type(path: Path) -> str:
    """By the name's ending."""
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def meant(name: str, known: Iterable[str]) -> str:
    """What to say after an unknown name: the nearest that is known, or all."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"Did you mean {near[0]}?"
    return f"It has: {', '.join(names)}." if names else "It has none."


def values_of(operation: Operation, texts: Iterable[str]) -> dict[str, Any]:
    """The operation's arguments by name. Raises ``click.UsageError`` for what does not fit."""
    parameters = {each.name: each for each in operation.parameters}
    fields = _fields(operation.body)
    values: dict[str, Any] = {}
    members: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"{text!r} is not NAME=VALUE.")
        if name in parameters:
            values[name] = _argument(parameters[name], value)
        elif name in fields:
            members[name] = _member(name, value, fields[name])
        else:
            known = [*(each for each in parameters if not fields or parameters[each] is not operation.body), *fields]
            raise click.UsageError(f"{operation.full_name} has no argument {name}. {meant(name, known)}")
    body = operation.body
    if body is not None and body.name not in values and (members or (fields and body.required)):
        try:
            values[body.name] = msgspec.convert(members, body.type, dec_hook=decode_hook)
        except msgspec.ValidationError as error:
            wanted = ", ".join(name for name, field in fields.items() if field.required)
            hint = f" It needs {wanted}: write NAME=VALUE." if wanted else ""
            raise click.UsageError(f"{body.name}: {error}.{hint}") from None
    missing = [each.name for each in operation.parameters if each.required and each.name not in values]
    if missing:
        raise click.UsageError(f"{operation.full_name} needs {', '.join(missing)}: write NAME=VALUE.")
    return values


def _fields(body: Parameter | None) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of the message in the body, by their names on the wire."""
    if body is None or body.place != "body":
        return {}
    if not isinstance(body.text_type, type) or not issubclass(body.text_type, msgspec.Struct):
        return {}
    return {field.encode_name: field for field in msgspec.structs.fields(body.text_type)}


def _argument(parameter: Parameter, text: str) -> Any:
    try:
        if parameter.place == "upload":
            return FileUpload(_file(text))
        if parameter.place == "raw":
            path = _file(text) if text.startswith("@") else None
            return Raw(body=path.read_bytes(), content_type=_media_type(path)) if path else Raw(body=text.encode())
        text = _read(text)
        if parameter.place == "body":
            return json_decoder(parameter.type).decode(text)
        if parameter.many:
            return tuple(parameter.decode(part) for part in text.split(","))
        return parameter.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        raise click.UsageError(f"{parameter.name}: {error}") from None


def _member(name: str, text: str, field: msgspec.structs.FieldInfo) -> Any:
    """A field's value as plain data: the text itself where the field can be one, else what it says as JSON."""
    text = _read(text)
    reason: Exception | None = None
    for value in _readings(text):
        try:
            msgspec.convert(value, field.type, strict=False, dec_hook=decode_hook)
        except (msgspec.ValidationError, TypeError) as error:
            reason = error
            continue
        # Once more for the whole message: numbers and the like must not be texts there.
        return msgspec.to_builtins(
            msgspec.convert(value, field.type, strict=False, dec_hook=decode_hook),
            enc_hook=lambda secret: secret.reveal(),
            builtin_types=(),
        )
    raise click.UsageError(f"{name}: {reason}")


def _readings(text: str) -> list[Any]:
    readings: list[Any] = [text]
    try:
        readings.append(msgspec.json.decode(text))
    except msgspec.DecodeError:
        pass
    return readings


def _read(text: str) -> str:
    """The text, or what the file says that it names by @."""
    return _file(text).read_text() if text.startswith("@") else text


def _file(text: str) -> Path:
    path = Path(text.removeprefix("@"))
    if not path.is_file():
        raise click.UsageError(f"There is no file {path}.")
    return path
