"""Promises of updates: made, kept, moved, and what happens when one is broken.

The pending timer of an audience is its promise: it knows when the update is due.
"""

from datetime import datetime

from django.db import transaction

from incidents.comms import engine, section
from incidents.comms.engine import Alarm, Rhythm, Stage
from incidents.comms.facts import spokesperson
from incidents.comms.models import Audience, StatusUpdate
from incidents.comms.services.asking import remind
from incidents.core import section as core_section
from incidents.core import services as core
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Kind
from incidents.escalation import services as escalation
from incidents.timers import services as timers
from incidents.timers.models import Timer

UPDATE_DUE = "comms.update_due"


def rhythm_of(incident: Incident, audience: str) -> Rhythm | None:
    """How often this audience hears of the incident as it stands now; None: nothing is promised."""
    said, is_inside = section.of(incident.revision), audience == Audience.INTERNAL
    otherwise = core.policy_of(incident).update_cadence if is_inside else None
    if not is_inside and said.customers:
        rule = engine.customer_rule(
            said, severity=incident.severity, users_affected=incident.users_affected
        )
        otherwise = rule.every if rule else None
    kind = core_section.of(incident.revision).types.get(incident.incident_type)
    return engine.rhythm_of(
        said,
        audience=audience,
        severity=incident.severity,
        incident_type=incident.incident_type,
        of_type=(kind.updates.internal if is_inside else kind.updates.external) if kind else None,
        otherwise=otherwise,
    )


def promise(incident: Incident, audience: str, now: datetime) -> datetime | None:
    """The next update of this audience is due one turn from now, instead of when it was."""
    rhythm = rhythm_of(incident, audience)
    if rhythm is None or not incident.is_open:
        return None
    due_at = now + rhythm.every
    _await(incident, audience, engine.begin(rhythm, due_at, now))
    return due_at


def promised(incident: Incident, audience: str) -> datetime | None:
    """When the next update of this audience is due."""
    return promises(incident).get(audience)


def promises(incident: Incident) -> dict[str, datetime]:
    """The same for every audience that was promised something."""
    pending = Timer.objects.pending().of(incident).filter(kind=UPDATE_DUE)
    return {timer.key: due_at_of(timer) for timer in pending}


def due_at_of(timer: Timer) -> datetime:
    return datetime.fromisoformat(timer.payload["due_at"])


def release(incident: Incident, audience: str | None = None) -> None:
    """Nothing is promised any more, to this audience or to any."""
    timers.cancel(UPDATE_DUE, incident, key=audience)


def follow_change(incident: Incident, was: Incident, now: datetime) -> None:
    """Its severity or type `was` another: what was promised moves with the rhythm, begins or ends.

    Where the rhythm is the same one, nothing changes.
    """
    standing = promises(incident)
    for audience in Audience.values:
        due_at, rhythm = standing.get(audience), rhythm_of(incident, audience)
        if rhythm == rhythm_of(was, audience):
            continue
        if rhythm is None:
            if due_at:
                release(incident, audience)
        elif due_at or audience == Audience.INTERNAL:
            last = StatusUpdate.objects.of(incident, audience).values_list("at", flat=True).first()
            base = last or incident.declared_at
            moved = engine.moved(rhythm, base=base, promised=due_at, now=now)
            _await(incident, audience, engine.begin(rhythm, moved, now))


def begin_again(incident: Incident, now: datetime) -> None:
    """It was reopened: colleagues are promised updates, and whoever outside had heard of it."""
    promise(incident, Audience.INTERNAL, now)
    if StatusUpdate.objects.of(incident, Audience.EXTERNAL).exists():
        promise(incident, Audience.EXTERNAL, now)


def act(timer: Timer, incident: Incident, now: datetime) -> None:
    """The moment of a promise has come (timer `comms.update_due`, incident locked)."""
    audience, rhythm = timer.key, rhythm_of(incident, timer.key)
    if not incident.is_open or rhythm is None:
        return
    alarm = Alarm(Stage(timer.payload["stage"]), timer.due_at, due_at_of(timer))
    speaker = spokesperson(incident)
    if alarm.stage == Stage.REMIND and speaker is not None:
        remind(incident, audience, speaker, due_at=alarm.due_at, rhythm=rhythm, now=now)
    following = engine.follow(rhythm, alarm, now)
    if following is not None and (speaker is not None or rhythm.missed is not None):
        _await(incident, audience, following)
    elif alarm.stage == Stage.MISS:
        _break(incident, audience, alarm.due_at, now)


def _break(incident: Incident, audience: str, due_at: datetime, now: datetime) -> None:
    """It did not come: the next level is paged to help, and another one is promised.

    While nobody has the incident people are asked anyway; a promise is made when somebody takes it.
    """
    what = f"The {audience} update that was due at {due_at:%H:%M} UTC did not come"
    paged = incident.is_acknowledged and _page_next_level(incident, f"{what}: help is needed.")
    outcome = "the next level was paged" if paged else "there is no further level to page"
    if not incident.is_acknowledged:
        outcome = "nobody has acknowledged the incident"
    core.record(
        incident,
        Kind.UPDATE_MISSED,
        at=now,
        summary=f"{what}; {outcome}.",
        data={"audience": audience, "due_at": due_at.isoformat(), "paged": paged},
    )
    if incident.is_acknowledged:
        promise(incident, audience, now)


def _page_next_level(incident: Incident, reason: str) -> bool:
    try:
        with transaction.atomic():
            escalation.escalate(incident, reason=reason, actor=None)
    except DomainError:
        return False
    return True


def _await(incident: Incident, audience: str, alarm: Alarm) -> None:
    timers.schedule(
        UPDATE_DUE,
        incident,
        due_at=alarm.at,
        key=audience,
        payload={"stage": alarm.stage, "due_at": alarm.due_at.isoformat()},
    )
