"""How messages about reviews are worded. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from incidents.core.documents import duration_text


def both_times(at: datetime, zone: str) -> str:
    """E.g. "Wednesday 4 March 2026, 14:00 CET (13:00 UTC)"; just UTC for who lives in it."""
    utc = at.astimezone(UTC)
    try:
        local = at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        local = utc
    day = f"{local:%A} {local.day} {local:%B %Y}"
    if local.tzname() == "UTC":
        return f"{day}, {local:%H:%M} UTC"
    return f"{day}, {local:%H:%M %Z} ({_of_day(utc, local)}{utc:%H:%M} UTC)"


def _of_day(utc: datetime, local: datetime) -> str:
    return "" if utc.date() == local.date() else f"{utc:%a} "


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def lasting(duration: timedelta) -> str:
    """E.g. "55 min", "1 h 30 min"."""
    return duration_text(duration)


def days_late(deadline: datetime, now: datetime) -> str:
    """E.g. "1 day", "9 days"; never less than one: a day is the grace."""
    days = max(round((now - deadline) / timedelta(days=1)), 1)
    return f"{days} day{'' if days == 1 else 's'}"
