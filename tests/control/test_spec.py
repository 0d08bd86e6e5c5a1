"""How long a replica waits before it is started again."""

from __future__ import annotations

import random

import pytest

from partita.control.spec import Backoff


def test_waits_grow_to_their_bound() -> None:
    """The first restart comes at once, later ones after a wait that doubles from 0.1 s to 10 s."""
    backoff, chance = Backoff(jitter=0), random.Random(1)
    waits = [backoff.wait_s(failures, chance) for failures in range(1, 12)]
    assert waits == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10])
    assert backoff.wait_s(10_000, chance) == 10


def test_waits_are_spread() -> None:
    """Chance moves a wait by at most a fifth, so that replicas do not start in step."""
    chance = random.Random(1)
    waits = [Backoff().wait_s(9, chance) for _ in range(200)]
    assert 8 <= min(waits) < 8.5
    assert 11.5 < max(waits) <= 12
