"""A system: services that make one work, checked as a whole when it is made."""

from __future__ import annotations

from collections.abc import Sequence

from partita.core.errors import Mistake, SystemRefused
from partita.service.fields import contract_of
from partita.service.service import Service
from partita.system.checks import mistakes_of
from partita.system.member import Member, Parts, UserIdentity, member_of

__all__ = ["System"]


class System:
    """``system = System("shop", services=[OrdersService, PaymentsService])``.

    ``roles`` lists the roles that operations may ask for; ``cycles`` the pairs of services that may call each other in
    a circle, such as ``[("orders", "payments")]``; ``users`` says who vouches for users. Raises ``SystemRefused``
    with every mistake.
    """

    def __init__(
        self,
        name: str,
        *,
        services: Sequence[type[Service]],
        roles: Sequence[str] = (),
        cycles: Sequence[tuple[str, str]] = (),
        users: UserIdentity | None = None,
    ) -> None:
        self.name = name
        self.roles = tuple(roles)
        self.cycles = tuple((a, b) for a, b in cycles)
        self.users = users
        classes = tuple(services)
        self.members: dict[str, Member] = {}
        mistakes = [Mistake(f"System({name!r})", "it has no services.", "List at least one.")] if not classes else []
        for cls in classes:
            contract = contract_of(cls) if isinstance(cls, type) else None
            if contract is None:
                where = getattr(cls, "__qualname__", repr(cls))
                mistakes.append(Mistake(where, "it implements no contract.", "Write class X(Orders, Service)."))
                continue
            member = member_of(cls)
            if member.name in self.members:
                fact = f"{self.members[member.name].cls.__name__} and {cls.__name__} both implement {member.name}."
                mistakes.append(Mistake(f"System({name!r})", fact, "Leave one out."))
                continue
            self.members[member.name] = member
        parts = Parts(name=name, members=self.members, roles=self.roles, cycles=self.cycles, users=users)
        mistakes.extend(mistakes_of(parts))
        if mistakes:
            raise SystemRefused(mistakes)

    def order(self) -> list[str]:
        """The services' names, each after those that it calls, as far as no cycle hinders; the order of start."""
        done: list[str] = []

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in done or name in above or name not in self.members:
                return
            for callee in sorted(set(self.members[name].calls.values())):
                visit(callee, (*above, name))
            done.append(name)

        for name in self.members:
            visit(name, ())
        return done
