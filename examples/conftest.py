"""Fixtures for the examples' tests: a PostgreSQL server for the session, as in the package's own tests."""

from __future__ import annotations

from tests.conftest import postgres_database, postgres_url

__all__ = ["postgres_database", "postgres_url"]
