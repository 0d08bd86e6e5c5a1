"""What is listened to on an engine: who uses the connection of a unit of work, and which of its statements fail."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext

from partita.core.errors import CommitForbidden
from partita.ports.engine import Engine

__all__ = ["WORK", "Guarded", "watch"]

WORK = "partita_work"
"""The execution option of a connection that names the unit of work which holds it."""


class Guarded(Protocol):
    """What the guards ask of a unit of work."""

    has_ended: bool

    def guard(self) -> None:
        """Refuse the statement that is about to be sent, by raising."""
        ...

    def has_refused(self, error: BaseException) -> bool:
        """Whether the error is such a refusal."""
        ...

    def statement_failed(self, error: BaseException) -> BaseException | None:
        """Note the failure. Returns the error to raise in its place, if any."""
        ...

    def recovered(self) -> None:
        """Note that the transaction went back to a savepoint."""
        ...


def watch(engine: Engine) -> None:
    """Guard every statement that goes through ``engine``. Once for each engine; a second time changes nothing."""
    target = engine.sqlalchemy_engine
    if event.contains(target, "before_cursor_execute", _before_statement):
        return
    event.listen(target, "before_cursor_execute", _before_statement, retval=True)
    event.listen(target, "handle_error", _statement_failed)
    event.listen(target, "commit", _before_commit)
    event.listen(target, "rollback", _rolled_back)
    event.listen(target, "rollback_savepoint", _rolled_back)


def _work(connection: Connection | None) -> Guarded | None:
    return None if connection is None else connection.get_execution_options().get(WORK)


def _before_statement(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> tuple[str, Any]:
    """Refuse a statement from the wrong task, after the end, or after a failure."""
    work = _work(connection)
    if work is not None:
        work.guard()
    return statement, parameters


def _statement_failed(context: ExceptionContext) -> BaseException | None:
    """Keep in mind what the failure means, even if the handler catches it."""
    work = _work(context.connection)
    error = context.original_exception
    if work is None or work.has_refused(error):
        return None
    if not isinstance(error, Exception):
        # A cancellation. SQLAlchemy would throw the connection away; the driver has already cancelled the statement,
        # and rolling back is enough.
        context.is_disconnect = False
    return work.statement_failed(error)


def _before_commit(connection: Connection) -> None:
    """``session.connection()`` hands out a connection that has a ``commit()`` of its own."""
    work = _work(connection)
    if work is not None and not work.has_ended:
        raise CommitForbidden(
            "connection.commit() was called in a unit of work, which commits by itself when the handler returns. Leave "
            "the call out."
        )


def _rolled_back(connection: Connection, *_: Any) -> None:
    """Back at a savepoint: statements work again."""
    work = _work(connection)
    if work is not None:
        work.recovered()
