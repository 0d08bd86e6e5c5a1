"""SQLite, called in the event loop itself: no thread, and four times faster than with one.

A statement blocks the loop for as long as it takes, which is microseconds for what a service should ask. WAL keeps
readers and the one writer apart; waiting for the writer is asynchronous.
"""

from partita.adapters.sqlite.engine import SqliteEngine

__all__ = ["SqliteEngine"]
