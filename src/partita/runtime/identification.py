"""Who makes a request: reads and verifies the tokens in its headers."""

from __future__ import annotations

from collections.abc import Mapping

from partita.contract.problems import Unauthenticated
from partita.identity.tokens import KeySet, ServiceTokens, UserTokens
from partita.rpc import names
from partita.rpc.app import Identified

__all__ = ["Identification", "operator_issuer"]


def operator_issuer(system: str) -> str:
    """The issuer in tokens that the control process signs for an operator."""
    return f"partita/{system}"


class Identification:
    """Verifies users' tokens, operators' and services' tokens for one service.

    ``trusted`` are the control process's keys; ``users`` verifies the tokens of the system's own users.
    """

    def __init__(self, *, system: str, service: str, trusted: KeySet, users: UserTokens | None) -> None:
        self._users = users
        self._trusted = trusted

        async def keys() -> KeySet:
            return trusted

        issuer = operator_issuer(system)
        self._operators = UserTokens(issuer=issuer, audience=system, keys=keys)
        self._services = ServiceTokens(system=issuer, audience=service, keys=trusted)

    async def __call__(self, headers: Mapping[str, str]) -> Identified:
        """Raises ``Unauthenticated`` for a token that is not valid."""
        found = Identified()
        authorization = headers.get(names.AUTHORIZATION)
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            token = token.strip()
            if scheme.lower() != "bearer" or not token:
                raise Unauthenticated(reason="the Authorization header is not: Bearer ...")
            found.token = token
            found.user = await self._verifier(token).verify(token)
        caller = headers.get(names.CALLER)
        if caller is not None:
            found.caller = self._services.verify(caller)
        return found

    def _verifier(self, token: str) -> UserTokens:
        if self._users is None or self._operators.knows(token):
            return self._operators
        return self._users
