"""Floor 7: one service with fakes around it, or a whole system, in one test process."""

from partita.testing.clock import ManualClock
from partita.testing.running import Running, running
from partita.testing.systems import RunningSystem, running_system

__all__ = ["ManualClock", "Running", "RunningSystem", "running", "running_system"]
