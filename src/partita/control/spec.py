"""What should run, and what runs: the specification of a process, and the state of its replica."""

from __future__ import annotations

import enum
import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["Backoff", "Replica", "ReplicaState", "Spec"]


class ReplicaState(enum.StrEnum):
    """Where a replica stands."""

    STARTING = "starting"
    READY = "ready"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait before a replica is started again: at once after the first failure, then ever longer.

    After ``healthy_after_s`` seconds of readiness the count of failures begins anew. ``jitter`` is the part of a wait
    that chance takes away or adds.
    """

    first_s: float = 0.1
    factor: float = 2.0
    longest_s: float = 10.0
    jitter: float = 0.2
    healthy_after_s: float = 30.0

    def wait_s(self, failures: int, chance: random.Random) -> float:
        """Seconds to wait after this many failures in a row, the first being 1."""
        if failures <= 1:
            return 0.0
        exponent = min(failures - 2, 64)
        wait = min(self.longest_s, self.first_s * self.factor**exponent)
        return wait * chance.uniform(1 - self.jitter, 1 + self.jitter)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A process that should run: either ``entry``, forked from the zygote, or ``argv``, a program of its own.

    ``entry`` is "module:function"; it gets ``argument``, as JSON, with ``process`` added to it (see
    ``partita.control.child``), and ``path`` at the front of ``sys.path``. ``environment`` is added to this process's.
    ``listen`` is a host and a port (0: a free one): the supervisor opens it once, keeps it, and hands it to each run.

    A forked process is ready when it says so; a program when ``check`` returns, or at once without one. ``check`` is
    cancelled when the program ends or ``start_timeout_s`` is over. ``drain_timeout_s`` bounds the wait between
    ``stop_signal`` and SIGKILL.
    """

    name: str
    entry: str | None = None
    argument: Mapping[str, Any] = field(default_factory=dict)
    path: Sequence[str] = ()
    argv: Sequence[str] = ()
    check: Callable[[Replica], Awaitable[None]] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    listen: tuple[str, int] | None = None
    port_option: str = "--port"
    start_timeout_s: float = 30.0
    drain_timeout_s: float = 10.0
    stop_signal: signal.Signals = signal.SIGTERM
    backoff: Backoff = Backoff()

    def __post_init__(self) -> None:
        if (self.entry is None) == (not self.argv):
            raise ValueError(f"{self.name}: a process has either an entry or an argv.")


@dataclass(kw_only=True)
class Replica:
    """One running copy, as it is now. ``said`` is the JSON object that it sent when it became ready."""

    spec: Spec
    state: ReplicaState = ReplicaState.STARTING
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    started_at: datetime | None = None
    ready_after_s: float | None = None
    exit_code: int | None = None
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its specification."""
        return self.spec.name
