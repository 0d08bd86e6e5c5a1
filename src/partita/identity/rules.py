"""The access rule: may this caller use that operation?"""

from __future__ import annotations

from partita.contract.access import Access
from partita.contract.problems import Forbidden, Unauthenticated
from partita.core.call import User

__all__ = ["authorize"]


def authorize(access: Access, user: User | None, caller: str | None) -> None:
    """Raise ``Unauthenticated`` where a token would help, and ``Forbidden`` where it would not.

    ``caller`` is the name of a service whose identity was verified; ``user`` is whom a verified token names.
    """
    if access.guests or (access.services and caller is not None) or (access.users and user is not None):
        return
    if access.roles and user is not None and not access.roles.isdisjoint(user.roles):
        return
    if access.is_internal:
        raise Forbidden(reason="this operation is for services of the system only")
    if user is None:
        raise Unauthenticated(reason="send a token: Authorization: Bearer ...")
    raise Forbidden(reason=f"this needs the role {' or '.join(sorted(access.roles))}")
