"""Who may call an operation: values, so that they can be compared, printed and put into documents."""

from __future__ import annotations

import msgspec

__all__ = ["INTERNAL", "PUBLIC", "USER", "Access", "role"]


class Access(msgspec.Struct, frozen=True):
    """Who may call. ``|`` joins two: ``INTERNAL | role("operator")`` lets services in, and operators."""

    guests: bool = False
    users: bool = False
    services: bool = False
    roles: frozenset[str] = frozenset()

    def __or__(self, other: Access) -> Access:
        return Access(
            guests=self.guests or other.guests,
            users=self.users or other.users,
            services=self.services or other.services,
            roles=self.roles | other.roles,
        )

    @property
    def is_internal(self) -> bool:
        """Whether only services may call, so that no gateway shows the operation."""
        return not (self.guests or self.users or self.roles)

    def __str__(self) -> str:
        words = [
            *(["PUBLIC"] if self.guests else []),
            *(["USER"] if self.users else []),
            *(["INTERNAL"] if self.services else []),
            *(f'role("{name}")' for name in sorted(self.roles)),
        ]
        return " | ".join(words)


PUBLIC = Access(guests=True)
"""Everybody, guests included."""

USER = Access(users=True)
"""Whoever is logged in."""

INTERNAL = Access(services=True)
"""Services that declare this one as a dependency, and nobody from outside. The default."""


def role(name: str) -> Access:
    """Users who have the role ``name``. A ``System`` knows all of its roles and refuses others."""
    return Access(roles=frozenset({name}))
