"""The only source of "now" in the house.

Engines on several hosts must agree on what is due, so the database's clock decides. Under SQLite
that is the clock of this one host. Tests move time by hand.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection


class VirtualClock:
    """A clock that stands still until it is told to move. For tests and simulations."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def forward(self, **duration: float) -> datetime:
        """Move on by `duration`, given as to `timedelta`; returns the new now."""
        self.at += timedelta(**duration)
        return self.at


_virtual: VirtualClock | None = None


def now() -> datetime:
    """The present instant, aware, in UTC."""
    if _virtual is not None:
        return _virtual.at
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            return cursor.fetchone()[0].astimezone(UTC)
    return datetime.now(UTC)


def now_and(columns: str) -> tuple[datetime, tuple[Any, ...]]:
    """The present instant and what `SELECT <columns>` gives, in one statement."""
    asks_database = _virtual is None and connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {'clock_timestamp(), ' if asks_database else ''}{columns}")
        row = cursor.fetchone()
    return (row[0].astimezone(UTC), row[1:]) if asks_database else (now(), row)


def use(virtual: VirtualClock | None) -> None:
    """Put a virtual clock in place of the real one in this process; None: the real one again."""
    global _virtual  # noqa: PLW0603
    _virtual = virtual
