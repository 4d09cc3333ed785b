"""What runbooks say of action items: how long each may take, when it is asked whether it helped.

Where a runbook is silent, the defaults below apply.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Max

from incidents.core.calendar import WorkingCalendar
from incidents.core.models import Incident, Organisation, RunbookRevision, Team
from incidents.reviews import section
from incidents.reviews.daily import on_or_after
from incidents.reviews.models import ActionItem

DUE_AFTER = {
    ActionItem.Priority.HIGH: timedelta(weeks=1),
    ActionItem.Priority.MEDIUM: timedelta(weeks=2),
    ActionItem.Priority.LOW: timedelta(weeks=4),
}
ACTION_REVIEW = timedelta(weeks=2)
WATCH = timedelta(weeks=13)


def due_on(incident: Incident, priority: str, now: datetime) -> date:
    """The day by which an item of this priority is due if it is agreed now: a working day."""
    said = section.of(incident.revision).action_items.due
    wanted = ActionItem.Priority(priority)
    allowed = {"high": said.high, "medium": said.medium, "low": said.low}[wanted.value]
    return _working_day(incident, now + (allowed or DUE_AFTER[wanted]))


def proof_days(item: ActionItem, done_at: datetime) -> tuple[date, date]:
    """From which day on is asked whether it helped, and until which day a recurrence counts.

    The action review is so long after the incident was resolved; of what is done later than that,
    so long after it was done.
    """
    said = section.of(item.incident.revision)
    wait = said.action_review or ACTION_REVIEW
    over = item.incident.resolved_at or done_at
    asked_at = over + wait if over + wait > done_at else done_at + wait
    watched = done_at + (said.action_items.watch or WATCH)
    return _working_day(item.incident, asked_at), watched.date()


def _working_day(incident: Incident, at: datetime) -> date:
    calendar = calendars_of([incident.service.team])[incident.service.team_id]
    return on_or_after(calendar, day_in(calendar, at))


def working_day(team: Team, day: date) -> date:
    """The day itself, or the next on which the team works."""
    return on_or_after(calendars_of([team])[team.pk], day)


def day_in(calendar: WorkingCalendar, at: datetime) -> date:
    return at.astimezone(ZoneInfo(calendar.zone)).date()


def calendars_of(teams: Iterable[Team]) -> dict[int, WorkingCalendar]:
    """By id: each team's working days, of its runbook, its zone and the organisation's country.

    Three queries. Equal calendars are one, so that holidays are worked out once.
    """
    home, teams = Organisation.current(), list(teams)
    chosen = {team.pk: team.runbook or home.runbook for team in teams}
    stored = _working_hours(set(chosen.values()))
    known: dict[WorkingCalendar, WorkingCalendar] = {}
    found = {}
    for team in teams:
        calendar = WorkingCalendar.of(
            stored.get(chosen[team.pk], {}),
            zone=team.timezone,
            country=home.country,
            subdivision=home.subdivision,
        )
        found[team.pk] = known.setdefault(calendar, calendar)
    return found


def _working_hours(slugs: set[str]) -> dict[str, dict[str, object]]:
    """By slug: what the current edition of each runbook says."""
    latest = RunbookRevision.objects.filter(slug__in=slugs).values("slug").annotate(at=Max("pk"))
    rows = RunbookRevision.objects.filter(pk__in=latest.values("at"))
    return dict(rows.values_list("slug", "working_calendar"))
