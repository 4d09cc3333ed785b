"""What the page of a schedule shows: its week, its next turns, its rotation, its overrides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.core import panels
from incidents.oncall import picture, services
from incidents.oncall.models import Override, Participant, Schedule
from incidents.oncall.picture import Week
from incidents.timers import clock

HORIZON = timedelta(weeks=8)
TURNS_SHOWN = 7


def local(moment: datetime, zone: tzinfo) -> str:
    """As people say it: Mon 02 Mar 09:00 CET."""
    return f"{moment.astimezone(zone):%a %d %b %H:%M %Z}"


@dataclass(frozen=True)
class Moment:
    """A time in the schedule's zone, with the UTC value at hand."""

    local: str
    utc: str


def _moment(at: datetime, schedule: Schedule) -> Moment:
    return Moment(local(at, schedule.zone), local(at, UTC))


def upcoming(schedule: Schedule) -> QuerySet[Override]:
    """Its overrides in force now or later, with their people."""
    coming = schedule.overrides.upcoming(clock.now())
    return coming.select_related("user", "schedule", "created_by")


def _places(schedule: Schedule) -> list[Participant]:
    """Everybody's place now and later, lowest layer first."""
    counting = schedule.rotations.not_over(clock.now()).order_by()
    places = Participant.objects.filter(rotation__in=counting)
    ordered = places.select_related("user", "rotation").order_by(
        "rotation__layer", "rotation_id", "position"
    )
    return list(ordered)


def _week(request: HttpRequest, schedule: Schedule) -> panels.Panel:
    now = clock.now()
    asked = Week.named(request.GET.get("week", ""), schedule.zone)
    week = asked or Week.of(now, schedule.zone)
    rows = services.rows(schedule, start=week.start, end=week.end)
    order = [place.user_id for place in _places(schedule)]
    drawn = picture.draw(week, rows, order=order, now=now)
    context = {
        "week": week,
        "previous": week.shifted(-1),
        "following": week.shifted(1),
        "picture": drawn,
        "days": picture.tell(week, rows[-1], drawn),
        "gaps": picture.gaps(week, rows[-1], now=now),
    }
    return panels.Panel("The week", render_to_string("oncall/week.html", context))


def _next_turns(_request: HttpRequest, schedule: Schedule) -> panels.Panel:
    now = clock.now()
    turns = services.roster([schedule], start=now, end=now + HORIZON)[schedule.pk][:TURNS_SHOWN]
    context = {"schedule": schedule, "turns": _told(turns, schedule, now)}
    return panels.Panel("Next turns", render_to_string("oncall/turns.html", context))


def _told(
    turns: Sequence[services.Turn], schedule: Schedule, now: datetime
) -> list[dict[str, Any]]:
    """What lies beyond the window is not told, rather than told wrongly."""
    return [
        {
            "user": turn.user,
            "start": turn.start,
            "end": turn.end,
            "is_override": turn.is_override,
            "from": None if turn.start == now else _moment(turn.start, schedule),
            "until": None if turn.end == now + HORIZON else _moment(turn.end, schedule),
        }
        for turn in turns
    ]


def _rotation(_request: HttpRequest, schedule: Schedule) -> panels.Panel:
    now = clock.now()
    places = _places(schedule)
    rotations: list[Any] = list(schedule.rotations.not_over(now).select_related("schedule"))
    for rotation in rotations:
        rotation.places = [place for place in places if place.rotation == rotation]
        rotation.since = _moment(rotation.begins_at, schedule) if rotation.begins_at else None
        rotation.is_to_come = rotation.begins_at is not None and rotation.begins_at > now
        rotation.until = _moment(rotation.ends_at, schedule) if rotation.ends_at else None
    answers_for = schedule.team_assignments.select_related("team")
    context = {
        "rotations": rotations,
        "teams": ", ".join(sorted(one.team.name for one in answers_for)) or "no team",
    }
    return panels.Panel("Rotation", render_to_string("oncall/rotation.html", context))


def _overrides(_request: HttpRequest, schedule: Schedule) -> panels.Panel | None:
    overrides: list[Any] = list(upcoming(schedule))
    if not overrides:
        return None
    for override in overrides:
        override.since = _moment(override.starts_at, schedule)
        override.until = _moment(override.ends_at, schedule)
    context = {"schedule": schedule, "overrides": overrides}
    return panels.Panel("Overrides", render_to_string("oncall/overrides.html", context))


panels.register("schedule", _week, order=5)
panels.register("schedule", _next_turns, order=10)
panels.register("schedule", _rotation, order=20)
panels.register("schedule", _overrides, order=30)
