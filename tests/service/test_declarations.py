"""What a service class declares on its methods and in its fields."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol
from uuid import UUID

import pytest

from partita import Contract, Database, Event, Ids, Misuse, Service, ServiceRefused, Steps, every, get, on, saga
from partita.service.declarations import jobs_of, sagas_of, subscriptions_of
from partita.service.fields import contract_of, dependencies_of, fields_of


class Paid(Event, name="payments.paid", key="id"):
    """A fact."""

    id: UUID


class Payments(Contract, Protocol, name="payments"):
    """Takes money."""

    @get("/ping")
    async def ping(self) -> None: ...


class Orders(Contract, Protocol, name="orders"):
    """Takes orders."""

    @get("/pong")
    async def pong(self) -> None: ...


class OrdersService(Orders, Service):
    """Declares one of each."""

    db: Database
    ids: Ids
    payments: Payments

    async def pong(self) -> None: ...

    @on(Paid)
    async def paid(self, event: Paid) -> None: ...

    @every(hours=1, minutes=30)
    async def forget(self) -> None: ...

    @saga
    async def checkout(self, steps: Steps, id: UUID) -> None:
        """Sees an order through."""


class ExpressService(OrdersService):
    """Inherits everything, and declares one job anew."""

    @every(seconds=1)
    async def forget(self) -> None: ...


@pytest.mark.parametrize(("service", "interval"), [(OrdersService, 5400), (ExpressService, 1)])
def test_declarations_are_found(service: type[OrdersService], interval: int) -> None:
    """Reactions, jobs and sagas of a class, and of one that derives from it, are found once each."""
    assert [(each.method, each.event) for each in subscriptions_of(service)] == [("paid", Paid)]
    assert [(each.method, each.interval) for each in jobs_of(service)] == [("forget", timedelta(seconds=interval))]
    assert sagas_of(service) == ("checkout",)
    assert fields_of(service) == {"db": Database, "ids": Ids, "payments": Payments}
    assert dependencies_of(service) == {"payments": Payments}
    assert contract_of(service) is Orders


async def test_a_saga_is_declared_and_not_run_yet() -> None:
    """Starting a saga says clearly that this version does not run sagas."""
    service = OrdersService(db=Database(), ids=Ids(), payments=object())  # type: ignore[arg-type]
    with pytest.raises(Misuse, match=r"OrdersService\.checkout is declared.*does not run sagas yet"):
        await service.checkout.start(UUID(int=1))
    assert OrdersService.checkout.__doc__ == "Sees an order through."


@pytest.mark.parametrize("hours", [0, -1])
def test_an_interval_that_never_ends(hours: float) -> None:
    """A job without an interval over 0 would run for ever."""
    with pytest.raises(ValueError, match="an interval over 0"):
        every(hours=hours)


def test_fields_are_given_by_name() -> None:
    """A service is made with its fields by name, all of them."""
    with pytest.raises(TypeError, match="payments"):
        OrdersService(db=Database(), ids=Ids())  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        OrdersService(Database(), Ids(), object())  # type: ignore[call-arg, arg-type]


def test_a_field_that_names_nothing() -> None:
    """A field whose annotation cannot be resolved is refused with the name that is missing."""

    class Broken(Orders, Service):
        thing: Nowhere  # type: ignore[name-defined]  # noqa: F821

        async def pong(self) -> None: ...

    with pytest.raises(ServiceRefused, match="names 'Nowhere'"):
        fields_of(Broken)
