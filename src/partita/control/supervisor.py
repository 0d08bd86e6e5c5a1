"""Holds what should run on this machine against what runs: start, readiness, restart, orderly stop."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from partita.control.forks import PRELOAD, Forks
from partita.control.keeper import Keeper
from partita.control.logs import Logs
from partita.control.ports import listen
from partita.control.spec import Replica, Spec
from partita.core.errors import StartFailed

__all__ = ["Supervisor"]


class Supervisor:
    """Runs processes, and nothing of them remains after it::

        async with Supervisor(specs, stop_order=[["gateway"], ["orders"], ["payments"]]) as supervisor:
            await supervisor.start()
            ...

    ``stop_order`` names, wave by wave, who stops before whom; whoever is not named stops in the last wave. ``changed``
    is called at each change of a replica's state. ``forks`` may hold a zygote that was started before; it belongs to
    the supervisor from then on.
    """

    def __init__(
        self,
        specs: Iterable[Spec],
        *,
        logs: Logs | None = None,
        stop_order: Sequence[Iterable[str]] = (),
        preload: Sequence[str] = PRELOAD,
        forks: Forks | None = None,
        changed: Callable[[Replica], None] = lambda _: None,
        chance: random.Random | None = None,
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._own_logs = logs is None
        self.logs = logs if logs is not None else Logs(self._specs)
        self._stop_order = [list(wave) for wave in stop_order]
        self._changed = changed
        self._chance = chance or random.Random()
        self._listeners: dict[str, socket.socket] = {}
        self._keepers: dict[str, Keeper] = {}
        self._holding: dict[str, asyncio.Task[None]] = {}
        self._forks = forks if forks is not None else Forks(self.logs, preload=preload)
        self._stopping: asyncio.Task[None] | None = None
        self._passing: list[asyncio.Task[None]] = []
        self._at_once = asyncio.Event()

    @property
    def replicas(self) -> dict[str, Replica]:
        """What runs, by name."""
        return {name: keeper.replica for name, keeper in self._keepers.items()}

    @property
    def zygote_pid(self) -> int | None:
        """The process id of the zygote, while there is one."""
        return self._forks.pid

    @property
    def zygote_seconds(self) -> float:
        """What the zygote's imports took."""
        return self._forks.start_seconds

    def port(self, name: str) -> int:
        """The port of a process that has ``listen``. Raises ``StartFailed`` when it is taken."""
        return int(self._listener(name).getsockname()[1])

    def _listener(self, name: str) -> socket.socket:
        if name not in self._listeners:
            spec = self._specs[name]
            if spec.listen is None:
                raise KeyError(f"{name} has no port of its own")
            self._listeners[name] = listen(*spec.listen, option=spec.port_option)
        return self._listeners[name]

    async def prepare(self) -> None:
        """Start the zygote: its imports take a second, in which the caller may do something else."""
        if any(spec.entry is not None for spec in self._specs.values()):
            await self._forks.start()

    async def start(self, names: Iterable[str] | None = None) -> None:
        """Start these processes (default: all) at the same time, and wait until each is ready.

        Raises ``StartFailed`` for the first that does not get there; everything is stopped by then.
        """
        wanted = list(self._specs) if names is None else list(names)
        try:
            for name in wanted:
                if self._specs[name].listen is not None:
                    self._listener(name)
            keepers = [self._keep(name) for name in wanted]
            await asyncio.gather(*(keeper.first_ready for keeper in keepers))
        except BaseException:
            await self.stop()
            raise

    async def add(self, spec: Spec) -> None:
        """Start one more process beside those that run. Raises ``StartFailed``; the others go on."""
        if spec.name in self._keepers:
            raise ValueError(f"There is a process named {spec.name} already.")
        self._specs[spec.name] = spec
        try:
            if spec.listen is not None:
                self._listener(spec.name)
            await self._keep(spec.name).first_ready
        except BaseException:
            await self.remove(spec.name)
            raise

    async def remove(self, name: str) -> None:
        """Drain and stop one process, and close its port."""
        await self._stop_wave([name])
        self._keepers.pop(name, None)
        self._holding.pop(name, None)
        self._specs.pop(name, None)
        if (listener := self._listeners.pop(name, None)) is not None:
            listener.close()

    def restart(self, name: str) -> None:
        """Drain one process and start it again, for example with new code. Its port stays open meanwhile."""
        self._keepers[name].again()

    def _keep(self, name: str) -> Keeper:
        if self._stopping is not None:
            raise StartFailed(f"{name} is not started: everything is being stopped.")
        listener = self._listeners.get(name)
        port = int(listener.getsockname()[1]) if listener is not None else None
        keeper = Keeper(
            Replica(spec=self._specs[name], port=port),
            forks=self._forks,
            logs=self.logs,
            listener=listener,
            changed=self._changed,
            chance=self._chance,
        )
        self._keepers[name] = keeper
        self._holding[name] = asyncio.create_task(keeper.hold(), name=f"keeper of {name}")
        return keeper

    async def stop(self, at_once: asyncio.Event | None = None) -> None:
        """Stop everything, wave by wave: SIGTERM, a bounded drain, SIGKILL. Setting ``at_once`` kills what is left.

        Goes on to its end even if the caller is cancelled; a second call waits for the first.
        """
        if at_once is not None:
            self._passing.append(asyncio.create_task(self._pass_on(at_once), name="stop at once"))
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop_all(), name="stop")
        await asyncio.shield(self._stopping)

    async def _pass_on(self, at_once: asyncio.Event) -> None:
        await at_once.wait()
        self._at_once.set()

    async def _stop_all(self) -> None:
        named = [[name for name in wave if name in self._keepers] for wave in self._stop_order]
        last = [name for name in self._keepers if not any(name in wave for wave in named)]
        for wave in (*named, last):
            await self._stop_wave(wave)
        await self._forks.close()
        for listener in self._listeners.values():
            listener.close()
        for task in self._passing:
            task.cancel()
        if self._own_logs:
            self.logs.close()

    async def _stop_wave(self, names: Iterable[str]) -> None:
        held = [name for name in names if name in self._holding]
        for name in held:
            self._keepers[name].stop(self._at_once)
        ends = await asyncio.gather(*(self._holding[name] for name in held), return_exceptions=True)
        for name, end in zip(held, ends, strict=True):
            if isinstance(end, Exception):
                self.logs.say(name, f"{name} was held by a task that failed: {type(end).__name__}: {end}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
