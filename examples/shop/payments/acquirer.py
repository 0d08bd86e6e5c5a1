"""The bank behind the shop, until a real one joins: it decides by the numbers of test cards."""

from __future__ import annotations

from partita import Secret

__all__ = ["refusal"]

REFUSED = {
    "4000000000000002": "the card was declined",
    "4000000000009995": "there are not enough funds",
    "4000000000000069": "the card has expired",
}


def refusal(card: Secret) -> str | None:
    """Why the bank refuses a card, or ``None`` where it does not."""
    number = card.reveal()
    if not has_check_digit(number):
        return "the card number is wrong"
    return REFUSED.get(number)


def has_check_digit(number: str) -> bool:
    """Whether the last digit is the one that the others ask for (Luhn; ISO/IEC 7812-1)."""
    total = 0
    for position, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
