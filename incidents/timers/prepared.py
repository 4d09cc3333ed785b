"""Statements that PostgreSQL parses and plans once for each connection, and not for every alert."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from django.db import connection

# A plan takes the server some 250 KB, in each of its processes.
KEPT = 20
MOST_VALUES = 250  # with more of them, it will hardly ever be written the same again


@contextmanager
def prepared() -> Iterator[Any]:
    """A cursor (of PostgreSQL only) for SQL with $1, $2 …"""
    with connection.cursor() as cursor:
        connection.connection.prepared_max = KEPT
        driver = connection.Database  # type: ignore[attr-defined]
        cursor.cursor = _preparing(driver)(connection.connection)
        yield cursor


@cache
def _preparing(driver: ModuleType) -> Any:
    """The driver is the one that Django has loaded: beside SQLite it would be 10 MB for nothing."""

    class Preparing(driver.RawCursor):  # type: ignore[name-defined]
        def execute(self, query: Any, params: Sequence[Any] = (), **_: Any) -> Any:
            return super().execute(query, params, prepare=len(params) <= MOST_VALUES)

    return Preparing
