"""The incident's way through its states: identify, mitigate, recover, resolve, dismiss, reopen."""

from datetime import datetime

from django.db import transaction
from django_fsm import TransitionNotAllowed

from incidents.core.criteria import following
from incidents.core.errors import DomainError, Forbidden, Refused, Unmet
from incidents.core.models import Incident, IncidentRole, Kind, SeverityPolicy, Status, User
from incidents.core.services.checklists import OVERDUE, renew_checklists, void_checks
from incidents.core.services.declaring import CLOCK_SKEW
from incidents.core.services.judging import unmet_of
from incidents.core.services.policies import policy_of, start_target_clocks
from incidents.core.services.recording import (
    lock,
    record,
    refuse_transition,
    require_open,
    require_text,
)
from incidents.timers import clock
from incidents.timers import services as timers

DEEDS = {
    Status.IDENTIFIED: "be identified",
    Status.MITIGATING: "go on to mitigation",
    Status.RESOLVED: "be resolved",
}


@transaction.atomic
def identify(incident: Incident, *, suspected_cause: str, actor: User) -> Incident:
    """Investigating → Identified: the suspected cause is known."""
    incident = lock(incident)
    _require_next(incident, Status.IDENTIFIED)
    cause = require_text(suspected_cause, "The suspected cause", field="suspected_cause")
    _enter_identified(incident, clock.now(), cause, actor)
    return incident


@transaction.atomic
def start_mitigating(incident: Incident, *, mitigation: str, kind: str, actor: User) -> Incident:
    """Identified → Mitigating: `mitigation` is being done; `kind` says of what sort it is."""
    incident = lock(incident)
    _require_next(incident, Status.MITIGATING)
    what = require_text(mitigation, "What is being done", field="mitigation")
    _enter_mitigating(incident, clock.now(), what, _known_kind(kind), actor)
    return incident


@transaction.atomic
def mark_recovered(
    incident: Incident, *, actor: User | None = None, at: datetime | None = None, summary: str = ""
) -> Incident:
    """It works again: the monitoring window starts. Said by the alerts (`actor` None) or a person.

    Repeating it changes nothing.
    """
    incident = lock(incident)
    require_open(incident, "mark it recovered")
    if incident.recovered_at is not None:
        return incident
    now = clock.now()
    if at is not None and at > now + CLOCK_SKEW:
        raise DomainError("It cannot have recovered in the future.", field="at")
    incident.recovered_at = max(min(at or now, now), incident.clock_starts_at)
    incident.save(update_fields=["recovered_at"])
    timers.cancel("core.target", incident, key="resolve")
    renew_checklists(incident, now)
    record(
        incident,
        Kind.RECOVERED,
        actor=actor,
        at=now,
        summary=summary or "It works again.",
        data={"recovered_at": incident.recovered_at.isoformat()},
    )
    return incident


@transaction.atomic
def relapse(incident: Incident, *, actor: User | None = None, summary: str = "") -> Incident:
    """It broke again before it was resolved: the monitoring window starts anew at the recovery."""
    incident = lock(incident)
    require_open(incident, "report a relapse")
    if incident.recovered_at is None:
        return incident
    now, earlier = clock.now(), incident.recovered_at
    incident.recovered_at = None
    incident.save(update_fields=["recovered_at"])
    start_target_clocks(incident, now)
    void_checks(incident)
    renew_checklists(incident, now)
    record(
        incident,
        Kind.RELAPSED,
        actor=actor,
        at=now,
        summary=summary or "It broke again.",
        data={"had_recovered_at": earlier.isoformat()},
    )
    return incident


@transaction.atomic
def resolve(
    incident: Incident,
    *,
    root_cause: str = "",
    resolution: str = "",
    suspected_cause: str = "",
    mitigation: str = "",
    kind: str = "",
    override_reason: str = "",
    actor: User,
) -> Incident:
    """Mitigating → Resolved, walking the steps before it where their answers are given.

    Raises Refused with the unmet criteria. A commander, or a manager of the owning team, may
    override criteria of the last step with a written reason, which is recorded.
    """
    incident = lock(incident)
    require_open(incident, "resolve it again")
    now = clock.now()
    incident.root_cause = root_cause.strip() or incident.root_cause
    incident.suspected_cause = (
        suspected_cause.strip() or incident.suspected_cause or incident.root_cause
    )
    incident.mitigation = mitigation.strip() or incident.mitigation
    incident.mitigation_kind = _known_kind(kind) if kind else incident.mitigation_kind
    incident.resolution = resolution.strip() or incident.resolution
    if missing := unmet_of(incident, now, target=Status.RESOLVED):
        _override(incident, missing, override_reason, actor, now)
    if incident.status == Status.INVESTIGATING:
        _enter_identified(incident, now, incident.suspected_cause, actor)
    if incident.status == Status.IDENTIFIED:
        _enter_mitigating(incident, now, incident.mitigation, incident.mitigation_kind, actor)
    incident.resolve(at=now)
    incident.recovered_at = incident.recovered_at or now
    _close(incident, ["root_cause", "resolution", "recovered_at"])
    renew_checklists(incident, now)
    record(
        incident,
        Kind.RESOLVED,
        actor=actor,
        at=now,
        summary=f"Resolved. {incident.root_cause or incident.resolution}".strip(),
        data={"root_cause": incident.root_cause, "resolution": incident.resolution},
    )
    return incident


@transaction.atomic
def dismiss(incident: Incident, *, reason: str, actor: User | None) -> Incident:
    """A false alarm: resolved with that outcome, from any open state."""
    incident = lock(incident)
    require_open(incident, "dismiss it")
    reason = require_text(reason, "The reason", field="reason")
    now = clock.now()
    incident.dismiss(at=now, outcome=Incident.Outcome.FALSE_ALARM)
    _close(incident)
    record(incident, Kind.DISMISSED, actor=actor, at=now, summary=f"False alarm: {reason}")
    return incident


@transaction.atomic
def merge(incident: Incident, *, into: Incident, reason: str = "", actor: User) -> Incident:
    """`incident` is the same as `into`: it ends as a duplicate, the other goes on."""
    if incident.pk == into.pk:
        raise DomainError("An incident cannot be merged into itself.", field="into")
    if into.is_drill and not incident.is_drill:
        raise DomainError(
            "A real incident would fall silent in a drill; merge the drill into it.", field="into"
        )
    # Always in the order of their ids, or two merges crosswise would wait for each other.
    first, second = (lock(row) for row in sorted([incident, into], key=lambda row: row.pk))
    incident, into = (first, second) if first.pk == incident.pk else (second, first)
    require_open(incident, "merge it")
    require_open(into, "merge something into it")
    now = clock.now()
    incident.duplicate_of = into
    incident.dismiss(at=now, outcome=Incident.Outcome.DUPLICATE)
    _close(incident, ["duplicate_of"])
    why = f" {reason.strip()}" if reason.strip() else ""
    for row, summary in [
        (incident, f"Duplicate of {into.reference}.{why}"),
        (into, f"{incident.reference} was merged into this incident.{why}"),
    ]:
        record(
            row,
            Kind.MERGED,
            actor=actor,
            at=now,
            summary=summary,
            data={"from": incident.pk, "into": into.pk},
        )
    return incident


@transaction.atomic
def reopen(incident: Incident, *, reason: str, actor: User | None = None) -> Incident:
    """Resolved → Investigating: it was not over. Paging starts again from the first level."""
    incident = lock(incident)
    if incident.is_open:
        raise Refused(
            f"{incident.reference} is open already.",
            state=incident.status,
            allowed=[str(following(incident.status))],
        )
    reason = require_text(reason, "The reason", field="reason")
    now = clock.now()
    incident.reopen()
    incident.is_acknowledged, incident.acknowledged_by, incident.snoozed_until = False, None, None
    incident.paging_epoch += 1
    incident.save(
        update_fields=[
            *("status", "outcome", "duplicate_of", "resolved_at", "recovered_at"),
            *("identified_at", "mitigating_at", "is_acknowledged", "acknowledged_by"),
            *("snoozed_until", "paging_epoch"),
        ]
    )
    start_target_clocks(incident, now, overdue_too=False)
    timers.cancel(OVERDUE, incident)
    void_checks(incident)
    renew_checklists(incident, now)
    record(incident, Kind.REOPENED, actor=actor, at=now, summary=f"Reopened: {reason}")
    return incident


def _require_next(incident: Incident, target: Status) -> None:
    """Refuse before judging the answers: a wrong state is the first thing to say."""
    if following(incident.status) != target:
        raise refuse_transition(incident, DEEDS[target], TransitionNotAllowed())


def _known_kind(kind: str) -> str:
    if kind not in Incident.MitigationKind.values:
        kinds = ", ".join(Incident.MitigationKind.values)
        raise DomainError(f"{kind!r} is no kind of mitigation; use one of {kinds}.", field="kind")
    return kind


def _override(
    incident: Incident, missing: list[Unmet], reason: str, actor: User, now: datetime
) -> None:
    """Record why the criteria do not count this time, or refuse."""
    of_earlier_steps = {"suspected_cause", "mitigation", "mitigation_kind"}
    blocking = any(criterion.code in of_earlier_steps for criterion in missing)
    if blocking or not reason.strip():
        raise Refused(
            f"{incident.reference} cannot be resolved yet: "
            + " ".join(criterion.message for criterion in missing),
            state=incident.status,
            allowed=["dismiss", *(state for state in [following(incident.status)] if state)],
            unmet=missing,
            code="unmet_criteria",
        )
    commands = incident.roles.filter(
        role=IncidentRole.COMMANDER, user_id=actor.pk, until=None
    ).exists()
    if not commands and not actor.manages(incident.service.team_id):
        raise Forbidden(
            "Only the commander of this incident or a manager of its team may resolve it with "
            "criteria unmet."
        )
    record(
        incident,
        Kind.OVERRIDDEN,
        actor=actor,
        at=now,
        summary=f"Criteria overridden: {reason.strip()}",
        data={"unmet": [criterion.code for criterion in missing], "reason": reason.strip()},
    )


def _enter_identified(incident: Incident, now: datetime, cause: str, actor: User) -> None:
    incident.identify(at=now, suspected_cause=cause)
    incident.save(update_fields=["status", "identified_at", "suspected_cause"])
    timers.cancel("core.target", incident, key="identify")
    _respond(incident)
    record(incident, Kind.IDENTIFIED, actor=actor, at=now, summary=f"Identified: {cause}")


def _respond(incident: Incident) -> None:
    """Where the first action ends the response, it was just done."""
    if policy_of(incident).respond_ends == SeverityPolicy.RespondEnds.FIRST_ACTION:
        timers.cancel("core.target", incident, key="respond")


def _enter_mitigating(incident: Incident, now: datetime, what: str, kind: str, actor: User) -> None:
    incident.start_mitigating(at=now, mitigation=what, kind=kind)
    incident.save(update_fields=["status", "mitigating_at", "mitigation", "mitigation_kind"])
    timers.cancel("core.target", incident, key="mitigate")
    _respond(incident)
    record(
        incident,
        Kind.MITIGATING,
        actor=actor,
        at=now,
        summary=f"Mitigating ({incident.get_mitigation_kind_display().lower()}): {what}",
        data={"kind": kind},
    )


def _close(incident: Incident, changed: list[str] | None = None) -> None:
    """What every way to Resolved has in common: nothing pages, nothing is due any more."""
    incident.paging_epoch += 1
    incident.snoozed_until = None
    incident.save(
        update_fields=[
            *("status", "outcome", "resolved_at", "paging_epoch", "snoozed_until"),
            *(changed or []),
        ]
    )
    timers.cancel_all(incident, kinds=["core.target", "core.snooze_end", OVERDUE])
