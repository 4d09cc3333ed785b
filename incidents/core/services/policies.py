"""Runbook revisions: which one applies, publishing a new one, the built-in default."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from incidents.core.calendar import WorkingCalendar
from incidents.core.configuration import remembered
from incidents.core.documents import digest_of_document
from incidents.core.errors import DomainError
from incidents.core.figures import by_working_day, responded_at, target_due_at
from incidents.core.models import (
    Incident,
    Kind,
    Organisation,
    RunbookRevision,
    Service,
    Severity,
    SeverityPolicy,
    Team,
)
from incidents.timers import clock
from incidents.timers import services as timers

TARGETS = ["respond", "identify", "mitigate", "resolve"]

# What applies until a runbook is chosen; the severe half follows what the five runbooks share.
_minutes = lambda n: timedelta(minutes=n)  # noqa: E731
DEFAULT_POLICIES: list[dict[str, Any]] = [
    {
        "severity": Severity.SEV1,
        "label": "SEV1",
        "definition": "Complete outage, data loss or a security breach.",
        "respond_target": _minutes(5),
        "identify_target": _minutes(30),
        "mitigate_target": _minutes(60),
        "resolve_target": _minutes(240),
        "update_cadence": _minutes(15),
        "monitoring_window": _minutes(10),
        "required_roles": ["commander", "technical_lead", "communications_lead", "scribe"],
        "resolution_criteria": ["root_cause", "mitigation", "healthy"],
    },
    {
        "severity": Severity.SEV2,
        "label": "SEV2",
        "definition": "A major function is unavailable or badly degraded.",
        "respond_target": _minutes(15),
        "identify_target": _minutes(60),
        "mitigate_target": _minutes(120),
        "resolve_target": _minutes(480),
        "update_cadence": _minutes(30),
        "monitoring_window": _minutes(10),
        "required_roles": ["commander"],
        "resolution_criteria": ["root_cause", "mitigation", "healthy"],
    },
    {
        "severity": Severity.SEV3,
        "label": "SEV3",
        "definition": "A minor function is degraded; there is a way around it.",
        "response": SeverityPolicy.Response.TICKET,
        "respond_target": _minutes(240),
        "resolve_target": timedelta(hours=24),
        "business_hours": True,
        "resolution_criteria": ["mitigation"],
    },
    {
        "severity": Severity.SEV4,
        "label": "SEV4",
        "definition": "Cosmetic, or of very low impact.",
        "response": SeverityPolicy.Response.TICKET,
        "respond_target": timedelta(hours=8),
        "resolve_target": timedelta(hours=40),
        "business_hours": True,
        "resolution_criteria": [],
    },
]


@transaction.atomic
def publish_revision(
    *,
    slug: str,
    title: str,
    policies: Sequence[dict[str, Any]],
    **facts: Any,
) -> RunbookRevision:
    """A new edition of runbook `slug`; incidents in flight keep the one they have.

    `policies`: SeverityPolicy fields, one dict a severity. `facts`: RunbookRevision fields. Raises
    DomainError where no address of a page could hold the references.
    """
    if "/" in facts.get("reference_format", ""):
        raise DomainError(
            "A reference cannot have a slash in it: it is part of the address of its page.",
            code="reference_format",
            field="reference_format",
        )
    last = RunbookRevision.objects.current(slug)
    revision = RunbookRevision.objects.create(
        slug=slug,
        title=title,
        version=(last.version if last else 0) + 1,
        created_at=clock.now(),
        digest=digest_of_document(facts.get("document", {})),
        **facts,
    )
    SeverityPolicy.objects.bulk_create(
        SeverityPolicy(revision=revision, **policy) for policy in policies
    )
    return revision


def choose_runbook(
    slug: str,
    *,
    team: Team | None = None,
    service: Service | None = None,
    by_default: bool = False,
) -> None:
    """Have incidents of this team or service, or of all that choose none, begin under `slug`."""
    if team is not None:
        Team.objects.filter(pk=team.pk).update(runbook=slug)
    if service is not None:
        Service.objects.filter(pk=service.pk).update(runbook=slug)
    if by_default:
        Organisation.objects.update_or_create(pk=1, defaults={"runbook": slug})


def revision_for(service: Service) -> RunbookRevision:
    """The current revision of the service's, its team's or the organisation's runbook.

    A runbook that is missing never stops a declaration: the built-in default takes its place.
    """
    return _revision_for(service.runbook, service.team.runbook)


@remembered
def _revision_for(of_service: str, of_team: str) -> RunbookRevision:
    chosen = [of_service, of_team]
    if not any(chosen):
        chosen.append(Organisation.current().runbook)
    for slug in [*filter(None, chosen), "default"]:
        revision = RunbookRevision.objects.current(slug)
        if revision is not None:
            return revision
    return ensure_default_runbook()


def revisions_of(services: Iterable[Service]) -> dict[int, RunbookRevision]:
    """By key of each service; what several have in common is read once."""
    known: dict[tuple[str, str], RunbookRevision] = {}
    found = {}
    for service in services:
        choice = (service.runbook, service.team.runbook)
        if choice not in known:
            known[choice] = revision_for(service)
        found[service.pk] = known[choice]
    return found


def ensure_default_runbook() -> RunbookRevision:
    """The built-in default, published where there is none yet."""
    return RunbookRevision.objects.current("default") or publish_revision(
        slug="default", title="Built-in default", policies=DEFAULT_POLICIES
    )


def policy_of(incident: Incident, *, severity: str = "") -> SeverityPolicy:
    """The policy of the incident's severity (or of `severity`) in its own revision.

    Where a runbook leaves a severity out, the built-in default's figures apply.
    """
    wanted = severity or incident.severity
    policy = _stored_policy(incident.revision_id, wanted)
    if policy is not None:
        return policy
    facts = next(facts for facts in DEFAULT_POLICIES if facts["severity"] == wanted)
    return SeverityPolicy(revision=incident.revision, **facts)


@remembered
def _stored_policy(revision_id: int, severity: str) -> SeverityPolicy | None:
    return SeverityPolicy.objects.filter(revision=revision_id, severity=severity).first()


@remembered
def _home() -> Organisation:
    return Organisation.current()


def calendar_of(incident: Incident) -> WorkingCalendar:
    """The working calendar of the incident's runbook, completed by the organisation's."""
    home = _home()
    return WorkingCalendar.of(
        incident.revision.working_calendar,
        zone=home.timezone,
        country=home.country,
        subdivision=home.subdivision,
    )


def calendar_for(incident: Incident, policy: SeverityPolicy) -> WorkingCalendar:
    """What its targets are counted in; the calendar is only read where one of them needs it."""
    counts = policy.business_hours or by_working_day(incident, policy)
    return calendar_of(incident) if counts else WorkingCalendar()


def target_deadlines(incident: Incident, policy: SeverityPolicy) -> dict[str, datetime]:
    """Target name → when it is missed, for the targets that the policy sets."""
    calendar = calendar_for(incident, policy)
    due = {name: target_due_at(incident, policy, calendar, name) for name in TARGETS}
    return {name: at for name, at in due.items() if at is not None}


def start_target_clocks(incident: Incident, now: datetime, *, overdue_too: bool = True) -> None:
    """Have every target that is neither reached nor told yet noticed at the moment it is missed.

    `overdue_too`: also those whose moment has passed, which are then told at once.
    """
    policy = policy_of(incident)
    reached = {
        "respond": responded_at(incident, policy),
        "identify": incident.identified_at,
        "mitigate": incident.mitigating_at,
        "resolve": incident.recovered_at,
    }
    deadlines = target_deadlines(incident, policy)
    wanted = {
        name: due_at
        for name, due_at in deadlines.items()
        if reached[name] is None and (overdue_too or due_at > now)
    }
    if any(due_at <= now for due_at in wanted.values()):
        told = incident.timeline.filter(kind=Kind.TARGET_MISSED)
        for name in told.values_list("data__target", flat=True):
            wanted.pop(name, None)
    timers.schedule_many(
        [
            timers.Wanted("core.target", incident, due_at, key=name)
            for name, due_at in wanted.items()
        ],
        now=now,
    )
