"""Reading a runbook, saying what it would change, applying it, choosing it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction

from incidents.core import services as core
from incidents.core.documents import SeverityName, digest_of_document
from incidents.core.errors import DomainError, Forbidden
from incidents.core.models import (
    Incident,
    Organisation,
    RunbookRevision,
    Service,
    Severity,
    Team,
    User,
)
from incidents.core.section import DAYS, Attest, SeverityPlan, WorkingHours
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy, PolicyAssignment
from incidents.escalation.section import of as escalation_of
from incidents.runbooks import document, loading
from incidents.runbooks.changes import changes
from incidents.runbooks.document import Runbook
from incidents.runbooks.library import shipped
from incidents.runbooks.services.upkeep import follow_cycle
from incidents.timers import clock

BUILT_IN = "default"
TARGETS = ["detect", "respond", "identify", "mitigate", "resolve"]


class NotARunbook(DomainError):
    """What was given cannot be applied; `lines` name the file, the path and what is allowed."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines), code="not_a_runbook")
        self.lines = lines


@dataclass(frozen=True)
class Plan:
    """What applying a runbook means: `lines` for people, empty where nothing changes."""

    runbook: Runbook
    current: RunbookRevision | None
    lines: list[str] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        return bool(self.lines)


def load(name: str) -> Runbook:
    """The runbook of a file, or the shipped one of this slug. Raises NotARunbook."""
    path = Path(name)
    # Not path.exists(), which raises for a name that is too long.
    if path.name == path.stem and not os.path.exists(path):
        if name not in shipped():
            known = ", ".join(shipped())
            raise NotARunbook([f"{name}: is no file, and none of the runbooks {known}."])
        path = shipped()[name]
    try:
        return document.parse(loading.read_file(path))
    except loading.NotReadable as error:
        raise NotARunbook([f"{path.name}: {error}"]) from None
    except document.Faulty as error:
        raise NotARunbook([f"{path.name}: {line}" for line in error.lines]) from None


def diff(runbook: Runbook) -> Plan:
    """What `apply` would change, against the current revision of the same slug. Writes nothing."""
    current = RunbookRevision.objects.current(runbook.slug)
    laddered = [
        f"team {team}: has no escalation policy, and gets the runbook's."
        for team in (_teams_without_policy(runbook.slug) if runbook.escalation.ladder else [])
    ]
    if current is None:
        return Plan(runbook, None, [f"{runbook.slug}: is new; it becomes version 1.", *laddered])
    new = runbook.as_json()
    if current.digest == digest_of_document(new):
        return Plan(runbook, current)
    lines = [*changes(current.document, new), *laddered]
    held = Incident.objects.filter(revision__slug=runbook.slug, resolved_at=None).count()
    if held:
        some = "1 open incident keeps its" if held == 1 else f"{held} open incidents keep their"
        lines.append(f"{some} version; new ones get version {current.version + 1}.")
    return Plan(runbook, current, lines)


@transaction.atomic
def apply(runbook: Runbook, *, actor: User | None) -> RunbookRevision:
    """Make it the current revision of its slug; the same again makes nothing new.

    Incidents in flight keep theirs. `actor` None: somebody at the server's terminal.
    """
    _require_administrator(actor, "load a runbook")
    return _publish(runbook, actor)


@transaction.atomic
def adopt(
    slug: str, *, actor: User | None, team: Team | None = None, by_default: bool = False
) -> RunbookRevision:
    """Choose a runbook that was applied, or one that comes with Tocsin, as it is.

    What comes with Tocsin is known to be right: whoever may choose may have it applied, too.
    """
    _require_manager(actor, team)
    revision = RunbookRevision.objects.current(slug)
    if revision is None and slug == BUILT_IN:
        revision = core.ensure_default_runbook()
    if revision is None and slug in shipped():
        revision = _publish(load(str(shipped()[slug])), actor)
    if revision is None:
        raise DomainError(f"There is no runbook {slug!r}.", field="runbook")
    choose(slug, actor=actor, team=team, by_default=by_default)
    return revision


def _publish(runbook: Runbook, actor: User | None) -> RunbookRevision:
    current = RunbookRevision.objects.current(runbook.slug)
    stored = runbook.as_json()
    if current is not None and current.digest == digest_of_document(stored):
        follow_cycle(current, now=clock.now())
        return current
    try:
        with transaction.atomic():
            revision = core.publish_revision(
                slug=runbook.slug,
                title=runbook.title,
                policies=list(_policies(runbook)),
                reference_format=runbook.reference,
                working_calendar=_calendar(runbook.working_hours),
                reopen_window=runbook.reopen_window,
                document=stored,
            )
    except IntegrityError:
        if RunbookRevision.objects.current(runbook.slug) == current:
            raise
        return _publish(runbook, actor)  # Somebody else was quicker: what is new beside theirs?
    follow_cycle(revision, now=clock.now())
    for team in _teams_without_policy(runbook.slug):
        escalation.adopt_ladder(team, runbook.escalation, actor=actor)
    return revision


def _teams_without_policy(slug: str) -> list[Team]:
    """Those that have chosen this runbook and own no escalation policy."""
    provided = [
        rows.filter(team__isnull=False).values("team")
        for rows in [EscalationPolicy.objects.all(), PolicyAssignment.objects.all()]
    ]
    teams = Team.objects.filter(runbook=slug).exclude(pk__in=provided[0])
    return list(teams.exclude(pk__in=provided[1]).order_by("name"))


@transaction.atomic
def choose(
    slug: str,
    *,
    actor: User | None,
    team: Team | None = None,
    service: Service | None = None,
    by_default: bool = False,
) -> EscalationPolicy | None:
    """From now on incidents of this service or team, or by default of all, begin under `slug`.

    A team that has no escalation policy yet gets the one that the runbook's ladder describes,
    which is given back.
    """
    revision = RunbookRevision.objects.current(slug)
    if revision is None:
        raise DomainError(f"There is no runbook {slug!r}; apply it first.", field="slug")
    _require_manager(actor, team or (service.team if service else None))
    core.choose_runbook(slug, team=team, service=service, by_default=by_default)
    if team is None:
        return None
    return escalation.adopt_ladder(team, escalation_of(revision), actor=actor)


def users_of(slug: str) -> list[str]:
    """Who has chosen this runbook, as people say it."""
    names = [f"team {name}" for name in _names(Team.objects.filter(runbook=slug))]
    names += [f"service {name}" for name in _names(Service.objects.filter(runbook=slug))]
    return ["the organisation", *names] if Organisation.current().runbook == slug else names


def _names(rows: Any) -> list[str]:
    return list(rows.order_by("name").values_list("name", flat=True))


def _require_administrator(actor: User | None, deed: str) -> None:
    if actor is not None and not actor.is_superuser:
        raise Forbidden(f"Only administrators may {deed}.")


def _require_manager(actor: User | None, team: Team | None) -> None:
    if actor is not None and not actor.manages(team.pk if team else None):
        raise Forbidden("Only its managers may choose a team's runbook.")


def _policies(runbook: Runbook) -> Iterator[dict[str, Any]]:
    for severity, plan in sorted(runbook.severities.items()):
        yield _policy(severity, plan)


def _policy(severity: SeverityName, plan: SeverityPlan) -> dict[str, Any]:
    """The columns of SeverityPolicy: what timers and criteria read without the document."""
    targets = {f"{name}_target": getattr(plan.targets, name) for name in TARGETS}
    return targets | {
        "severity": Severity(severity),
        "label": plan.name,
        "definition": plan.definition,
        "response": plan.response,
        "respond_ends": plan.targets.respond_ends,
        "business_hours": plan.targets.working_time,
        "monitoring_window": plan.resolve.observe,
        "required_roles": list(plan.roles),
        "resolution_criteria": list(plan.resolve.needs),
        "required_attestations": [_attestation(wanted) for wanted in plan.resolve.attest],
    }


def _attestation(wanted: Attest) -> dict[str, Any]:
    held = int(wanted.held.total_seconds()) if wanted.held else 0
    return {"fact": wanted.fact, "below": wanted.below, "unit": wanted.unit, "for": held}


def _calendar(hours: WorkingHours) -> dict[str, Any]:
    facts = hours.as_json()
    if hours.days:
        facts["days"] = sorted(DAYS.index(day) for day in hours.days)
    return facts


def choices() -> list[tuple[str, str]]:
    """Slug and name of every runbook that can be chosen: applied ones, and those of Tocsin."""
    stored = RunbookRevision.objects.order_by("slug", "version").values_list("slug", "title")
    others = {**dict(stored), **_shipped_names()}
    others.pop(BUILT_IN, None)
    return [(BUILT_IN, "Built-in default. Targets and resolution only."), *sorted(others.items())]


@cache
def _shipped_names() -> dict[str, str]:
    books = [load(str(path)) for path in shipped().values()]
    return {book.slug: f"{book.title}. {book.summary or ''}".strip() for book in books}
