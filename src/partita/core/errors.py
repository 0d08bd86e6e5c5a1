"""The one error tree.

::

    PartitaError                    code, may_have_executed
    ├── Refused                     what was declared cannot work; all mistakes at once
    │   ├── ContractRefused         at import of a contract
    │   ├── ServiceRefused          at import of a service
    │   ├── SystemRefused           when a System is made
    │   └── SettingsRefused         when settings are read
    ├── StartFailed                 a process, an engine or a service did not start
    ├── Misuse                      a handler broke a rule of the unit of work
    │   ├── CallInsideTransaction   a call to another service with a transaction open
    │   ├── UnitShared              two tasks used one unit of work
    │   ├── UnitEnded               a task used a unit of work after its end
    │   ├── CommitForbidden         session.commit(), rollback() or close() in a unit of work
    │   ├── NoUnit                  the database was used outside of a handler
    │   └── TransactionAborted      a statement failed, and the handler went on as if it had not
    ├── SerializationFailure        the database asks for another run (40001, 40P01, stale snapshot)
    ├── Contended                   it asked so too often; nothing was executed
    ├── DatabaseUnavailable         no connection: all are taken, or the server is gone; nothing was executed
    ├── CommitUnknown               the connection was lost during COMMIT
    ├── BlockingFull                every thread is busy and the queue is at its bound
    ├── CallFailed                  a call to another service failed; names service and operation
    │   ├── DeadlineExceeded
    │   ├── Unavailable             nobody was reached
    │   ├── ConnectionLost          somebody was reached, and the answer was not
    │   ├── BadResponse             the answer does not fit the contract
    │   └── TooManyCalls            the bound on calls in flight was reached
    └── Problem                     a typed failure of a contract (partita.contract)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

__all__ = [
    "BadResponse",
    "BlockingFull",
    "CallFailed",
    "CallInsideTransaction",
    "CommitForbidden",
    "CommitUnknown",
    "ConnectionLost",
    "Contended",
    "ContractRefused",
    "DatabaseUnavailable",
    "DeadlineExceeded",
    "Mistake",
    "Misuse",
    "NoUnit",
    "PartitaError",
    "Refused",
    "SerializationFailure",
    "ServiceRefused",
    "SettingsRefused",
    "StartFailed",
    "SystemRefused",
    "TooManyCalls",
    "TransactionAborted",
    "Unavailable",
    "UnitEnded",
    "UnitShared",
]


class PartitaError(Exception):
    """Root of every error that Partita raises.

    ``code`` is stable and is what a program compares. ``may_have_executed`` says whether the work that failed may
    nevertheless have been done.
    """

    code: ClassVar[str] = "partita"
    may_have_executed: bool = False


class Mistake(NamedTuple):
    """One thing that was declared wrongly: where it stands, what is the case, and what to do."""

    place: str
    fact: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.fact} {self.remedy}".rstrip()


class Refused(PartitaError):
    """Something declared cannot work. ``mistakes`` holds all of them; the text has a line for each."""

    code = "refused"

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))

    def __reduce__(self) -> tuple[type[Refused], tuple[tuple[Mistake, ...]]]:
        return type(self), (self.mistakes,)


class ContractRefused(Refused):
    """A contract, message, event or problem that cannot work."""

    code = "contract-refused"


class ServiceRefused(Refused):
    """A service class that cannot work."""

    code = "service-refused"


class SystemRefused(Refused):
    """Services that do not make a system."""

    code = "system-refused"


class SettingsRefused(Refused):
    """Settings that are missing or do not fit their types."""

    code = "settings-refused"


class StartFailed(PartitaError):
    """Something did not start. The text is one sentence for a person: what, where, what to do."""

    code = "start-failed"


class Misuse(PartitaError):
    """A handler broke a rule of the unit of work. A mistake in the program, found at the first run."""

    code = "misuse"


class CallInsideTransaction(Misuse):
    """Another service was called while a transaction was open."""

    code = "call-inside-transaction"


class UnitShared(Misuse):
    """A task other than the handler's used its unit of work."""

    code = "unit-shared"


class UnitEnded(Misuse):
    """A unit of work was used after it ended."""

    code = "unit-ended"


class CommitForbidden(Misuse):
    """``session.commit()``, ``rollback()`` or ``close()`` was called: the unit of work does this."""

    code = "commit-forbidden"


class NoUnit(Misuse):
    """The database was used where no unit of work is: outside of a handler, or in a stream."""

    code = "no-unit"


class TransactionAborted(Misuse):
    """A statement failed earlier in this transaction, which can only be rolled back now."""

    code = "transaction-aborted"


class SerializationFailure(PartitaError):
    """The database could not serialise this transaction with the others; run it again."""

    code = "serialization-failure"


class Contended(PartitaError):
    """The unit of work lost against others at every run that it was allowed. Nothing was executed."""

    code = "contended"


class DatabaseUnavailable(PartitaError):
    """No connection to the database: every one was taken, or the server was not reached. Nothing was executed."""

    code = "database-unavailable"


class CommitUnknown(PartitaError):
    """The connection was lost during COMMIT: the work may be durable, or not."""

    code = "commit-unknown"
    may_have_executed = True


class BlockingFull(PartitaError):
    """Every thread for blocking calls is busy and the queue before them is full."""

    code = "blocking-full"


class CallFailed(PartitaError):
    """A call to another service failed without an answer that the contract knows.

    ``service`` and ``operation`` name the callee; ``may_have_executed`` says whether it may have done the work.
    """

    code = "call-failed"

    def __init__(self, text: str, *, service: str, operation: str, may_have_executed: bool) -> None:
        super().__init__(text)
        self.service = service
        self.operation = operation
        self.may_have_executed = may_have_executed

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.args[0], self.service, self.operation, self.may_have_executed)


def _restore(cls: type[CallFailed], text: str, service: str, operation: str, executed: bool) -> CallFailed:
    return cls(text, service=service, operation=operation, may_have_executed=executed)


class DeadlineExceeded(CallFailed):
    """The deadline passed before the answer came."""

    code = "deadline-exceeded"


class Unavailable(CallFailed):
    """No replica was reached, or it refused the work before it began."""

    code = "unavailable"


class ConnectionLost(CallFailed):
    """The request was sent, in part at least, and the connection ended before the answer."""

    code = "connection-lost"


class BadResponse(CallFailed):
    """The answer does not fit the contract."""

    code = "bad-response"


class TooManyCalls(CallFailed):
    """The bound on calls in flight to this service was reached; nothing was sent."""

    code = "too-many-calls"
