"""Times and words as an audience reads them. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def both_times(at: datetime, zone: str) -> str:
    """E.g. "2026-03-02 14:03 CET (13:03 UTC)"; just UTC for readers who live in it."""
    utc = at.astimezone(UTC)
    try:
        local = at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        local = utc
    if local.tzname() == "UTC":
        return f"{utc:%Y-%m-%d %H:%M} UTC"
    day = "" if local.date() == utc.date() else f"{utc:%Y-%m-%d} "
    return f"{local:%Y-%m-%d %H:%M %Z} ({day}{utc:%H:%M} UTC)"


def spoken(duration: timedelta) -> str:
    """E.g. "45 seconds", "15 minutes", "1 hour 5 minutes", "3 days 2 hours"."""
    seconds = max(round(duration.total_seconds()), 0)
    if seconds < 60:
        return _counted(seconds, "second")
    minutes = seconds // 60
    if minutes < 60:
        return _counted(minutes, "minute")
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return _joined(_counted(hours, "hour"), rest, "minute")
    days, rest = divmod(hours, 24)
    return _joined(_counted(days, "day"), rest, "hour")


def names(people: Sequence[object]) -> str:
    """E.g. "Alice, Bob and Carol"."""
    told = [str(person) for person in people]
    if len(told) < 2:
        return "".join(told)
    return f"{', '.join(told[:-1])} and {told[-1]}"


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _joined(start: str, rest: int, unit: str) -> str:
    return f"{start} {_counted(rest, unit)}" if rest else start
