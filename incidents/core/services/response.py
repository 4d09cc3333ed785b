"""What responders do in any open state: acknowledge, snooze, take roles, change severity."""

from datetime import datetime

from django.db import transaction

from incidents.core.errors import DomainError
from incidents.core.models import (
    ChecklistItem,
    Incident,
    IncidentRole,
    Kind,
    RoleAssignment,
    Severity,
    User,
)
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
    return incident


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
    now, old = clock.now(), incident.severity
    incident.severity = severity
    incident.save(update_fields=["severity"])
    timers.cancel_all(incident, kinds=["core.target"])
    start_target_clocks(incident, now)
    record(
        incident,
        Kind.SEVERITY_CHANGED,
        actor=actor,
        at=now,
        summary=f"Severity {old} → {severity}: {reason}",
        data={"old": old, "new": severity},
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


@transaction.atomic
def add_checklist_item(
    incident: Incident,
    *,
    text: str,
    phase: str = "",
    role: str = "",
    due_at: datetime | None = None,
    actor: User | None = None,
) -> ChecklistItem:
    """Put one more thing to do on the incident's checklist."""
    incident = lock(incident)
    require_open(incident, "add to its checklist")
    text = require_text(text, "The text", field="text", longest=300)
    if role and role not in IncidentRole.values:
        raise DomainError(f"{role!r} is no role.", field="role")
    last = incident.checklist.order_by("-position").values_list("position", flat=True).first()
    item = ChecklistItem.objects.create(
        incident=incident,
        position=(last or 0) + 1,
        phase=phase[:64],
        text=text,
        role=role,
        due_at=due_at,
    )
    record(incident, Kind.CHECKLIST_ADDED, actor=actor, summary=f"To do: {text}")
    return item


@transaction.atomic
def tick(item: ChecklistItem, *, actor: User) -> ChecklistItem:
    """It is done. Ticking twice changes nothing."""
    return _set_ticked(item, actor, done=True)


@transaction.atomic
def untick(item: ChecklistItem, *, actor: User) -> ChecklistItem:
    """It is not done after all."""
    return _set_ticked(item, actor, done=False)


def _set_ticked(item: ChecklistItem, actor: User, *, done: bool) -> ChecklistItem:
    incident = lock(item.incident)
    item = ChecklistItem.objects.select_for_update(no_key=True).get(pk=item.pk)
    if (item.ticked_at is not None) == done:
        return item
    now = clock.now()
    item.ticked_at, item.ticked_by = (now, actor) if done else (None, None)
    item.save(update_fields=["ticked_at", "ticked_by"])
    record(
        incident,
        Kind.CHECKLIST_TICKED if done else Kind.CHECKLIST_UNTICKED,
        actor=actor,
        at=now,
        summary=f"{'Done' if done else 'Not done after all'}: {item.text}",
        data={"item": item.pk},
    )
    return item
