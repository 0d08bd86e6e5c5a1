"""Amounts of money: whole minor units of one currency."""

from __future__ import annotations

from typing import Annotated

import msgspec

from partita.contract.message import Message

__all__ = ["Money"]


class Money(Message):
    """An amount in minor units (cents, pence, yen) of a currency named by its three letters (ISO 4217).

    Adding, subtracting and comparing ask for the same currency and raise ``ValueError`` otherwise. There is no
    division and no float: whoever splits an amount says where the rest goes (see ``split``).
    """

    amount: Annotated[int, msgspec.Meta(ge=-(2**53) + 1, le=2**53 - 1)]
    # The lengths, since "$" also stands before a line feed at the end.
    currency: Annotated[str, msgspec.Meta(min_length=3, max_length=3, pattern="^[A-Z]{3}$")]

    def __add__(self, other: Money) -> Money:
        return Money(amount=self.amount + self._same(other), currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(amount=self.amount - self._same(other), currency=self.currency)

    def __neg__(self) -> Money:
        return Money(amount=-self.amount, currency=self.currency)

    def __mul__(self, count: int) -> Money:
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(
                "money is multiplied by a whole number; round a share yourself, and say where the rest goes"
            )
        return Money(amount=self.amount * count, currency=self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.amount >= self._same(other)

    def split(self, parts: int) -> tuple[Money, ...]:
        """``parts`` amounts that sum to this one and differ by at most one minor unit; the larger ones come first."""
        if parts < 1:
            raise ValueError(f"money is split into one part or more, not {parts}")
        share, rest = divmod(self.amount, parts)
        return tuple(Money(amount=share + (1 if i < rest else 0), currency=self.currency) for i in range(parts))

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def _same(self, other: Money) -> int:
        if not isinstance(other, Money):
            raise TypeError(f"money is added to and compared with money, not with {other!r}: name its currency")
        if self.currency != other.currency:
            raise ValueError(f"{self} and {other} are in different currencies")
        return other.amount
