"""What users promises."""

from __future__ import annotations

from typing import Literal, Protocol
from uuid import UUID

from msgspec import UNSET, UnsetType

from examples.shop.vocabulary import Address, Email, UserRef, Words
from partita import INTERNAL, USER, Contract, Event, Message, NotFound, Problem, delete, get, patch, post, put

__all__ = [
    "AddressChanged",
    "AddressesFull",
    "Language",
    "NewProfile",
    "Profile",
    "ProfileChange",
    "SavedAddress",
    "Users",
]

Language = Literal["en", "de", "fr", "es"]


class AddressesFull(Problem, status=409):
    """The address book is full."""

    addresses_max: int


class NewProfile(Message):
    """A profile, when an account is made."""

    email: Email
    name: Words


class Profile(Message):
    """A customer. ``number`` is the short number for people, ``id`` the one for programs."""

    id: UUID
    number: int
    email: str
    name: str
    language: Language
    newsletter: bool


class ProfileChange(Message):
    """What to change; the rest stays."""

    name: Words | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    newsletter: bool | UnsetType = UNSET


class SavedAddress(Message):
    """An entry of a customer's address book."""

    id: UUID
    address: Address


class AddressChanged(Event, name="users.address-changed", key="user"):
    """An address was added, changed or removed (then ``address`` is missing)."""

    user: UUID
    id: UUID
    address: Address | None


class Users(Contract, Protocol, name="users", publishes=[AddressChanged]):
    """Customers' profiles and addresses. A customer sees their own; an admin or operator, everybody's."""

    @put("/users/{id}", access=INTERNAL)
    async def create(self, id: UUID, profile: NewProfile) -> Profile:
        """Make a profile; one that is there stays as it is."""
        ...

    @get("/users/{id}", access=USER | INTERNAL, raises=[NotFound])
    async def profile(self, id: UserRef) -> Profile:
        """A customer, by number or id."""
        ...

    @patch("/users/{id}", access=USER, raises=[NotFound])
    async def change(self, id: UserRef, change: ProfileChange) -> Profile:
        """Change what is given."""
        ...

    @get("/users/{id}/addresses", access=USER | INTERNAL, raises=[NotFound])
    async def addresses(self, id: UserRef) -> tuple[SavedAddress, ...]:
        """The address book, the oldest entry first."""
        ...

    @post("/users/{id}/addresses", access=USER, status=201, raises=[NotFound, AddressesFull])
    async def add_address(self, id: UserRef, address: Address) -> SavedAddress:
        """Add an address."""
        ...

    @put("/users/{id}/addresses/{address_id}", access=USER, raises=[NotFound])
    async def change_address(self, id: UserRef, address_id: UUID, address: Address) -> SavedAddress:
        """Write an address anew."""
        ...

    @delete("/users/{id}/addresses/{address_id}", access=USER, raises=[NotFound])
    async def remove_address(self, id: UserRef, address_id: UUID) -> None:
        """Remove an address."""
        ...
