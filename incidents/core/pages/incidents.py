"""What a responder needs on a phone: what is open, and one incident with its next move."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Case, Exists, OuterRef, Prefetch, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from incidents.core import panels, procedures, services
from incidents.core.models import Incident, RoleAssignment, SeverityPolicy, Status
from incidents.core.pages.moves import arrange, verbs_for
from incidents.timers import clock
from incidents.timers.wording import span

MOST_LISTED = 100
RECENT = timedelta(days=7)
STORY = 30
LONGEST_STORY = 1_000
PARTS = {
    "now": "pocket/incident_now.html",
    "plan": "pocket/incident_plan.html",
    "story": "pocket/incident_story.html",
}


@require_safe
@login_required
def front(request: HttpRequest) -> HttpResponse:
    """Managers start in the cockpit, responders with what is open."""
    user: Any = request.user
    return redirect("admin:index" if user.opens_admin else "home")


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Mine first, then what nobody has, the worst first. The same queries for any number."""
    now = clock.now()
    incidents = list(_open_ones(request.user)[: MOST_LISTED + 1])
    shown = incidents[:MOST_LISTED]
    context = {
        "here": "incidents",
        "rows": _rows(shown, now),
        "there_are_more": len(incidents) > MOST_LISTED,
        "now": now,
    }
    is_live = request.headers.get("X-Requested-With") == "live"
    return render(request, "pocket/home_list.html" if is_live else "pocket/home.html", context)


@require_safe
@login_required
def resolved(request: HttpRequest) -> HttpResponse:
    """What was over in the last 7 days, newest first."""
    since = (now := clock.now()) - RECENT
    found = Incident.objects.visible_to(request.user).with_context().filter(resolved_at__gte=since)
    incidents = list(found.filter(status=Status.RESOLVED).order_by("-resolved_at")[:MOST_LISTED])
    context = {"here": "incidents", "rows": _rows(incidents, now)}
    return render(request, "pocket/resolved.html", context)


@require_safe
@login_required
def incident(request: HttpRequest, reference: str) -> HttpResponse:
    """One incident; `?part=` answers a piece of the page, for keeping it up to date."""
    subject = visible(request, reference)
    template = PARTS.get(request.GET.get("part", ""), "pocket/incident.html")
    return render(request, template, facts_of(request, subject))


def visible(request: HttpRequest, reference: str) -> Incident:
    """The incident in the address; 404 also where it must stay unseen."""
    seen = Incident.objects.visible_to(request.user).with_context()
    return get_object_or_404(seen, reference=reference)


def facts_of(request: HttpRequest, subject: Incident) -> dict[str, Any]:
    """What the page shows."""
    longest = LONGEST_STORY if "all" in request.GET else STORY
    newest = subject.timeline.select_related("actor").order_by("-at", "-id")
    entries = list(newest[: longest + 1])
    offered, now = verbs_for(request.user, subject), clock.now()
    items = procedures.items_of(subject)
    policy = services.policy_of(subject)
    return {
        "here": "incidents",
        "incident": subject,
        "severity": policy.label,
        "resolvable_from": services.observed_until(subject, now),
        "followed": procedures.followed(subject, items),
        "cards": procedures.checklists(subject, items),
        "can_act": "tick" in offered,
        "roles": subject.roles.filter(until=None).select_related("user").order_by("since"),
        "entries": entries[:longest],
        "there_are_more": len(entries) > longest and longest == STORY,
        # Of what is shown here, so that nothing counts as seen that came a moment later.
        "seen": max((entry.pk for entry in entries), default=0),
        "panels": panels.render("pocket-incident", request, subject),
        "now": now,
        "age": _age(subject, now),
        **arrange(offered, subject, request.user),
    }


def _open_ones(user: Any) -> QuerySet[Incident]:
    held = RoleAssignment.objects.filter(incident=OuterRef("pk"), user=user, until=None)
    mine = Case(When(Q(acknowledged_by=user) | Exists(held), then=Value(True)), default=False)
    roles = RoleAssignment.objects.filter(until=None).select_related("user")
    return (
        Incident.objects.open()
        .visible_to(user)
        .with_context()
        .annotate(is_mine=mine)
        .prefetch_related(Prefetch("roles", roles, to_attr="held_roles"))
        .order_by("-is_mine", "is_acknowledged", "severity", "-pk")
    )


def _rows(incidents: list[Incident], now: datetime) -> list[tuple[Incident, str, str]]:
    """Each with its severity as people say it, in one query, and how long it has lasted."""
    policies = SeverityPolicy.objects.filter(revision__in={row.revision_id for row in incidents})
    known = {(policy.revision_id, policy.severity): policy.label for policy in policies}
    return [
        (row, known.get((row.revision_id, row.severity), row.severity), _age(row, now))
        for row in incidents
    ]


def _age(incident: Incident, now: datetime) -> str:
    return span((incident.resolved_at or now) - incident.clock_starts_at)
