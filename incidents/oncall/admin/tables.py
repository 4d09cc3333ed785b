"""What the page of a schedule shows: its next turns, its rotation, its overrides."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from incidents.core import panels
from incidents.oncall import services
from incidents.oncall.models import Override, Schedule
from incidents.oncall.services import Turn
from incidents.timers import clock

HORIZON = timedelta(weeks=8)
TURNS_SHOWN = 7


def local(moment: datetime, zone: tzinfo) -> str:
    """As people say it: Mon 02 Mar 09:00 CET."""
    return f"{moment.astimezone(zone):%a %d %b %H:%M %Z}"


def upcoming(schedule: Schedule) -> QuerySet[Override]:
    """Its overrides in force now or later, with their people."""
    coming = schedule.overrides.upcoming(clock.now())
    return coming.select_related("user", "schedule", "created_by")


def _next_turns(_request: HttpRequest, schedule: Schedule) -> panels.Panel:
    now = clock.now()
    turns = services.roster([schedule], start=now, end=now + HORIZON)[schedule.pk]
    rows = [_turn_row(turn, schedule.zone, now, now + HORIZON) for turn in turns[:TURNS_SHOWN]]
    headings = ["Person", f"From ({schedule.timezone})", "Until", "From (UTC)", "Until (UTC)", ""]
    return panels.Panel("Next turns", _table(headings, rows))


def _turn_row(turn: Turn, zone: tzinfo, now: datetime, horizon: datetime) -> list[str]:
    """What lies beyond the window is not told, rather than told wrongly."""
    times = []
    for shown_in in [zone, UTC]:
        times.append("now" if turn.start == now else local(turn.start, shown_in))
        times.append("—" if turn.end == horizon else local(turn.end, shown_in))
    return [str(turn.user or "Nobody"), *times, "override" if turn.is_override else ""]


def _rotation(_request: HttpRequest, schedule: Schedule) -> panels.Panel:
    rotation = schedule.rotations.select_related("schedule").order_by("layer").first()
    answers_for = schedule.team_assignments.select_related("team")
    teams = ", ".join(sorted(assignment.team.name for assignment in answers_for)) or "no team"
    if rotation is None:
        text = "No rotation yet: nobody is on call but by an override."
        return panels.Panel("Rotation", format_html("<p>{}</p><p>Answers for {}.</p>", text, teams))
    people = rotation.participants.select_related("user").order_by("position")
    places = format_html_join(
        "",
        "<li>{}{}</li>",
        (
            (place.user, "" if place.user.is_active else " (deactivated: nobody in this turn)")
            for place in people
        ),
    )
    html = format_html(
        '<p>{}, from {} on</p><ol class="list-decimal pl-6 my-2">{}</ol><p>Answers for {}.</p>',
        *(rotation, f"{rotation.starts_on:%a %d %b %Y}", places or "Nobody takes part.", teams),
    )
    return panels.Panel("Rotation", html)


def _overrides(_request: HttpRequest, schedule: Schedule) -> panels.Panel | None:
    rows = [
        [
            str(override.user) + ("" if override.user.is_active else " (deactivated: no effect)"),
            *(local(moment, schedule.zone) for moment in (override.starts_at, override.ends_at)),
            *(local(moment, UTC) for moment in (override.starts_at, override.ends_at)),
            override.reason,
            str(override.created_by or "Tocsin"),
        ]
        for override in upcoming(schedule)
    ]
    if not rows:
        return None
    headings = ["Person", f"From ({schedule.timezone})", "Until", "From (UTC)", "Until (UTC)"]
    return panels.Panel("Overrides", _table([*headings, "Reason", "Made by"], rows))


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> SafeString:
    head = format_html_join(
        "",
        '<th scope="col" class="pr-4 py-1 text-left whitespace-nowrap">{}</th>',
        ((heading,) for heading in headings),
    )
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        (
            (
                format_html_join(
                    "",
                    '<td class="pr-4 py-1 whitespace-nowrap">{}</td>',
                    ((cell,) for cell in row),
                ),
            )
            for row in rows
        ),
    )
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)


panels.register("schedule", _next_turns, order=10)
panels.register("schedule", _rotation, order=20)
panels.register("schedule", _overrides, order=30)
