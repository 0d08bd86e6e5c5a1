"""What a System refuses, and that it refuses everything at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol
from uuid import UUID

import pytest

from partita import PUBLIC, Contract, Event, Message, Service, System, SystemRefused, UserIdentity, get, post, role


class Receipt(Message):
    """A receipt."""

    id: UUID


class Paid(Event, name="payments.paid", key="id"):
    """A fact."""

    id: UUID


class Payments(Contract, Protocol, name="payments", publishes=[Paid]):
    """Takes money."""

    @post("/charge")
    async def charge(self, amount: int) -> Receipt: ...

    @get("/receipts")
    def receipts(self) -> AsyncIterator[Receipt]: ...


class Orders(Contract, Protocol, name="orders"):
    """Takes orders."""

    @get("/orders/{id}", access=PUBLIC)
    async def order(self, id: UUID) -> Receipt: ...


class PaymentsService(Payments, Service):
    """An implementation without fault."""

    async def charge(self, amount: int) -> Receipt:
        return Receipt(id=UUID(int=amount))

    async def receipts(self) -> AsyncIterator[Receipt]:
        yield Receipt(id=UUID(int=1))


class OrdersService(Orders, Service):
    """Needs payments."""

    payments: Payments

    async def order(self, id: UUID) -> Receipt:
        return await self.payments.charge(1)


def refusals(name: str, **arguments: Any) -> str:
    """What the system says."""
    with pytest.raises(SystemRefused) as caught:
        System(name, **arguments)
    for mistake in caught.value.mistakes:
        assert mistake.place
        assert mistake.remedy
    return str(caught.value)


def test_a_good_system() -> None:
    """A system knows its services, who calls whom, and in what order they start."""
    system = System("shop", services=[OrdersService, PaymentsService])
    assert system.order() == ["payments", "orders"]
    assert system.members["orders"].calls == {"payments": "payments"}


def test_an_operation_without_implementation() -> None:
    """An operation that is left out would silently return None, and is refused."""

    class Half(Payments, Service):
        async def charge(self, amount: int) -> Receipt:
            return Receipt(id=UUID(int=amount))

    text = refusals("shop", services=[Half])
    assert "does not implement payments.receipts" in text


def test_changed_parameter_names() -> None:
    """Callers pass arguments by name, so that an implementation may not rename them."""

    class Renamed(PaymentsService):
        async def charge(self, pennies: int) -> Receipt:
            return Receipt(id=UUID(int=pennies))

    text = refusals("shop", services=[Renamed])
    assert "its parameters are pennies; the contract's are amount" in text
    assert "test_checks.py" in text


def test_an_additional_parameter_with_a_default_is_fine() -> None:
    """An implementation may take more, as long as it can go without."""

    class More(PaymentsService):
        async def charge(self, amount: int, currency: str = "EUR") -> Receipt:
            return Receipt(id=UUID(int=amount))

    assert list(System("shop", services=[More]).members) == ["payments"]


def test_a_stream_that_returns_once() -> None:
    """A stream is implemented with yield."""

    class Once(PaymentsService):
        async def receipts(self) -> Any:  # type: ignore[override]
            return ()

    assert "Use yield" in refusals("shop", services=[Once])


def test_a_field_that_hides_an_operation() -> None:
    """A field with the name of an operation is refused."""

    class Hidden(Payments, Service):
        charge: int  # type: ignore[assignment]

        async def receipts(self) -> AsyncIterator[Receipt]:
            yield Receipt(id=UUID(int=1))

    assert "hides the operation payments.charge" in refusals("shop", services=[Hidden])


def test_a_missing_service() -> None:
    """A dependency that nothing implements is refused with the field that asks for it."""
    text = refusals("shop", services=[OrdersService])
    assert "OrdersService.payments: it needs the service payments" in text


def test_an_undeclared_role() -> None:
    """A role that the system does not list is refused: a typing error would lock everybody out."""

    class Admin(Contract, Protocol, name="admin"):
        @get("/admin", access=role("admn"))
        async def page(self) -> None: ...

    class AdminService(Admin, Service):
        async def page(self) -> None: ...

    assert "role 'admn'" in refusals("shop", services=[AdminService], roles=["admin"])


class Left(Contract, Protocol, name="left"):
    """One half of a circle."""

    @get("/left")
    async def left(self) -> None: ...


class Right(Contract, Protocol, name="right"):
    """The other half."""

    @get("/right")
    async def right(self) -> None: ...


class LeftService(Left, Service):
    """Calls right."""

    other: Right

    async def left(self) -> None: ...


class RightService(Right, Service):
    """Calls left."""

    other: Left

    async def right(self) -> None: ...


def test_a_circle_of_calls() -> None:
    """A circle of synchronous calls is refused, once, unless it is declared."""
    text = refusals("shop", services=[LeftService, RightService])
    assert text.count("a circle of synchronous calls") == 1
    assert "left calls right calls left" in text
    system = System("shop", services=[LeftService, RightService], cycles=[("left", "right")])
    assert set(system.order()) == {"left", "right"}


def test_two_publishers_of_one_event() -> None:
    """A fact has one owner."""

    class Other(Contract, Protocol, name="other", publishes=[Paid]):
        @get("/other")
        async def other(self) -> None: ...

    class OtherService(Other, Service):
        async def other(self) -> None: ...

    text = refusals("shop", services=[PaymentsService, OtherService])
    assert "payments.paid is published by payments and other" in text


def test_two_services_on_one_public_route() -> None:
    """Two public operations with one route could not both stand behind the gateway."""

    class Same(Contract, Protocol, name="same"):
        @get("/orders/{number}", access=PUBLIC)
        async def order(self, number: int) -> None: ...

    class SameService(Same, Service):
        async def order(self, number: int) -> None: ...

    assert "is the route of orders.order" in refusals("shop", services=[PaymentsService, OrdersService, SameService])


def test_users_are_vouched_for_by_a_service_with_keys() -> None:
    """The service that signs tokens must exist and show its keys to everybody."""
    assert "none of it" in refusals("shop", services=[PaymentsService], users=UserIdentity(service="auth"))
    assert "no public operation at" in refusals(
        "shop", services=[PaymentsService], users=UserIdentity(service="payments")
    )


def test_something_that_is_no_service() -> None:
    """A class without a contract, twice the same service, and no service at all are refused."""
    assert "implements no contract" in refusals("shop", services=[dict])
    assert "both implement payments" in refusals("shop", services=[PaymentsService, PaymentsService])
    assert "has no services" in refusals("shop", services=[])


def test_all_mistakes_come_at_once() -> None:
    """One look shows everything that is wrong."""

    class Half(Payments, Service):
        async def charge(self, sum: int) -> Receipt:
            return Receipt(id=UUID(int=sum))

    text = refusals("shop", services=[Half, LeftService, RightService], users=UserIdentity(service="auth"))
    assert len(text.splitlines()) == 4


def test_a_field_that_nobody_can_fill() -> None:
    """A field of a type that the runtime does not know is refused before anything starts; one with a default is not."""

    class Odd(PaymentsService):
        number: complex
        size: int = 3

    text = refusals("shop", services=[Odd])
    assert "Odd.number: a field of the type complex cannot be filled" in text
    assert "size" not in text
