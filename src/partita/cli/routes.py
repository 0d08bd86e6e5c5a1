"""The gateway as the contracts of a system want it."""

from __future__ import annotations

import msgspec

from partita.cli.options import Options
from partita.contract.openapi import openapi
from partita.gateway.config import Gateway
from partita.gateway.routes import Document, InlineKeys, JwtRule, RemoteKeys, Route
from partita.identity.tokens import SigningKey, jwk_of
from partita.runtime.identification import operator_issuer
from partita.system.model import System

__all__ = ["documents_of", "gateway_of"]

DOCUMENT = "/openapi.json"


def documents_of(system: System, options: Options) -> tuple[Document, ...]:
    """The public operations' OpenAPI document, unless the system has an operation in its place."""
    contracts = [member.contract for member in system.members.values()]
    if any(operation.path == DOCUMENT for contract in contracts for operation in contract.operations.values()):
        return ()
    document = openapi(contracts, title=system.name, servers=[options.url], public_only=True)
    return (Document(path=DOCUMENT, body=msgspec.json.encode(document)),)


def gateway_of(system: System, key: SigningKey, options: Options) -> Gateway:
    """Every operation that is not internal; tokens of the operator's key and of the system's own users count."""
    routes = tuple(
        Route(
            service=name,
            operation=operation.name,
            method=operation.method,
            path=operation.path,
            access="public" if operation.access.guests else "token",
            timeout_s=operation.timeout_s,
            stream=operation.kind in ("stream", "download"),
        )
        for name, member in system.members.items()
        for operation in member.contract.operations.values()
        if not operation.access.is_internal
    )
    jwks = msgspec.json.encode({"keys": [jwk_of(key.kid, key.public)]})
    rules = [JwtRule(issuer=operator_issuer(system.name), audience=system.name, keys=InlineKeys(jwks))]
    users = system.users
    if users is not None:
        rules.append(
            JwtRule(
                issuer=users.issuer or system.name,
                audience=users.audience or system.name,
                keys=RemoteKeys(service=users.service, path=users.keys),
            )
        )
    return Gateway(
        system=system.name,
        routes=routes,
        rules=tuple(rules),
        documents=documents_of(system, options),
        hosts=(options.host,),
        port=options.port,
    )
