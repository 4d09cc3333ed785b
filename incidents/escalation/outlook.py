"""What the rules of its runbook hold ready for an incident: when, at whom, and what stops them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from incidents.core.models import Incident, User
from incidents.escalation import roles, rules
from incidents.escalation.roles import Way
from incidents.escalation.section import Trigger
from incidents.escalation.services.going_off import fired
from incidents.escalation.services.staffing import vacant_roles
from incidents.escalation.services.steps import CALLS, TRIGGER
from incidents.timers.models import Timer


class Standing(StrEnum):
    """Whether it is still to come."""

    DUE = "due"  # at a known moment
    READY = "ready"  # as soon as what it waits for is so
    WAITS = "waits"  # not now: it works again, or nobody has it
    DONE = "done"


@dataclass(frozen=True)
class Prospect:
    """One rule. `people`: who has the role as things stand now; `absence`: why it is nobody."""

    id: str
    title: str
    occasion: str
    aim: str
    is_page: bool
    people: tuple[User, ...]
    absence: str
    stopped_by: str
    standing: Standing
    due_at: datetime | None = None


@dataclass(frozen=True)
class Outlook:
    """`calls_at`: when those are called who wait with it to recover by itself."""

    prospects: list[Prospect]
    vacant: list[str]
    calls_at: datetime | None = None


def outlook_of(incident: Incident, *, now: datetime) -> Outlook:
    """What may still happen, the next first. Constant queries; none without a written runbook."""
    if not incident.is_open or not rules.has_rules(incident):
        return Outlook([], [])
    triggers = rules.triggers_of(incident)
    due = {
        (kind, key): at
        for kind, key, at in Timer.objects.pending()
        .of(incident)
        .filter(kind__in=[TRIGGER, CALLS])
        .values_list("kind", "key", "due_at")
    }
    gone = fired(incident) if triggers else set()
    aimed = {one.to.role for one in triggers if one.to is not None and one.to.role is not None}
    ways = roles.ways(incident, sorted(aimed), now) if aimed else {}
    found = [
        _prospect(one, incident, due.get((TRIGGER, one.id)), one.id in gone, ways)
        for one in triggers
    ]
    places = list(Standing)
    found.sort(key=lambda one: (places.index(one.standing), one.due_at or now))
    return Outlook(found, vacant_roles(incident), due.get((CALLS, "")))


def _prospect(
    trigger: Trigger,
    incident: Incident,
    due_at: datetime | None,
    is_gone: bool,
    ways: Mapping[str, list[Way]],
) -> Prospect:
    plan = rules.section_for(incident)
    role = trigger.to.role if trigger.to is not None else None
    held = ways.get(role or "", [])
    way = next((one for one in held if one.people), held[0] if held else Way("", ()))
    if rules.is_over(trigger, incident):
        standing = Standing.WAITS
    elif due_at is not None:
        standing = Standing.DUE
    else:
        is_ready = trigger.after is None or trigger.since == "acknowledged"
        standing = Standing.DONE if is_gone or not is_ready else Standing.READY
    return Prospect(
        id=trigger.id,
        title=trigger.title,
        occasion=rules.occasion(trigger),
        aim=rules.aim(trigger, plan),
        is_page=trigger.action != "tell",
        people=way.people,
        absence=way.absence,
        stopped_by=rules.stopped_by(trigger),
        standing=standing,
        due_at=due_at if standing == Standing.DUE else None,
    )
