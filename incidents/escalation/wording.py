"""What people read when they are asked. Short: the first line says what is wrong."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings

from incidents.core import plans
from incidents.core.models import Incident, User
from incidents.notifications.services import Link

LONGEST_TITLE = 120
LONGEST_TYPE = 60
LONGEST_DESCRIPTION = 500


def duration_text(duration: timedelta) -> str:
    """E.g. "90 s", "5 min", "2 h 30 min", "3 d"."""
    seconds = round(duration.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    minutes, days = round(seconds / 60), seconds // 86_400
    if minutes < 120:
        return f"{minutes} min"
    if days >= 2:
        return f"{days} d"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def subject_of(incident: Incident, severity: str, *, before: str = "") -> str:
    """E.g. "SEV1 Checkout: Orders vanish · Data loss (INC-2026-03-02-001)".

    `severity` as people say it, the type as its runbook calls it. The incident's label, e.g.
    [DRILL], is put before it on its way out.
    """
    title = _cut(" ".join(incident.title.split()), LONGEST_TITLE)
    kind = _cut(plans.title_of_type(incident), LONGEST_TYPE)
    what = f"{title} · {kind}" if kind and kind.casefold() not in title.casefold() else title
    return f"{before}{severity} {incident.service}: {what} ({incident.reference})"


def page_body(
    incident: Incident, user: User, *, now: datetime, asked: str, prompt: str = ""
) -> str:
    """The text of a page; `asked` says on what ground this person is asked."""
    since, back = incident.started_at or incident.clock_starts_at, incident.recovered_at
    lines = [
        incident.title,
        f"{incident.service}, since {local_time(since, user.timezone)}, {_ago(now - since)}",
        *([f"It works again since {local_time(back, user.timezone)}."] if back else []),
        asked,
        *([prompt] if prompt else []),
        *(["", shortened(incident.description)] if incident.description else []),
    ]
    return "\n".join(lines)


def shortened(description: str) -> str:
    """As much of it as a page carries."""
    return _cut(description, LONGEST_DESCRIPTION)


def ticket_body(incident: Incident, user: User, *, asked: str, due_at: datetime) -> str:
    """The text of a ticket: no hurry, but a deadline."""
    back = incident.recovered_at
    lines = [
        incident.title,
        f"{incident.service}. {asked}",
        *([f"It works again since {local_time(back, user.timezone)}."] if back else []),
        f"Acknowledge it by {local_time(due_at, user.timezone)}, or it will page.",
    ]
    return "\n".join(lines)


def last_resort_body(incident: Incident, reason: str, now: datetime) -> str:
    """The text for whoever must act when nobody is left to be asked."""
    since = incident.clock_starts_at
    lines = [
        f"Nobody has acknowledged this incident: {reason}.",
        incident.title,
        f"{incident.service}, since {since:%Y-%m-%d %H:%M} UTC, {_ago(now - since)}",
        "Find somebody who takes it, or acknowledge it yourself.",
    ]
    return "\n".join(lines)


def acknowledge_link(token: str) -> Link:
    """Where one person acknowledges one incident, without logging in."""
    return Link("Acknowledge", f"{settings.PUBLIC_URL}/a/{token}/")


def incident_link(incident: Incident) -> Link:
    """Where everybody who logs in and may see it finds it, made for a phone."""
    # Not by reverse(), which raises for a reference that it does not like: no page is lost for it.
    path = f"/i/{quote(incident.reference, safe='')}/"
    return Link("Open the incident", f"{settings.PUBLIC_URL}{path}")


def local_time(at: datetime, zone: str) -> str:
    """E.g. "14:03 CET (13:03 UTC)", with the date; just UTC for readers who live in it."""
    utc = at.astimezone(UTC)
    try:
        local = at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        local = utc
    if local.tzname() == "UTC":
        return f"{utc:%Y-%m-%d %H:%M} UTC"
    return f"{local:%Y-%m-%d %H:%M %Z} ({utc:%H:%M} UTC)"


def names(people: Sequence[object]) -> str:
    """E.g. "Alice, Bob and Carol"."""
    told = [str(person) for person in people]
    if len(told) < 2:
        return "".join(told)
    return f"{', '.join(told[:-1])} and {told[-1]}"


def _ago(duration: timedelta) -> str:
    if duration < timedelta(seconds=5):
        return "just now"
    return f"for {duration_text(duration)}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
