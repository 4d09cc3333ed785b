"""The only source of "now" in the house.

Engines on several hosts must agree on what is due, so the database's clock decides. Under SQLite
that is the clock of this one host. Tests move time by hand.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.db import connection

from incidents.timers.prepared import prepared


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


def now_and(columns: str, params: Sequence[Any] = ()) -> tuple[datetime, tuple[Any, ...]]:
    """The present instant and what `SELECT <columns>` gives, in one statement.

    PostgreSQL plans it once for each connection: it is asked before every single page.
    """
    if _virtual is not None or connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns}", params)
            return now(), cursor.fetchone()
    with prepared() as cursor:
        cursor.execute(_with_clock(columns), params)
        row = cursor.fetchone()
    return row[0].astimezone(UTC), row[1:]


@cache
def _with_clock(columns: str) -> str:
    first, *others = columns.split("%s")
    numbered = "".join(f"${number}{text}" for number, text in enumerate(others, start=1))
    return f"SELECT clock_timestamp(), {first}{numbered}"


def stands_at() -> datetime | None:
    """Where a virtual clock stands; None while time goes by itself, and a statement may ask."""
    return _virtual.at if _virtual is not None else None


def use(virtual: VirtualClock | None) -> None:
    """Put a virtual clock in place of the real one in this process; None: the real one again."""
    global _virtual  # noqa: PLW0603
    _virtual = virtual
