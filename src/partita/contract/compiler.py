"""Makes operations of a contract's methods, and collects every mistake on the way."""

from __future__ import annotations

import inspect
import os
import re
import typing
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from types import SimpleNamespace
from typing import Annotated, Any, get_args, get_origin

import msgspec

from partita.contract.codec import json_decoder, text_decoder
from partita.contract.operation import DECLARED, Declared, Kind, Operation, Parameter, Place
from partita.contract.parameters import Cookie, Download, Header, Raw, Upload
from partita.contract.promises import declared_faults
from partita.contract.types import allows_none, default_fault, faults_of, is_message_like, is_scalar, plain, strip
from partita.core.errors import Mistake
from partita.core.secret import Secret

__all__ = ["compile_operation", "place_of"]

_PATH = re.compile(r"(/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]+|\{[A-Za-z_][A-Za-z0-9_]*\}))+|/")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STREAMS = (AsyncIterator, AsyncGenerator, AsyncIterable)
_NO_RESULTS = (Raw, Upload, *_STREAMS)
_OWN_ROUTES = frozenset({"/openapi.json", "/healthz", "/readyz", "/metrics", "/events"})
_OWN_HEADERS = frozenset(
    "accept authorization connection content-length content-type cookie expect host idempotency-key te trailer "
    "transfer-encoding upgrade traceparent tracestate partita-caller partita-deadline-ms".split()
)
_MISSING = inspect.Parameter.empty
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def place_of(thing: Callable[..., Any] | type, name: str) -> str:
    """``file:line name``, the file as seen from the current directory."""
    code = getattr(thing, "__code__", None)
    if code is not None:
        file, line = code.co_filename, code.co_firstlineno
    else:
        try:
            file, line = inspect.getsourcefile(thing) or "?", inspect.getsourcelines(thing)[1]
        except (OSError, TypeError):
            return name
    relative = os.path.relpath(file)
    return f"{file if relative.startswith('..') else relative}:{line} {name}"


class _Compiler:
    """Compiles one method; every ``refuse`` adds a mistake and compiling goes on."""

    def __init__(
        self, contract: str, prefix: str, owner: str, function: Callable[..., Any], names: dict[str, Any]
    ) -> None:
        self.contract, self.prefix, self.function, self.names = contract, prefix, function, names
        self.declared: Declared = getattr(function, DECLARED)
        self.place = place_of(function, f"{owner}.{function.__name__}")
        self.mistakes: list[Mistake] = []
        self.body: Parameter | None = None
        self.bodies: list[str] = []

    def refuse(self, fact: str, remedy: str) -> None:
        self.mistakes.append(Mistake(self.place, fact, remedy))

    def hint(self, name: str, what: str) -> Any:
        """The annotation of ``name``, resolved; ``_MISSING`` after a mistake."""
        annotation = self.function.__annotations__.get(name, _MISSING)
        if annotation is _MISSING:
            remedy = 'Write "-> None" if it returns nothing.' if name == "return" else "Annotate it."
            self.refuse(f"{what} has no annotation.", remedy)
            return _MISSING
        try:
            holder = SimpleNamespace(__annotations__={name: annotation})
            return typing.get_type_hints(holder, self.function.__globals__, self.names, include_extras=True)[name]
        except NameError as error:
            self.refuse(
                f"{what} names {error.name!r}, which is not defined.", "Import it, or define it above the contract."
            )
        except Exception as error:  # whatever an annotation's own code raises is a mistake of the annotation
            self.refuse(f"{what} has an annotation that fails: {error}.", "Mend the annotation.")
        return _MISSING

    def compile(self) -> Operation | None:
        template = self.template()
        signature = inspect.signature(self.function)
        self_first = list(signature.parameters.values())
        if not self_first or self_first[0].kind not in _POSITIONAL or self_first[0].annotation is not _MISSING:
            self.refuse("it has no self.", 'Make "self" its first argument.')
        own = self_first[1:]
        parameters = [found for found in (self.parameter(each, template) for each in own) if found is not None]
        for name in template:
            if name not in {each.name for each in own}:
                self.refuse(
                    f"the path has {{{name}}}, and no argument has that name.",
                    f"Add the argument {name}, or change the path.",
                )
        self.doubles(parameters)
        if len(self.bodies) > 1:
            self.refuse(f"{' and '.join(self.bodies)} are both the body.", "Make one Message of them.")
        result, kind = self.result()
        for fact, remedy in declared_faults(self.declared, kind, self.bodies):
            self.refuse(fact, remedy)
        if self.mistakes:
            return None
        return self.build(parameters, own, result, kind)

    def template(self) -> list[str]:
        path = self.declared.path
        if not _PATH.fullmatch(path):
            self.refuse(
                f"{path!r} is no path.",
                'It starts with "/", ends without, and each segment is plain text or one {name} that fills it.',
            )
            return re.findall(r"\{([A-Za-z_]\w*)\}", path)
        names = re.findall(r"\{(\w+)\}", path)
        if {".", ".."} & set(path.split("/")):
            self.refuse(f"{path!r} has a segment of dots, which clients and proxies take away.", "Write it without.")
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.refuse(f"the path has {{{name}}} twice.", "Give each its own name.")
        if self.prefix + path in _OWN_ROUTES:
            self.refuse(f"{self.prefix + path} is answered by Partita itself.", "Choose another path.")
        return names

    def parameter(self, own: inspect.Parameter, template: list[str]) -> Parameter | None:
        name, what = own.name, f"the argument {own.name}"
        if own.kind in (own.VAR_POSITIONAL, own.VAR_KEYWORD):
            self.refuse(f"{what} takes any number of arguments.", "Name each argument, or use one Message.")
            return None
        if own.kind is own.POSITIONAL_ONLY:
            self.refuse(f"{what} cannot be given by name.", 'Take the "/" away: callers pass arguments by name.')
        hint = self.hint(name, what)
        if hint is _MISSING:
            return None
        notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        headers = [note for note in notes if isinstance(note, Header)]
        self.check_notes(what, hint)
        if name in template:
            place: Place = "path"
            if headers:
                self.refuse(f"{what} stands in the path and is a {type(headers[0]).__name__} as well.", "Choose one.")
            if own.default is not _MISSING:
                self.refuse(f"{what} stands in the path and has a default, which can never be used.", "Take it away.")
        elif headers:
            place = "cookie" if isinstance(headers[0], Cookie) else "header"
        else:
            place = self.place_by_type(strip(hint))
        many = place == "query" and get_origin(strip(hint)) is tuple
        if place in ("body", "raw", "upload"):
            self.bodies.append(name)
        if not self.fits(what, hint, place, many):
            return None
        if own.default is not _MISSING and place not in ("raw", "upload"):
            self.check_default(what, own.default, hint)
        if place in ("path", "query", "header", "cookie"):
            self.check_absent(what, own.default, hint, place, many)
        alias = headers[0].name if headers else name
        if place in ("header", "cookie"):
            self.check_wire_name(what, alias, place)
        item = get_args(strip(hint))[0] if many else hint
        parameter = Parameter(
            name=name,
            alias=alias.lower() if place == "header" else alias,
            place=place,
            type=hint,
            required=own.default is _MISSING,
            default=None if own.default is _MISSING else own.default,
            many=many,
            decode=text_decoder(item) if place in ("path", "query", "header", "cookie") else str,
        )
        if place in ("body", "raw", "upload"):
            self.body = parameter
        return parameter

    @staticmethod
    def place_by_type(plain: Any) -> Place:
        if plain is Raw:
            return "raw"
        if plain is Upload:
            return "upload"
        return "body" if is_message_like(plain) else "query"

    def fits(self, what: str, hint: Any, place: Place, many: bool) -> bool:
        if place in ("raw", "upload"):
            return True
        if place == "body":
            faults = faults_of(hint, what)
        elif many:
            args = get_args(strip(hint))
            if len(args) != 2 or args[1] is not Ellipsis or not is_scalar(args[0]):
                self.refuse(
                    f"{what} is {hint}, which a query cannot hold.", "Use tuple[T, ...] of a scalar, or a Message."
                )
                return False
            faults = faults_of(hint, what)
        else:
            faults = faults_of(hint, what)
            if place in ("path", "query") and strip(hint) is Secret:
                fact = f"is a Secret and travels in the {place}, which logs and proxies keep."
                faults = [(what, fact, "Make it a header, a cookie or a field of a Message.")]
            if not faults and not is_scalar(hint):
                faults = [
                    (
                        what,
                        f"is {_spell(hint)}, which does not fit into a {place}.",
                        "Use a scalar here, or put it into a Message.",
                    )
                ]
        for path, fact, remedy in faults:
            self.refuse(f"{path} {fact}", remedy)
        return not faults

    def check_default(self, what: str, default: Any, hint: Any) -> None:
        if fault := default_fault(default, hint):
            self.refuse(f"{what} {fault}", "Change the default or the type.")

    def check_notes(self, what: str, hint: Any) -> None:
        """Refuse a Header or Cookie that stands where nobody would see it."""
        inner = [note for arg in get_args(plain(hint)) for note in getattr(arg, "__metadata__", ())]
        if any(isinstance(note, Header) for note in inner):
            self.refuse(f"{what} has its header inside of a union.", "Write Annotated[... | None, Header(...)].")
        notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        if len([note for note in notes if isinstance(note, Header)]) > 1:
            self.refuse(f"{what} is more than one header or cookie.", "Choose one.")
        for note in (*notes, *inner):
            if isinstance(note, type) and issubclass(note, Header):
                self.refuse(f"{what} is a {note.__name__} without a name.", f'Write {note.__name__}("...").')

    def check_absent(self, what: str, default: Any, hint: Any, place: Place, many: bool) -> None:
        """Refuse what no text can say: None, or no items at all, unless leaving it out means just that."""
        if many:
            if default != ():
                self.refuse(
                    f"{what} may hold no items, which a query says by leaving it out.", "Give it the default ()."
                )
            if get_origin(hint) is Annotated and any(isinstance(note, msgspec.Meta) for note in get_args(hint)[1:]):
                self.refuse(
                    f"{what} has a constraint on how often it is given.", "Constrain its items, or use a Message."
                )
        elif msgspec.UnsetType in get_args(plain(hint)):
            self.refuse(f"{what} may be UNSET, which a {place} says by leaving it out.", "Use None for that.")
        elif not allows_none(hint):
            return
        elif place == "path":
            self.refuse(f"{what} stands in the path and may be None.", 'Take "| None" away.')
        elif default is not None:
            self.refuse(f"{what} may be None, which a {place} says by leaving it out.", "Give it the default None.")

    def check_wire_name(self, what: str, alias: str, place: str) -> None:
        if not _TOKEN.fullmatch(alias):
            self.refuse(f"{what} is the {place} {alias!r}, which is no valid name.", "Use letters, digits and hyphens.")
        elif place == "header" and alias.lower() in _OWN_HEADERS:
            self.refuse(
                f"{what} is the header {alias}, which Partita handles.", "Use the field `call: Call`, or another name."
            )

    def doubles(self, parameters: list[Parameter]) -> None:
        seen: dict[tuple[str, str], str] = {}
        for each in parameters:
            other = seen.setdefault((each.place, each.alias), each.name)
            if other != each.name:
                self.refuse(
                    f"{other} and {each.name} are both the {each.place} {each.alias!r}.", "Give one another name."
                )

    def result(self) -> tuple[Any, Kind]:
        hint = self.hint("return", "the result")
        is_async = inspect.iscoroutinefunction(self.function) or inspect.isasyncgenfunction(self.function)
        bare = strip(hint) if hint is not _MISSING else hint
        if get_origin(bare) in _STREAMS and not get_args(bare):
            bare = get_origin(bare)  # typing's AsyncIterator, of anything
        self.check_result(hint, bare)
        if get_origin(bare) in _STREAMS:
            if is_async:
                self.refuse('a stream is declared with "def", not "async def".', 'Remove "async".')
            if self.declared.method != "GET":
                self.refuse(f"a stream is declared with {self.declared.method.lower()}.", "Use @get.")
            item = get_args(bare)[0]
            for path, fact, remedy in faults_of(item, "its item"):
                self.refuse(f"{path} {fact}", remedy)
            return item, "stream"
        if not is_async and bare not in _STREAMS:
            self.refuse('it is declared with "def".', 'Write "async def"; only streams go without.')
        if bare is Download:
            return Download, "download"
        if hint in (None, type(None), _MISSING) or bare in _NO_RESULTS:
            return None, "nothing"
        for path, fact, remedy in faults_of(hint, "its result"):
            self.refuse(f"{path} {fact}", remedy)
        return hint, "value"

    def check_result(self, hint: Any, bare: Any) -> None:
        """Refuse results that stand where no value of theirs can be."""
        if bare in _STREAMS:
            self.refuse("it is a stream of anything.", f"Say what it gives: {bare.__name__}[...].")
        elif bare in (Raw, Upload):
            self.refuse(f"its result is {bare.__name__}, which only requests have.", "Use Download.")
        elif (bare is Download or get_origin(bare) in _STREAMS) and allows_none(hint):
            self.refuse("it may return None instead of content.", "Raise NotFound, or another Problem.")

    def build(self, parameters: list[Parameter], own: list[inspect.Parameter], result: Any, kind: Kind) -> Operation:
        declared, function = self.declared, self.function
        by_name = {each.name: each for each in parameters}
        path = self.prefix + declared.path if declared.path != "/" or not self.prefix else self.prefix
        segments = tuple(by_name[part[1:-1]] if part.startswith("{") else part for part in path.split("/")[1:] if part)
        return Operation(
            contract=self.contract,
            name=function.__name__,
            method=declared.method,
            path=path,
            segments=segments,
            parameters=tuple(parameters),
            body=self.body,
            result=result,
            kind=kind,
            status=declared.status or (204 if kind == "nothing" else 200),
            access=declared.access,
            raises={problem.code: problem for problem in declared.raises},
            timeout_s=declared.timeout,
            body_bytes_max=declared.body_max,
            idempotency=declared.idempotency,
            doc=inspect.getdoc(function) or "",
            place=self.place,
            positional=tuple(each.name for each in own if each.kind is not each.KEYWORD_ONLY),
            decode_body=json_decoder(self.body.type).decode if self.body and self.body.place == "body" else None,
            decode_result=json_decoder(result).decode if kind in ("value", "stream") else None,
            by_place={
                place: tuple(each for each in parameters if each.place == place)
                for place in ("path", "query", "header", "cookie")
            },
        )


def _spell(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)


def compile_operation(
    contract: str, prefix: str, owner: str, function: Callable[..., Any], names: dict[str, Any]
) -> tuple[Operation | None, list[Mistake]]:
    """Compile one decorated method. ``names`` are the local names that its annotations may use."""
    compiler = _Compiler(contract, prefix, owner, function, names)
    operation = compiler.compile()
    return operation, compiler.mistakes
