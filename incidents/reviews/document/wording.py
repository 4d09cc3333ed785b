"""How a document says things: days, times, durations, counts and lists. English, UTC. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal


def day(at: datetime | date) -> str:
    """E.g. 2 March 2026."""
    at = at.astimezone(UTC) if isinstance(at, datetime) else at
    return f"{at.day} {at:%B %Y}"


def hour(at: datetime) -> str:
    """E.g. 10:02."""
    return f"{at.astimezone(UTC):%H:%M}"


def stamp(at: datetime) -> str:
    """E.g. 2026-03-02 10:02."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def period(start: datetime, end: datetime) -> str:
    """E.g. "from 10:02 to 10:44 UTC", with days where they differ."""
    if start.astimezone(UTC).date() == end.astimezone(UTC).date():
        return f"from {hour(start)} to {hour(end)} UTC"
    return f"from {stamp(start)} to {stamp(end)} UTC"


def lasting(duration: timedelta | float) -> str:
    """As prose says it: "45 seconds", "3 minutes 20 seconds", "42 minutes", "3 hours 5 minutes"."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    total = max(round(seconds), 0)
    if total < 60:
        return _count(total, "second")
    minutes = total // 60
    if minutes < 10 and total % 60:
        return f"{_count(minutes, 'minute')} {_count(total % 60, 'second')}"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _both(hours, "hour", minutes, "minute")
    return _both(hours // 24, "day", hours % 24, "hour")


def _both(many: int, unit: str, few: int, smaller: str) -> str:
    parts = [_count(many, unit)] * bool(many) + [_count(few, smaller)] * bool(few)
    return " ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """E.g. "1 update", "12,000 users"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def money(amount: Decimal, currency: str) -> str:
    """E.g. "EUR 45,000"; cents where there are any."""
    shown = f"{amount:,.0f}" if amount == amount.to_integral_value() else f"{amount:,.2f}"
    return f"{currency} {shown}".strip()


def listed(names: Sequence[str]) -> str:
    """E.g. "Ana, Ben and Cleo"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(text: str) -> str:
    """Ends with a full stop, begins large."""
    text = " ".join(text.split())
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?…" else f"{text}."


def share(part: float) -> str:
    """E.g. 194 %, 3.5 %."""
    per_cent = part * 100
    return f"{per_cent:.1f} %" if per_cent < 10 else f"{per_cent:.0f} %"
