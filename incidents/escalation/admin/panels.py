"""What this room adds to pages: the ladder, where it is assigned, and what teams are asked by."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.core import panels
from incidents.core.models import Service, Severity, Team, User
from incidents.escalation import services
from incidents.escalation.models import EscalationPolicy, PolicyAssignment
from incidents.escalation.wording import duration_text
from incidents.notifications import services as notifications
from incidents.timers import clock


def _ladder(request: HttpRequest, policy: EscalationPolicy) -> panels.Panel:
    teams = services.teams_of(policy)
    asked = request.GET.get("team")
    team = next((team for team in teams if team.slug == asked), next(iter(teams), None))
    view = services.see_ladder(policy, team or Team(), now=clock.now())
    context = {
        "policy": policy,
        "team": team,
        "teams": teams,
        "ladder": {"steps": [_told(step) for step in view.steps]},
        "waits": bool(view.lap),
        "lap": duration_text(view.lap),
        "total": _when(view.total),
        "expiry": duration_text(policy.acknowledgement_expiry or view.lap),
        "last_resorts": [address.masked for address in notifications.last_resorts()],
    }
    return panels.Panel("The ladder", render_to_string("escalation/policy/ladder.html", context))


def _when(after: timedelta) -> str:
    return f"after {duration_text(after)}" if after else "at once"


def _told(step: services.Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "meant": ", ".join(step.meant) or "nobody",
        "people": [{"name": str(person), "is_lost": person in step.lost} for person in step.people],
        "reached": step.is_waited_for,
        "absence": step.absence,
        "when": _when(step.after),
        "timeout": duration_text(step.timeout),
    }


def _assigned(_request: HttpRequest, policy: EscalationPolicy) -> panels.Panel:
    assignments = policy.assignments.select_related("service", "team").order_by(
        "service__name", "team__name", "severity"
    )
    context = {"assignments": assignments}
    return panels.Panel(
        "Where it applies", render_to_string("escalation/policy/assigned.html", context)
    )


def _service(_request: HttpRequest, service: Service) -> panels.Panel:
    """Which policy says who is asked, severity by severity where that differs."""
    chosen = services.assignments_of(service)
    rows: list[tuple[str, PolicyAssignment | None]] = list(chosen.items())
    if len(set(chosen.values())) == 1:
        rows = [("Every severity", chosen[Severity.SEV1])]
    context = {"rows": [row for row in rows if row[1]]}
    return panels.Panel("Who is asked", render_to_string("escalation/policy/service.html", context))


def _team(_request: HttpRequest, team: Team) -> panels.Panel:
    assignments = (
        PolicyAssignment.objects.filter(team=team).select_related("policy").order_by("severity")
    )
    context = {"rows": [(one.severity or "Every severity", one) for one in assignments]}
    return panels.Panel(
        "Escalation policy", render_to_string("escalation/policy/service.html", context)
    )


def _deactivated(_request: HttpRequest, user: User) -> panels.Panel:
    """The levels that would ask nobody any more without this person."""
    now = clock.now()
    known = {hole.place for hole in services.check_ladders(now=now).holes}
    holes = services.check_ladders(now=now, without=user).holes
    context = {"holes": [hole for hole in holes if hole.place not in known]}
    return panels.Panel(
        "Levels that would ask nobody",
        render_to_string("escalation/policy/deactivated.html", context),
    )


panels.register("escalationpolicy", _ladder, order=10)
panels.register("escalationpolicy", _assigned, order=20)
panels.register("service", _service, order=20)
panels.register("team", _team, order=20)
panels.register("user.deactivate", _deactivated, order=30)
