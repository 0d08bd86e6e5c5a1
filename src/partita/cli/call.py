"""``partita call``: a typed call from the shell."""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple
from uuid import UUID

import click
import msgspec

from partita.adapters.http.client import HttpTransport
from partita.cli.screen import say, tell
from partita.cli.values import meant, values_of
from partita.contract.codec import encode_json
from partita.contract.operation import Operation
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
from partita.runtime.loop import run_loop
from partita.system.member import Member
from partita.system.target import load_system

__all__ = ["call"]

TOKEN_LIFE_S = 60
OPERATOR = "operator"


@click.command(
    epilog="""\b
Examples:
  partita call catalog.product sku=123
  partita call shop.payments.charge order_id=12345 amount=2999 currency=USD
  partita call orders.place 'lines=[{"sku": "123", "quantity": 2}]' --as-user 6f1c...
  partita call files.put name=me.jpg body=@me.jpg
"""
)
@click.argument("operation")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--as-user", type=click.UUID, metavar="UUID", help="Call for this user, as the gateway would let them.")
@click.option("--role", "roles", multiple=True, help="A role of that user; may be repeated.")
@click.option("--as-guest", is_flag=True, help="Call as nobody.")
@click.option("--as-service", metavar="NAME", help="Call as this service of the system, instead of as its operator.")
def call(
    operation: str,
    arguments: tuple[str, ...],
    as_user: UUID | None,
    roles: tuple[str, ...],
    as_guest: bool,
    as_service: str | None,
) -> None:
    """Call OPERATION of a system that runs from this folder, as one of its services would.

    OPERATION is system.service.operation; the system may be left out where one runs. Arguments are the operation's, or
    the fields of its message. A value is a text, or JSON where the type wants that; @FILE reads it from a file. The
    result is printed as JSON, a stream as a line each, a download as it is. A problem is told on stderr, with exit
    code 1.
    """
    if (as_user is not None) + as_guest + (as_service is not None) > 1:
        raise click.UsageError("--as-user, --as-guest and --as-service exclude each other.")
    if roles and as_user is None:
        raise click.UsageError("--role says what a user may do: give --as-user too.")
    parts = operation.split(".")
    if len(parts) not in (2, 3) or not all(parts):
        raise click.UsageError(f"{operation!r} is not system.service.operation, as in shop.catalog.product.")
    state = find_running(parts[0] if len(parts) == 3 else None)
    member, found = _find(state, *parts[-2:])
    values = values_of(found, arguments)
    user = User(id=as_user, roles=roles) if as_user is not None else None
    caller = None if as_guest or user is not None else as_service or OPERATOR
    tokens = _tokens(state, member.name, user, caller)
    try:
        run_loop(_call(tokens, state.services[member.name].url, member, found, values))
    except Problem as problem:
        tell(f"{problem.status} {problem.title}")
        tell(_pretty(encode_problem(problem)))
        sys.exit(1)


def _find(state: State, service: str, name: str) -> tuple[Member, Operation]:
    system = load_system(state.target)
    member = system.members.get(service)
    if member is None or service not in state.services:
        raise StartFailed(f"{state.system} has no service {service}. {meant(service, state.services)}")
    found = member.contract.operations.get(name)
    if found is None:
        raise StartFailed(f"{service} has no operation {name}. {meant(name, member.contract.operations)}")
    return member, found


class _Tokens(NamedTuple):
    """What the caller shows."""

    user: str | None
    service: str | None


def _tokens(state: State, callee: str, user: User | None, caller: str | None) -> _Tokens:
    """Of a user or of a service, signed with the key of this machine's operator; none for nobody."""
    key, issuer, now = operator_key(state.system), operator_issuer(state.system), time.time()
    shown = service = None
    if user is not None:
        shown = mint_user_token(key, issuer=issuer, audience=state.system, user=user, now_s=now, life_s=TOKEN_LIFE_S)
    if caller is not None:
        service = mint_service_token(key, system=issuer, caller=caller, callee=callee, now_s=now, life_s=TOKEN_LIFE_S)
    return _Tokens(shown, service)


async def _call(tokens: _Tokens, url: str, member: Member, operation: Operation, values: dict[str, Any]) -> None:
    transport = HttpTransport(url)
    try:
        channel = WireChannel(transport, service_token=lambda: tokens.service, user_token=tokens.user)
        made: Any = client(member.contract.cls, channel)
        asked = getattr(made, operation.name)(**values)
        if operation.kind == "stream":
            async for item in asked:
                say(encode_json(item).decode())
            return
        result = await asked
        if isinstance(result, Download):
            async for chunk in result.chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        elif operation.kind != "nothing":
            say(_pretty(encode_json(result)))
    finally:
        await transport.close()


def _pretty(document: bytes) -> str:
    return msgspec.json.format(document, indent=2).decode()
