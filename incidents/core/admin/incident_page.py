"""What the page of one incident shows: the banner, the story, the facts beside it.

Each of the three is a fragment that live.js fetches again; queries do not grow with the rows.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from incidents.core import criteria, figures, panels, procedures, services, story
from incidents.core.admin import forms
from incidents.core.errors import Unmet
from incidents.core.models import (
    Incident,
    IncidentRole,
    Kind,
    RoleAssignment,
    SeverityPolicy,
    Status,
    TimelineEntry,
)
from incidents.core.services.facts import MILESTONES
from incidents.timers import clock
from incidents.timers.wording import span

MOST_ENTRIES = 100
# Criteria that the form of resolving asks for itself.
ASKED = {"suspected_cause", "mitigation", "mitigation_kind", "root_cause"}
TARGETS = {
    "detect": "Detect it",
    "respond": "Respond",
    "identify": "Find the cause",
    "mitigate": "Start mitigating",
    "resolve": "Resolve it",
}


@dataclass(frozen=True)
class Step:
    """One of the four states: passed, present or ahead."""

    label: str
    at: datetime | None
    place: str


@dataclass(frozen=True)
class Target:
    """One target: `state` is met, missed, overdue (missed and not reached yet) or ahead."""

    label: str
    state: str
    due_at: datetime | None
    took: str
    allowed: str


@dataclass(frozen=True)
class Milestone:
    """One milestone; `was` is the value before its last correction."""

    name: str
    label: str
    at: datetime | None
    was: datetime | None
    is_corrected: bool
    why: str


@dataclass(frozen=True)
class Told:
    """An entry of the timeline with its sign."""

    entry: TimelineEntry
    telling: story.Telling
    who: str


def banner(incident: Incident, now: datetime) -> dict[str, Any]:
    """Where it stands, who has it, which target is next, what it takes to resolve it."""
    policy = services.policy_of(incident)
    goals = targets(incident, policy, now)
    held = {role.role: role.user for role in _held(incident)}
    return {
        "severity_label": policy.label,
        "steps": steps(incident),
        "commander": held.get(IncidentRole.COMMANDER),
        "late": [goal for goal in goals if goal.state in {"missed", "overdue"}],
        "next_target": min(
            (goal for goal in goals if goal.state == "ahead"),
            key=lambda goal: goal.due_at or now,
            default=None,
        ),
        "missing": missing(incident, now) if incident.is_open else (),
        "resolvable_from": services.observed_until(incident, now),
        "lasted": span((incident.resolved_at or now) - incident.declared_at),
    }


def timeline(incident: Incident, request: HttpRequest) -> dict[str, Any]:
    """The story by days, newest first, narrowed and cut as the address says."""
    show = request.GET.get("show", "")
    show = show if show in story.FILTERS else ""
    entries = incident.timeline.filter(story.FILTERS[show][1]).select_related("actor")
    total, all_of_it = entries.count(), "all" in request.GET
    newest = entries.order_by("-at", "-id")
    shown = newest if all_of_it else newest[:MOST_ENTRIES]
    return {
        "days": [(day, list(told)) for day, told in groupby(map(_told, shown), key=_day)],
        "total": total,
        "cut": not all_of_it and total > MOST_ENTRIES,
        "show": show,
        "all_of_it": all_of_it,
        "filters": [(name, words) for name, (words, _) in story.FILTERS.items()],
    }


def facts(incident: Incident, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """What stands beside the story, with the panels of the rooms above."""
    held = {role.role: role for role in _held(incident)}
    return {
        "targets": targets(incident, services.policy_of(incident), now),
        "roles": [(role, held.get(role)) for role in IncidentRole],
        "milestones": milestones(incident),
        "attestations": incident.attestations.select_related("attested_by").order_by("-at")[:20],
        "affected": list(incident.affected_services.order_by("name")),
        "audience": incident.audience.order_by("username") if incident.is_private else (),
        "links": links(incident, request.user),
        "panels": panels.render("incident", request, incident),
    }


def plan(incident: Incident) -> dict[str, Any]:
    """What its runbook wants done, and what was put on the checklist by hand."""
    items = procedures.items_of(incident)
    return {
        "followed": procedures.followed(incident, items),
        "cards": procedures.checklists(incident, items),
    }


def in_place(incident: Incident, user: Any) -> dict[str, Any]:
    """The small forms on the page; they post to the verbs' own addresses."""
    return {
        "severity_form": forms.SeverityForm(subject=incident, user=user, auto_id="severity-%s"),
        "note_form": forms.NoteForm(subject=incident, user=user, auto_id="note-%s"),
        "people": list(forms.responders_for(incident)),
    }


# --- Pieces ---------------------------------------------------------------------------------------


def steps(incident: Incident) -> list[Step]:
    reached = [
        *(incident.declared_at, incident.identified_at),
        *(incident.mitigating_at, incident.resolved_at),
    ]
    here = criteria.ORDER.index(Status(incident.status))
    places = ["passed"] * here + ["present"] + ["ahead"] * (len(criteria.ORDER) - here - 1)
    return [
        Step(str(status.label), at, place)
        for status, at, place in zip(criteria.ORDER, reached, places, strict=True)
    ]


def targets(incident: Incident, policy: SeverityPolicy, now: datetime) -> list[Target]:
    """The targets that are set, and how they stand; figures are judged by `core.figures`."""
    phases = figures.phases(incident, policy, services.calendar_of(incident))
    wanted = [phase for phase in phases if phase.target is not None or phase.due_at is not None]
    return [_target(phase, incident, now) for phase in wanted]


def _target(phase: figures.Phase, incident: Incident, now: datetime) -> Target:
    met = phase.met
    if phase.name == "resolve" and met is None and incident.recovered_at and phase.due_at:
        # It may still relapse; while it works nobody is running late.
        met = incident.recovered_at <= phase.due_at
    if met is not None:
        state = "met" if met else "missed"
    elif phase.due_at is None or not incident.is_open:
        state = "unknown"
    else:
        state = "overdue" if phase.due_at < now else "ahead"
    took = "" if phase.seconds is None else span(phase.seconds)
    allowed = "by the next working day" if phase.target is None else span(phase.target)
    return Target(TARGETS[phase.name], state, phase.due_at, took, allowed)


def missing(incident: Incident, now: datetime) -> list[Unmet]:
    """What stands in the way of resolving; of what kind the cure is, is asked together with it."""
    found = services.unmet_of(incident, now, target=Status.RESOLVED)
    return [criterion for criterion in found if criterion.code != "mitigation_kind"]


def milestones(incident: Incident) -> list[Milestone]:
    corrections: dict[str, dict[str, Any]] = {}
    entries = incident.timeline.filter(kind=Kind.MILESTONE_CORRECTED).order_by("id")
    for data in entries.values_list("data", flat=True):
        corrections[data["milestone"]] = data
    return [
        _milestone(incident, name, label, corrections.get(name))
        for name, label in MILESTONES.items()
    ]


def _milestone(
    incident: Incident, name: str, label: str, correction: dict[str, Any] | None
) -> Milestone:
    known = correction or {}
    was = datetime.fromisoformat(known["old"]) if known.get("old") else None
    at = getattr(incident, f"{name}_at")
    return Milestone(name, label, at, was, bool(correction), known.get("reason", ""))


def links(incident: Incident, user: Any) -> list[tuple[str, Incident]]:
    """Incidents that belong to this one, as far as this person may see them."""
    above = [pk for pk in [incident.duplicate_of_id, incident.recurrence_of_id] if pk]
    seen = Incident.objects.visible_to(user)
    found = [
        ("Merged into" if row.pk == incident.duplicate_of_id else "Recurrence of", row)
        for row in (seen.filter(pk__in=above) if above else ())
    ]
    return [
        *found,
        *(("Merged into this", row) for row in _newest(seen.filter(duplicate_of=incident))),
        *(("Came back as", row) for row in _newest(seen.filter(recurrence_of=incident))),
    ]


def _newest(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    return incidents.order_by("-declared_at")[:20]


def _held(incident: Incident) -> QuerySet[RoleAssignment]:
    return incident.roles.filter(until=None).select_related("user")


def _told(entry: TimelineEntry) -> Told:
    return Told(entry, story.telling_of(entry), story.who_did(entry))


def _day(told: Told) -> Any:
    return timezone.localtime(told.entry.at).date()


def _before_resolving(_request: HttpRequest, incident: Incident) -> panels.Panel | None:
    """On the page that asks for the rest: what no answer there will satisfy."""
    found = missing(incident, clock.now())
    rest = [criterion for criterion in found if criterion.code not in ASKED]
    if not rest:
        return None
    rows = format_html_join("", "<li>{}</li>", ((criterion.message,) for criterion in rest))
    return panels.Panel(
        "Before it can be resolved", format_html('<ul class="t-list">{}</ul>', rows)
    )


panels.register("incident.resolve", _before_resolving)
