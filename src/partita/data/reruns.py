"""How often a unit of work that lost against others is run again, and how long it waits before."""

from __future__ import annotations

import asyncio
import random
import time

from partita.core.errors import Contended

__all__ = ["Reruns"]


class Reruns:
    """At most ``runs_max`` runs. Before the n-th further one a wait of up to ``wait_s * 2**n``, at most ``wait_s_max``.

    The wait is drawn anew each time (full jitter), so that those who collided do not collide again.
    """

    def __init__(
        self,
        *,
        runs_max: int = 10,
        wait_s: float = 0.002,
        wait_s_max: float = 0.25,
        chance: random.Random | None = None,
    ) -> None:
        self.runs_max = runs_max
        self._wait_s = wait_s
        self._wait_s_max = wait_s_max
        self._chance = chance if chance is not None else random.Random()

    async def pause(self, run: int, name: str, deadline: float) -> None:
        """Wait after run number ``run`` (the first is 0) lost.

        Raises ``Contended`` after the last one, and where the deadline leaves no time.
        """
        if run + 1 >= self.runs_max:
            raise Contended(
                f"{name} lost against other transactions {self.runs_max} times and was given up. Nothing was executed. "
                "Many callers change the same rows at once: change fewer rows in one transaction, or spread them."
            )
        wait_s = self._chance.uniform(0, min(self._wait_s_max, self._wait_s * 2**run))
        if time.monotonic() + wait_s >= deadline:
            raise Contended(f"{name} lost against other transactions until its deadline. Nothing was executed.")
        await asyncio.sleep(wait_s)
