"""How long something takes, lasts or is away, in few words; live.js counts on in the same ones."""

from datetime import datetime, timedelta

MINUTE, HOUR = 60, 3600


def span(duration: timedelta | float, *, seconds: bool = False) -> str:
    """E.g. "42 s", "4 min", "3 h 05 min", "12 d 4 h"; `seconds`: "4 min 10 s" where it is short."""
    length = duration.total_seconds() if isinstance(duration, timedelta) else duration
    total = max(round(length), 0)
    minutes, hours = total // MINUTE, total // HOUR
    if minutes < 1:
        return f"{total} s"
    if minutes < 10 and seconds:
        return f"{minutes} min {total % MINUTE} s"
    if hours < 1:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60:02} min"
    return f"{hours // 24} d {hours % 24} h"


def until(due_at: datetime, now: datetime) -> str:
    """E.g. "in 4 min 10 s" or "2 min overdue"."""
    left = round((due_at - now).total_seconds())
    return f"in {span(left, seconds=True)}" if left >= 0 else f"{span(-left)} overdue"
