"""What responders do in any open state: acknowledge, snooze, take roles, change severity."""

from datetime import datetime

from django.db import transaction

from incidents.core import plans
from incidents.core.documents import unknown
from incidents.core.errors import DomainError
from incidents.core.models import (
    Incident,
    IncidentRole,
    Kind,
    RoleAssignment,
    Severity,
    User,
)
from incidents.core.section import of as section_of
from incidents.core.services.checklists import renew_checklists, switch_procedure
from incidents.core.services.policies import start_target_clocks
from incidents.core.services.recording import (
    lock,
    record,
    require_active,
    require_open,
    require_text,
)
from incidents.timers import clock
from incidents.timers import services as timers


@transaction.atomic
def acknowledge(incident: Incident, *, actor: User, via: str = "") -> Incident:
    """Take the incident on; nobody is paged any further.

    The second person joins as a responder and the first stays recorded; the same person twice
    changes nothing.
    """
    incident = lock(incident)
    require_open(incident, "acknowledge it")
    require_active(actor)
    if incident.is_acknowledged:
        _join(incident, actor, via)
        return incident
    now = clock.now()
    _take(incident, actor, now)
    incident.save(
        update_fields=["is_acknowledged", "acknowledged_by", "acknowledged_at", "paging_epoch"]
    )
    record(
        incident,
        Kind.ACKNOWLEDGED,
        actor=actor,
        at=now,
        summary=f"{actor} acknowledged{f' ({via})' if via else ''}.",
    )
    command_by_default(incident, actor, now)
    return incident


def command_by_default(incident: Incident, user: User | None, now: datetime) -> None:
    """Whoever declares it, else who first takes it, commands where the runbook says so.

    Until somebody else takes over. The incident must be locked, or new.
    """
    plan = section_of(incident.revision).plan(incident.severity)
    if user is None or plan is None or not plan.detector_commands:
        return
    if incident.roles.filter(role=IncidentRole.COMMANDER).exists():
        return
    RoleAssignment.objects.create(
        incident=incident, role=IncidentRole.COMMANDER, user=user, since=now
    )
    record(
        incident,
        Kind.ROLE_ASSIGNED,
        at=now,
        summary=f"{user} is commander until somebody else takes over.",
        data={"role": IncidentRole.COMMANDER, "user": user.pk},
    )


def _take(incident: Incident, actor: User, now: datetime) -> None:
    incident.is_acknowledged, incident.acknowledged_by = True, actor
    incident.acknowledged_at = incident.acknowledged_at or now
    incident.paging_epoch += 1
    timers.cancel("core.target", incident, key="respond")


def _join(incident: Incident, actor: User, via: str) -> None:
    if incident.acknowledged_by_id == actor.pk:
        return
    if incident.timeline.filter(kind=Kind.JOINED, actor=actor).exists():
        return
    record(
        incident,
        Kind.JOINED,
        actor=actor,
        summary=f"{actor} joined{f' ({via})' if via else ''}; "
        f"{incident.acknowledged_by} had acknowledged.",
    )


@transaction.atomic
def unacknowledge(incident: Incident, *, actor: User | None = None, reason: str) -> Incident:
    """Nobody has it any more: paging starts again. `actor` None: the acknowledgement expired."""
    incident = lock(incident)
    require_open(incident, "give it back")
    if not incident.is_acknowledged:
        return incident
    reason = require_text(reason, "The reason", field="reason")
    held_by = incident.acknowledged_by
    _give_back(incident)
    record(
        incident,
        Kind.UNACKNOWLEDGED if actor else Kind.ACKNOWLEDGEMENT_EXPIRED,
        actor=actor,
        summary=f"No longer with {held_by}: {reason}",
    )
    return incident


def _give_back(incident: Incident) -> None:
    incident.is_acknowledged, incident.acknowledged_by = False, None
    incident.snoozed_until = None
    incident.paging_epoch += 1
    incident.save(
        update_fields=["is_acknowledged", "acknowledged_by", "snoozed_until", "paging_epoch"]
    )
    timers.cancel("core.snooze_end", incident)


@transaction.atomic
def snooze(incident: Incident, *, until: datetime, reason: str, actor: User) -> Incident:
    """Leave it until `until`; then paging starts again.

    Where nobody had acknowledged it, whoever says so has; else it stays with who has it.
    """
    incident = lock(incident)
    require_open(incident, "snooze it")
    require_active(actor)
    reason = require_text(reason, "The reason", field="reason")
    now = clock.now()
    if until <= now:
        raise DomainError("Snooze until a moment in the future.", field="until")
    if incident.is_acknowledged:
        incident.paging_epoch += 1
    else:
        _take(incident, actor, now)
    incident.snoozed_until = until
    incident.save(
        update_fields=[
            *("is_acknowledged", "acknowledged_by", "acknowledged_at"),
            *("snoozed_until", "paging_epoch"),
        ]
    )
    timers.schedule("core.snooze_end", incident, due_at=until)
    record(
        incident,
        Kind.SNOOZED,
        actor=actor,
        at=now,
        summary=f"{actor} snoozed it until {until:%Y-%m-%d %H:%M} UTC: {reason}",
        data={"until": until.isoformat()},
    )
    return incident


def end_snooze(incident: Incident) -> None:
    """The time is up (timer `core.snooze_end`, incident locked): it needs somebody again."""
    if not incident.is_open or incident.snoozed_until is None:
        return
    held_by = incident.acknowledged_by
    _give_back(incident)
    record(incident, Kind.SNOOZE_ENDED, summary=f"The snooze of {held_by} is over.")


@transaction.atomic
def change_severity(
    incident: Incident, *, severity: str, reason: str, actor: User | None = None
) -> Incident:
    """It is worse, or less bad, than was thought; targets are counted anew from detection.

    Raises DomainError where it has this severity already: nothing would change, nothing is told.
    """
    incident = lock(incident)
    require_open(incident, "change its severity")
    if severity not in Severity.values:
        raise DomainError(
            f"{severity!r} is no severity; use one of {', '.join(Severity.values)}.",
            field="severity",
        )
    if severity == incident.severity:
        raise DomainError(
            f"It is {severity} already: choose another severity, or write a note.",
            field="severity",
            code="unchanged",
        )
    reason = require_text(reason, "The reason", field="reason")
    now, old, was = clock.now(), incident.severity, plans.severity_called(incident)
    incident.severity = severity
    incident.save(update_fields=["severity"])
    timers.cancel_all(incident, kinds=["core.target"])
    start_target_clocks(incident, now)
    renew_checklists(incident, now)
    record(
        incident,
        Kind.SEVERITY_CHANGED,
        actor=actor,
        at=now,
        summary=f"Severity {was} → {plans.severity_called(incident)}: {reason}",
        data={"old": old, "new": severity},
    )
    return incident


@transaction.atomic
def change_type(
    incident: Incident, *, incident_type: str, reason: str = "", actor: User | None = None
) -> Incident:
    """It is of another kind that its own runbook knows: with that one's checklist and procedure.

    A procedure that somebody chose stays. Raises DomainError where it is of this type already.
    """
    incident = lock(incident)
    require_open(incident, "change its type")
    types = section_of(incident.revision).types
    if incident_type not in types:
        raise DomainError(unknown(incident_type, types, what="The type"), field="incident_type")
    old, new = types.get(incident.incident_type), types[incident_type]
    if incident_type == incident.incident_type:
        raise DomainError(
            f"It is of the type “{new.title}” already.", field="incident_type", code="unchanged"
        )
    now, before = clock.now(), incident.incident_type
    incident.incident_type = incident_type
    incident.save(update_fields=["incident_type"])
    renew_checklists(incident, now)
    if incident.procedure in {"", (old and old.procedure) or ""}:
        switch_procedure(incident, new.procedure or "", now)
    why = f". {reason.strip()}" if reason.strip() else ""
    record(
        incident,
        Kind.TYPE_CHANGED,
        actor=actor,
        at=now,
        summary=f"Type {old.title if old else before or 'unknown'} → {new.title}{why}",
        data={"old": before, "new": incident_type},
    )
    return incident


@transaction.atomic
def assign_role(
    incident: Incident, *, role: str, user: User | None, actor: User | None
) -> Incident:
    """Give `role` to `user`, from whoever holds it; `user` None leaves it vacant."""
    incident = lock(incident)
    require_open(incident, "assign roles")
    if role not in IncidentRole.values:
        roles = ", ".join(IncidentRole.values)
        raise DomainError(f"{role!r} is no role; use one of {roles}.", field="role")
    if user is not None:
        require_active(user)
    now, title = clock.now(), IncidentRole(role).label
    held = incident.roles.filter(role=role, until=None)
    if user is not None and held.filter(user=user).exists():
        return incident
    given_up = held.update(until=now)
    if user is None and not given_up:
        return incident
    if user is not None:
        RoleAssignment.objects.create(incident=incident, role=role, user=user, since=now)
    record(
        incident,
        Kind.ROLE_ASSIGNED,
        actor=actor,
        at=now,
        summary=f"{user} is {title.lower()}." if user else f"{title} is vacant.",
        data={"role": role, "user": user.pk if user else None},
    )
    return incident
