"""Words that all services of the shop use in the same sense, with their bounds."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from partita import FieldError, Invalid, Message, Money, Secret

__all__ = [
    "ASSORTMENT",
    "CURRENCY",
    "END",
    "Address",
    "CardNumber",
    "Cursor",
    "Email",
    "PageSize",
    "Password",
    "PositiveInt",
    "Price",
    "Quantity",
    "Sku",
    "Slug",
    "Text",
    "UserRef",
    "Words",
    "check_card_number",
]

CURRENCY = "USD"
"""The shop sells in one currency."""

ASSORTMENT = tuple(str(number) for number in range(100, 604))
"""The numbers of the products that the shop opens with."""

END = "$(?!\\n)"
"""The end of a pattern: in Python a bare ``$`` lets a line feed through after it."""

Sku = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9-]{0,31}" + END, description="A product's number, as in 123.")]
Slug = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,31}" + END, description="A category's short name, as in garden.")]
# Control characters have no place in a name, and PostgreSQL keeps no NUL in a text.
Words = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[^\\u0000-\\u001f\\u007f]+" + END)]
Text = Annotated[str, Meta(min_length=1, max_length=2000, pattern="^[^\\u0000]+" + END)]
Email = Annotated[
    str,
    Meta(max_length=254, pattern="^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\\.[A-Za-z0-9-]{1,63}){1,4}" + END),
]
Quantity = Annotated[int, Meta(ge=1, le=99)]
PositiveInt = Annotated[int, Meta(ge=1, le=2**63 - 1)]
PageSize = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[
    str, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}" + END, description="The `next` of a page.")
]
UserRef = PositiveInt | UUID
"""A customer, by number or by id."""

# The bounds of a Secret are for the documents; whoever reveals it checks them.
Password = Annotated[Secret, Meta(extra_json_schema={"minLength": 8, "maxLength": 200})]
CardNumber = Annotated[Secret, Meta(extra_json_schema={"minLength": 12, "maxLength": 19, "pattern": "^[0-9]+$"})]


def check_card_number(card: Secret) -> None:
    """Raise ``Invalid`` for what is no number of a card. Whether it is a good one, the bank says."""
    number = card.reveal()
    if not (number.isascii() and number.isdigit() and 12 <= len(number) <= 19):
        raise Invalid(errors=(FieldError(path="body.card_number", detail="12 to 19 digits"),))


class Price(Money):
    """What one piece costs: at least one cent, in the shop's currency."""

    amount: Annotated[int, Meta(ge=1, le=100_000_000)]
    currency: Literal["USD"] = "USD"


class Address(Message):
    """Where a parcel goes."""

    name: Words
    street: Words
    city: Words
    postcode: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9 -]{0,15}" + END)]
    country: Annotated[str, Meta(pattern="^[A-Z]{2}" + END, description="Two letters (ISO 3166).")]
