"""The schedule that a team begins with: good enough to be paged by, easy to change."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from incidents.core.errors import DomainError
from incidents.core.models import Role, Team, User
from incidents.oncall.models import Rotation, Schedule, TeamSchedule, Weekday
from incidents.oncall.services.changing import assign_schedule, create_schedule, set_rotation
from incidents.timers import clock

HANDOVER = time(9)


@transaction.atomic
def default_schedule_for(team: Team, *, actor: User | None) -> Schedule:
    """The team's responders and managers, a week each from Monday 09:00 in the team's zone.

    It answers for the team at once. Raises DomainError where the team has a schedule or nobody.
    """
    team = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    _refuse_a_second_one(team)
    people = list(
        User.objects.filter(
            is_active=True,
            memberships__team=team,
            memberships__role__in=[Role.RESPONDER, Role.MANAGER],
        ).order_by("memberships__pk")
    )
    if not people:
        raise DomainError(
            f"{team} has no active responder or manager: add people to the team first."
        )
    schedule = create_schedule(
        name=f"{team.name[:110]} on call",
        slug=_free_slug(team),
        team=team,
        timezone=team.timezone,
        actor=actor,
    )
    set_rotation(
        schedule,
        kind=Rotation.Kind.WEEKLY,
        handover_weekday=Weekday.MONDAY,
        handover_time=HANDOVER,
        starts_on=_last_handover(clock.now(), schedule.zone),
        people=people,
        actor=actor,
    )
    assign_schedule(team, schedule=schedule, actor=actor)
    return schedule


def _refuse_a_second_one(team: Team) -> None:
    assigned = TeamSchedule.objects.filter(team=team).select_related("schedule").first()
    if assigned is not None:
        raise DomainError(
            f"{assigned.schedule} answers for {team} already: change its rotation instead."
        )
    idle = Schedule.objects.filter(team=team).order_by("pk").first()
    if idle is not None:
        raise DomainError(
            f"{team} has the schedule {idle}, which does not answer for it: open that one and "
            "make it the schedule of the team."
        )


def _last_handover(now: datetime, zone: ZoneInfo) -> date:
    """The Monday on which this week's turn began, so that somebody is on call from now on."""
    day = (now.astimezone(zone).replace(tzinfo=None) - timedelta(hours=HANDOVER.hour)).date()
    return day - timedelta(days=day.weekday())


def _free_slug(team: Team) -> str:
    slug = f"{team.slug[:50]}-on-call"
    return f"{slug}-{team.pk}" if Schedule.objects.filter(slug=slug).exists() else slug
