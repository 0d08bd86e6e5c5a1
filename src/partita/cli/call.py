"""``partita call``: a typed call from the shell."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any
from uuid import UUID

import click
import msgspec

from partita.adapters.http.client import HttpTransport
from partita.contract.codec import decode_hook, encode_json, json_decoder
from partita.contract.operation import Operation, Parameter
from partita.contract.parameters import Download
from partita.contract.problem import Problem
from partita.contract.wire import encode_problem
from partita.control.state import State, find_running, operator_key
from partita.core.call import User
from partita.core.errors import StartFailed
from partita.identity.tokens import mint_service_token, mint_user_token
from partita.rpc.client import client
from partita.rpc.wire import WireChannel
from partita.runtime.identification import operator_issuer
from partita.system.member import Member
from partita.system.target import load_system

__all__ = ["call"]

TOKEN_LIFE_S = 60


@click.command()
@click.argument("operation")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--as-user", type=click.UUID, help="Call for this user, as the gateway would let them.")
@click.option("--role", "roles", multiple=True, help="A role of that user; may be repeated.")
@click.option("--as-guest", is_flag=True, help="Call as nobody.")
@click.option("--as-service", default="operator", show_default=True, help="Call as this service of the system.")
def call(
    operation: str,
    arguments: tuple[str, ...],
    as_user: UUID | None,
    roles: tuple[str, ...],
    as_guest: bool,
    as_service: str,
) -> None:
    """Call OPERATION (system.service.operation) of a system that runs from this folder.

    Arguments are the operation's, or the fields of its message; a value may be JSON.

    \b
    partita call shop.catalog.product sku=123
    partita call shop.payments.charge order_id=12345 amount=2999 currency=USD
    """
    parts = operation.split(".")
    if len(parts) != 3:
        raise click.UsageError(f"{operation!r} is not system.service.operation, as in shop.catalog.product.")
    state = find_running(parts[0])
    member, found = _find(state, parts[1], parts[2])
    values = _values(found, arguments)
    key = operator_key(state.system)
    issuer, now = operator_issuer(state.system), time.time()
    user_token = service_token = None
    if as_user is not None:
        user = User(id=as_user, roles=roles)
        user_token = mint_user_token(
            key, issuer=issuer, audience=state.system, user=user, now_s=now, life_s=TOKEN_LIFE_S
        )
    elif not as_guest:
        service_token = mint_service_token(
            key, system=issuer, caller=as_service, callee=member.name, now_s=now, life_s=TOKEN_LIFE_S
        )
    try:
        asyncio.run(_call(state.services[member.name].url, member, found, values, user_token, service_token))
    except Problem as problem:
        click.echo(f"{problem.status} {problem}", err=True)
        click.echo(_pretty(encode_problem(problem)), err=True)
        sys.exit(1)


def _find(state: State, service: str, name: str) -> tuple[Member, Operation]:
    system = load_system(state.target)
    member = system.members.get(service)
    if member is None or service not in state.services:
        raise StartFailed(f"{state.system} has no service {service}. It has {', '.join(system.members)}.")
    found = member.contract.operations.get(name)
    if found is None:
        known = ", ".join(member.contract.operations)
        raise StartFailed(f"{service} has no operation {name}. It has {known}.")
    return member, found


def _values(operation: Operation, texts: tuple[str, ...]) -> dict[str, Any]:
    """The operation's arguments, of texts such as ``sku=123``. Raises ``click.UsageError``."""
    parameters = {each.name: each for each in operation.parameters}
    values: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"{text!r} is not NAME=VALUE.")
        if name in parameters:
            values[name] = _value(parameters[name], value)
        elif operation.body is not None and operation.body.place == "body":
            fields[name] = _json_or_text(value)
        else:
            raise click.UsageError(
                f"{operation.full_name} has no argument {name}. It has: {', '.join(parameters) or 'none'}."
            )
    if fields:
        assert operation.body is not None
        try:
            values[operation.body.name] = msgspec.convert(
                fields, operation.body.type, strict=False, dec_hook=decode_hook
            )
        except msgspec.ValidationError as error:
            raise click.UsageError(f"{operation.body.name}: {error}") from None
    missing = [each.name for each in operation.parameters if each.required and each.name not in values]
    if missing:
        raise click.UsageError(f"{operation.full_name} needs {', '.join(missing)}: write NAME=VALUE.")
    return values


def _value(parameter: Parameter, text: str) -> Any:
    try:
        if parameter.place == "body":
            return json_decoder(parameter.type).decode(text)
        if parameter.many:
            return tuple(parameter.decode(part) for part in text.split(","))
        return parameter.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        raise click.UsageError(f"{parameter.name}: {error}") from None


def _json_or_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


async def _call(
    url: str, member: Member, operation: Operation, values: dict[str, Any], user: str | None, service: str | None
) -> None:
    transport = HttpTransport(url)
    try:
        made: Any = client(member.contract.cls, WireChannel(transport, service_token=lambda: service, user_token=user))
        asked = getattr(made, operation.name)(**values)
        if operation.kind == "stream":
            async for item in asked:
                click.echo(encode_json(item))
            return
        result = await asked
        if isinstance(result, Download):
            async for chunk in result.chunks:
                sys.stdout.buffer.write(chunk)
        elif result is not None:
            click.echo(_pretty(encode_json(result)))
    finally:
        await transport.close()


def _pretty(document: bytes) -> str:
    return msgspec.json.format(document, indent=2).decode()
