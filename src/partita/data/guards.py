"""What is listened to on an engine: who uses the connection of a unit of work, and which of its statements fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext

from partita.core.errors import CommitForbidden

if TYPE_CHECKING:
    from partita.data.work import Work
    from partita.ports.engine import Engine

__all__ = ["WORK", "watch"]

WORK = "partita_work"
"""The execution option of a connection that names the unit of work which holds it."""


def watch(engine: Engine) -> None:
    """Guard every statement that goes through ``engine``. Once for each engine; a second time changes nothing."""
    target = engine.sqlalchemy_engine
    if event.contains(target, "before_cursor_execute", before_statement):
        return
    event.listen(target, "before_cursor_execute", before_statement, retval=True)
    event.listen(target, "handle_error", statement_failed)
    event.listen(target, "commit", before_commit)
    event.listen(target, "rollback", rolled_back)
    event.listen(target, "rollback_savepoint", rolled_back)


def _work(connection: Connection | None) -> Work | None:
    return None if connection is None else connection.get_execution_options().get(WORK)


def before_statement(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> tuple[str, Any]:
    """Refuse a statement from the wrong task, after the end, or after a failure."""
    work = _work(connection)
    if work is not None:
        work.guard()
    return statement, parameters


def statement_failed(context: ExceptionContext) -> BaseException | None:
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


def before_commit(connection: Connection) -> None:
    """``session.connection()`` hands out a connection that has a ``commit()`` of its own."""
    work = _work(connection)
    if work is not None and not work.has_ended:
        raise CommitForbidden(
            "connection.commit() was called in a unit of work, which commits by itself when the handler returns. Leave "
            "the call out."
        )


def rolled_back(connection: Connection, *_: Any) -> None:
    """Back at a savepoint: statements work again."""
    work = _work(connection)
    if work is not None:
        work.recovered()
