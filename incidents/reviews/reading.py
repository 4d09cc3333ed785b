"""Reads what a review's document is composed of, in a constant number of queries."""

from datetime import timedelta
from typing import Any

from incidents.core import figures, plans
from incidents.core import services as core
from incidents.core.documents import Duration, Percent, Section, Text, section_of
from incidents.core.models import CANARY, Incident, RunbookRevision, SeverityPolicy
from incidents.escalation.models import Page
from incidents.reviews import section
from incidents.reviews.document import compose, facts
from incidents.reviews.document import places_of as places_in
from incidents.reviews.document import text_of as said
from incidents.reviews.document.facts import Facts
from incidents.reviews.document.sections import Place
from incidents.reviews.models import FollowUp, FollowUpStep, Review

# How somebody declared it; everything else that is written there is the name of a monitor.
BY_HAND = {"admin", "api", "phone", "terminal"}
PLAIN = ["Summary", "Impact", "Timeline", "Root cause", "Contributing factors"]
PLAIN += ["What went well", "What could be better", "Lessons learned", "Action items"]


class Promise(Section):
    """The runbook's `slo`: what is promised to customers, as far as an error budget needs it."""

    availability: Percent | None = None
    window: Duration = timedelta(days=30)
    notes: list[Text] = []


def read(review: Review) -> Facts:
    """Everything that is known of it now."""
    incident = review.incident
    policy = core.policy_of(incident)
    return Facts(
        **_about(incident, policy),
        **_hurt(review, incident),
        entries=_entries(incident),
        marks=_marks(review),
        phases=_phases(incident, policy),
        asked=_asked(incident),
        roles=_roles(incident),
        whys=_whys(review),
        actions=_actions(review),
        no_actions_reason=review.no_actions_reason,
        steps=_steps(review),
        written=tuple(facts.Written(one.key, one.text) for one in review.sections.all()),
        sections=titles_of(incident.revision),
        held_at=review.held_at,
        facilitator=str(review.facilitator or ""),
        attendees=_attendees(review),
    )


def titles_of(revision: RunbookRevision) -> tuple[str, ...]:
    """The sections that the runbook asks for; the usual ones where it names none."""
    return tuple(section.of(revision).sections or PLAIN)


def places(review: Review) -> list[Place]:
    """The sections of its document, in order."""
    return places_in(read(review))


def text_of(review: Review, key: str) -> str:
    """What a section says now, by people's words or by itself."""
    return said(key, read(review))[0]


def document_of(review: Review) -> dict[str, Any]:
    """Composed as it is now."""
    return compose(read(review))


def has_changed(review: Review) -> bool:
    """Whether it tells something else than what was published last; without that it does.

    How far action items and steps have come since is not a correction.
    """
    last = review.revisions.order_by("-number").first()
    return last is None or _told(last.document) != _told(document_of(review))


def _told(document: dict[str, Any]) -> dict[str, Any]:
    progress = {"state", "evidence"}
    items = [
        {name: value for name, value in item.items() if name not in progress}
        for item in document["action_items"]
    ]
    return document | {"action_items": items, "follow_up": []}


# --- Of the incident ------------------------------------------------------------------------------


def _about(incident: Incident, policy: SeverityPolicy) -> dict[str, Any]:
    known = {name: getattr(incident, f"{name}_at") for name in Incident.MILESTONES}
    others = incident.affected_services.order_by("name").values_list("name", flat=True)
    return {
        "reference": incident.reference,
        "title": incident.title,
        "severity": incident.severity,
        "severity_label": policy.label,
        "severity_meaning": policy.definition,
        "incident_type": plans.title_of_type(incident),
        "service": incident.service.name,
        "team": incident.service.team.name,
        "services": tuple(others),
        "runbook": str(incident.revision),
        "outcome": incident.outcome,
        "is_drill": incident.is_drill,
        "noticed_by": noticed_by(incident),
        "milestones": {name: at for name, at in known.items() if at is not None},
        "suspected_cause": incident.suspected_cause,
        "mitigation": incident.mitigation,
        "mitigation_kind": str(incident.get_mitigation_kind_display() or ""),
        "resolution": incident.resolution,
        "slo": _slo(incident.revision),
    }


def noticed_by(incident: Incident) -> str:
    """The person who declared it, else the monitor; empty where nobody knows."""
    if incident.declared_by is not None:
        return str(incident.declared_by)
    via = incident.declared_via
    return "" if via.lower() in BY_HAND or incident.reference == CANARY else via


def _slo(revision: RunbookRevision) -> facts.Slo | None:
    promise = section_of(Promise, revision, key="slo")
    if promise.availability is None:
        return None
    return facts.Slo(promise.availability, promise.window)


def _hurt(review: Review, incident: Incident) -> dict[str, Any]:
    """What the review says; where it is silent, what was known during the incident."""
    is_known = review.data_lost != Incident.DataLoss.UNKNOWN
    has_lost = review.revenue_lost is not None
    users = review.users_affected
    return {
        "impact": review.impact or incident.impact,
        "users_affected": incident.users_affected if users is None else users,
        "revenue_lost": review.revenue_lost if has_lost else incident.revenue_lost,
        "currency": (review if has_lost else incident).currency,
        "data_lost": review.data_lost if is_known else incident.data_loss,
        "downtime_minutes": review.downtime_minutes,
        "budget_minutes": review.budget_minutes,
        "root_cause": review.root_cause or incident.root_cause,
        "contributing_factors": review.contributing_factors,
    }


def _entries(incident: Incident) -> tuple[facts.Entry, ...]:
    rows = incident.timeline.select_related("actor").order_by("at", "id")
    return tuple(
        facts.Entry(row.pk, row.kind, row.at, str(row.actor or ""), row.summary, row.data)
        for row in rows
    )


def _phases(incident: Incident, policy: SeverityPolicy) -> tuple[facts.Phase, ...]:
    found = figures.phases(incident, policy, core.calendar_of(incident))
    return tuple(facts.Phase(one.name, one.seconds, one.target, one.met) for one in found)


def _asked(incident: Incident) -> tuple[facts.Asked, ...]:
    pages = Page.objects.of(incident).select_related("user").order_by("at", "id")
    return tuple(
        facts.Asked(page.at, str(page.user), page.level, page.reason, page.acknowledged_at)
        for page in pages
    )


def _roles(incident: Incident) -> tuple[facts.Held, ...]:
    held = incident.roles.select_related("user").order_by("since", "id")
    return tuple(
        facts.Held(str(one.get_role_display()), str(one.user), one.since, one.until) for one in held
    )


# --- Of the review --------------------------------------------------------------------------------


def _marks(review: Review) -> tuple[facts.Mark, ...]:
    return tuple(
        facts.Mark(one.pk, one.entry_id, one.belongs, one.at, one.text, str(one.marked_by or ""))
        for one in review.marks.select_related("marked_by")
    )


def _whys(review: Review) -> tuple[facts.Why, ...]:
    return tuple(
        facts.Why(one.pk, one.parent_id, one.ask, one.answer, one.position)
        for one in review.whys.all()
    )


def _attendees(review: Review) -> tuple[str, ...]:
    """Who was there; before it was held, nobody."""
    if review.held_at is None:
        return ()
    coming = review.attendees.exclude(user=None).exclude(came=False).select_related("user")
    return tuple(str(one.user) for one in coming)


def _actions(review: Review) -> tuple[facts.Action, ...]:
    items = review.items.select_related("owner", "owning_team").order_by("due_on", "pk")
    return tuple(
        facts.Action(
            id=item.pk,
            title=item.title,
            detail=item.detail,
            owner=str(item.owner or item.owning_team or ""),
            priority=item.get_priority_display(),
            kind=item.get_kind_display(),
            due_on=item.due_on,
            state=item.state,
            required=item.is_required,
            why=item.why_id,
            evidence=item.evidence,
        )
        for item in items
    )


def _steps(review: Review) -> tuple[facts.Step, ...]:
    plans = review.follow_ups.select_related("owner").prefetch_related("steps__done_by")
    runs_it = str(review.facilitator or "")
    return tuple(_step(plan, step, runs_it) for plan in plans for step in plan.steps.all())


def _step(plan: FollowUp, step: FollowUpStep, runs_it: str) -> facts.Step:
    who = str(step.done_by or plan.owner or runs_it)
    note = step.note if step.is_needed else f"Not needed. {step.note}".strip()
    return facts.Step(step.text, plan.due_at, who, step.done_at, note, step.link)
