"""A call's arguments: values to texts and bytes at the caller, and back to validated values at the callee."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from partita.contract.codec import decode_hook, encode_json, nesting_too_deep
from partita.contract.operation import Operation, Parameter
from partita.contract.parameters import Raw
from partita.contract.problems import FieldError, Invalid, Malformed, UnsupportedMediaType
from partita.contract.validation import field_errors, refused, whole_numbers

__all__ = ["Arguments", "ReceivedUpload", "bind", "decode_arguments", "encode_arguments", "is_json"]

_DOTS = frozenset({"", ".", ".."})
_NOTHING: Mapping[str, Any] = {}


class Arguments(msgspec.Struct, gc=False):
    """What travels: texts by their name on the wire, and the body."""

    path: Mapping[str, str] = _NOTHING
    query: Mapping[str, Sequence[str]] = _NOTHING
    headers: Mapping[str, str] = _NOTHING
    cookies: Mapping[str, str] = _NOTHING
    body: bytes | Any = b""
    content_type: str = ""


class ReceivedUpload:
    """An upload as a handler sees it."""

    def __init__(self, chunks: AsyncIterator[bytes], content_type: str, size: int | None) -> None:
        self._chunks = chunks
        self.content_type = content_type
        self.size = size

    def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        return self._chunks


def bind(operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name, as Python would bind them. Raises ``TypeError`` as a call does."""
    names = operation.positional
    if len(args) > len(names):
        raise TypeError(f"{operation.full_name}() takes {len(names)} positional arguments but {len(args)} were given")
    values = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name in values:
            raise TypeError(f"{operation.full_name}() got multiple values for argument {name!r}")
        values[name] = value
    known = 0
    for parameter in operation.parameters:
        if parameter.name in values:
            known += 1
        elif parameter.required:
            raise TypeError(f"{operation.full_name}() missing the argument {parameter.name!r}")
    if known != len(values):
        unknown = set(values) - {parameter.name for parameter in operation.parameters}
        raise TypeError(f"{operation.full_name}() got an unexpected argument {', '.join(sorted(map(repr, unknown)))}")
    return values


def encode_arguments(operation: Operation, values: dict[str, Any]) -> Arguments:
    """Values to texts and bytes. Raises ``Invalid`` for a text that its place cannot hold."""
    arguments = Arguments()
    body = operation.body
    if body is not None and body.name in values:
        _encode_body(arguments, body, values[body.name])
    if len(operation.parameters) == (body is not None):
        return arguments
    texts: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
    for parameter in operation.parameters:
        if parameter is body or parameter.name not in values:
            continue
        value = values[parameter.name]
        if value is None or value is msgspec.UNSET:
            continue
        if parameter.place == "query":
            texts["query"][parameter.alias] = (
                tuple(map(parameter.encode, value)) if parameter.many else (parameter.encode(value),)
            )
        else:
            texts[parameter.place][parameter.alias] = _checked(parameter, parameter.encode(value))
    arguments.path, arguments.query = texts["path"], texts["query"]
    arguments.headers, arguments.cookies = texts["header"], texts["cookie"]
    return arguments


def _checked(parameter: Parameter, text: str) -> str:
    place, path = parameter.place, f"{parameter.place}.{parameter.alias}"
    if place == "path" and text in _DOTS:
        raise Invalid(errors=(FieldError(path=path, detail=f"{text!r} cannot be a segment of a path"),))
    if place == "header" and (not text.isprintable() or not text.isascii() or text != text.strip()):
        raise Invalid(errors=(FieldError(path=path, detail="a header holds printable ASCII without outer spaces"),))
    if place == "cookie" and (not text.isascii() or any(char in ' ",;\\' or ord(char) < 33 for char in text)):
        raise Invalid(
            errors=(FieldError(path=path, detail="a cookie holds ASCII without spaces, quotes, commas and semicolons"),)
        )
    return text


def _encode_body(arguments: Arguments, body: Parameter, value: Any) -> None:
    if body.place == "body":
        arguments.body = encode_json(value)
        arguments.content_type = "application/json"
    elif body.place == "raw":
        arguments.body = value.body
        arguments.content_type = value.content_type or "application/octet-stream"
    else:
        arguments.body = value
        arguments.content_type = value.content_type or "application/octet-stream"


def decode_arguments(operation: Operation, arguments: Arguments) -> dict[str, Any]:
    """Texts and bytes to validated values. Raises ``Invalid`` with every wrong field, and ``Malformed``."""
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    body = operation.body
    if body is not None:
        _decode_body(operation, body, arguments, values, errors)
    if len(operation.parameters) > (body is not None):
        for parameter in operation.parameters:
            if parameter is not body:
                _decode_text(parameter, arguments, values, errors)
    if errors:
        raise Invalid(errors=tuple(errors))
    return values


def _decode_text(parameter: Parameter, arguments: Arguments, values: dict[str, Any], errors: list[FieldError]) -> None:
    place, alias = parameter.place, parameter.alias
    path = f"{place}.{alias}"
    if place == "query":
        found: Sequence[str] | None = arguments.query.get(alias)
        if found is not None and len(found) > 1 and not parameter.many:
            errors.append(FieldError(path=path, detail=f"given {len(found)} times, allowed once"))
            return
    else:
        source = {"path": arguments.path, "header": arguments.headers, "cookie": arguments.cookies}[place]
        text = source.get(alias)
        found = None if text is None else (text,)
    if found is None:
        if parameter.required:
            errors.append(FieldError(path=path, detail="missing"))
        return
    try:
        read = [parameter.decode(text) for text in found]
    except (msgspec.ValidationError, ValueError) as error:
        errors.append(FieldError(path=path, detail=str(error)))
        return
    values[parameter.name] = tuple(read) if parameter.many else read[0]


def _decode_body(
    operation: Operation, body: Parameter, arguments: Arguments, values: dict[str, Any], errors: list[FieldError]
) -> None:
    if body.place == "raw":
        values[body.name] = Raw(body=arguments.body, content_type=arguments.content_type)
        return
    if body.place == "upload":
        values[body.name] = arguments.body
        return
    raw: bytes = arguments.body
    if not raw and not body.required:
        return
    if arguments.content_type != "application/json" and not is_json(arguments.content_type):
        raise UnsupportedMediaType(supported=("application/json",))
    if nesting_too_deep(raw):
        raise Malformed(reason="the JSON is nested too deeply")
    decode = operation.decode_body
    assert decode is not None
    try:
        values[body.name] = _read_json(decode, raw)
    except msgspec.ValidationError as error:
        _read_again(body, raw, str(error), values, errors)


def _read_again(body: Parameter, raw: bytes, refusal: str, values: dict[str, Any], errors: list[FieldError]) -> None:
    """Collect every wrong field, after the decoder stopped at the first."""
    try:
        value = whole_numbers(_read_json(msgspec.json.decode, raw))
    except msgspec.ValidationError:  # a number that fits nowhere
        errors.append(refused("body", refusal))
        return
    if "got `float`" in refusal:
        with suppress(msgspec.ValidationError):
            values[body.name] = msgspec.convert(value, body.type, dec_hook=decode_hook, str_keys=True)
            return
    errors.extend(field_errors(body.type, value, "body", refusal))


def _read_json(decode: Callable[[bytes], Any], raw: bytes) -> Any:
    """Decode, or raise ``Malformed`` for what is no JSON. A wrong field may come before what is no JSON, so that the
    decoder told of the field, and only reading all of it tells of the rest."""
    try:
        return decode(raw)
    except msgspec.ValidationError:
        raise
    except UnicodeDecodeError:
        raise Malformed(reason="the body is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise Malformed(reason=f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Malformed(reason="the JSON is nested too deeply") from None


def is_json(content_type: str) -> bool:
    """Whether a Content-Type names JSON in UTF-8."""
    media, _, parameters = content_type.partition(";")
    media = media.strip().lower()
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        return False
    charset = [
        part.partition("=")[2].strip(' "').lower()
        for part in parameters.split(";")
        if part.strip().lower().startswith("charset")
    ]
    return all(name in ("utf-8", "utf8", "us-ascii") for name in charset)
