"""What this room adds to the pages of teams and people."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.core import panels
from incidents.core.models import Role, Team, User
from incidents.oncall import services
from incidents.oncall.models import Participant, Schedule, TeamSchedule
from incidents.oncall.picture import span
from incidents.timers import clock

AHEAD = timedelta(weeks=4)


def _team(request: HttpRequest, team: Team) -> panels.Panel:
    """Who is on call for the team now, and who of it never is."""
    reader: Any = request.user
    assigned = TeamSchedule.objects.filter(team=team).select_related("schedule").first()
    context = {
        "schedule": assigned.schedule if assigned else None,
        "user": services.on_call_now(assigned.schedule) if assigned else None,
        "without_turn": _without_turn(team, assigned.schedule) if assigned else [],
        "may_set": assigned is not None and reader.manages(assigned.schedule.team_id),
    }
    return panels.Panel("On call now", render_to_string("oncall/team.html", context))


def _without_turn(team: Team, schedule: Schedule) -> QuerySet[User]:
    """The team's active responders and managers who are in no rotation of the schedule."""
    counting = schedule.rotations.not_over(clock.now()).order_by()
    members = User.objects.filter(
        is_active=True,
        memberships__team=team,
        memberships__role__in=[Role.RESPONDER, Role.MANAGER],
    )
    taking_turns = Participant.objects.filter(rotation__in=counting).values("user")
    return members.exclude(pk__in=taking_turns).order_by("first_name", "last_name", "username")


def _deactivated(_request: HttpRequest, user: User) -> panels.Panel:
    """The shifts of the next four weeks, and when nobody would be on call without this person."""
    now = clock.now()
    losses = [
        {
            "schedule": loss.schedule,
            "shifts": [span(one.start, one.end, loss.schedule.zone) for one in loss.shifts],
            "gaps": [span(one.start, one.end, loss.schedule.zone) for one in loss.gaps],
        }
        for loss in services.without(user, start=now, end=now + AHEAD)
    ]
    html = render_to_string("oncall/deactivated.html", {"losses": losses})
    return panels.Panel("Shifts in the next four weeks", html)


panels.register("team", _team, order=10)
panels.register("user.deactivate", _deactivated, order=20)
