"""What failed, what comes by itself, and whether the engines that make it happen run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from incidents.core.models import Incident
from incidents.escalation.models import Escalation
from incidents.insights import canary
from incidents.insights import services as insights
from incidents.insights.audit.watch import STALE
from incidents.insights.models import AuditRun
from incidents.notifications.models import Delivery, Urgency
from incidents.timers import engine
from incidents.timers import services as timers
from incidents.timers.models import Timer
from incidents.timers.wording import span

LATELY = timedelta(hours=24)
SOON = timedelta(hours=1)
MOST_FAILURES = 6
MOST_COMING = 8
MOST_READ = 500
# A tick comes every second and a sender takes some; later than that, something is wrong.
TIMER_MAY_BE_LATE = timedelta(seconds=15)
DELIVERY_MAY_BE_LATE = timedelta(seconds=30)
INCIDENT = Incident._meta.label_lower


# --- What failed ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failures:
    """Pages that reached no address, and incidents for which nobody was left, since yesterday."""

    deliveries: list[Delivery]
    exhausted: list[Escalation]

    def __bool__(self) -> bool:
        return bool(self.deliveries or self.exhausted)


def failures(user: Any, now: datetime) -> Failures:
    """Two queries. Drills fail for themselves."""
    since = now - LATELY
    given_up = Delivery.objects.visible_to(user).filter(
        state=Delivery.State.FAILED, urgency=Urgency.PAGE, ended_at__gte=since
    )
    given_up = given_up.exclude(incident__is_drill=True).select_related("incident", "recipient")
    exhausted = Escalation.objects.filter(
        exhausted_at__gte=since, incident__in=Incident.objects.real().visible_to(user)
    )
    return Failures(
        list(given_up.order_by("-ended_at")[:MOST_FAILURES]),
        list(exhausted.select_related("incident").order_by("-exhausted_at")[:MOST_FAILURES]),
    )


# --- What comes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """A timer of an incident, in words."""

    what: str
    due_at: datetime
    incident: Incident


@dataclass(frozen=True)
class Hour:
    """The next hour, soonest first; `oldest`: when the first was due, were it long ago."""

    events: list[Event]
    more: int
    oldest: datetime | None


def next_hour(user: Any, now: datetime, *, known: Iterable[Incident] = ()) -> Hour:
    """One query, one more for incidents that are not among `known`.

    What is about a private incident is shown to whom that concerns.
    """
    pending = Timer.objects.pending().filter(due_at__lte=now + SOON)
    rows = list(pending.order_by("due_at", "pk")[:MOST_READ])
    incidents = {incident.pk: incident for incident in known}
    of_incidents = [timer for timer in rows if timer.subject_type == INCIDENT]
    if wanted := {timer.subject_id for timer in of_incidents} - incidents.keys():
        incidents |= Incident.objects.visible_to(user).in_bulk(wanted)
    events = [
        Event(engine.describe(timer), timer.due_at, incidents[timer.subject_id])
        for timer in of_incidents
        if timer.subject_id in incidents
    ]
    oldest = rows[0].due_at if rows else None
    return Hour(events[:MOST_COMING], max(len(events) - MOST_COMING, 0), oldest)


# --- The engines ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Health:
    """One line: what is wrong with the engines or with what they promise, or how well it is."""

    engines: list[str]
    audit: list[str]
    running: str

    @property
    def faults(self) -> list[str]:
        return [*self.engines, *self.audit]

    @property
    def is_good(self) -> bool:
        return not self.faults


def oldest_timer() -> datetime | None:
    """When the pending timer that comes first is, or was, due."""
    pending = Timer.objects.pending().order_by("due_at")
    return pending.values_list("due_at", flat=True).first()


def health(now: datetime, *, oldest: datetime | None) -> Health:
    """Six queries, each answered by an index. `oldest`: when the first pending timer is due."""
    pulses = timers.alive(now)
    faults = [_silent(pulse, now) for pulse in pulses.values() if not pulse.is_alive]
    if oldest is not None and now - oldest > TIMER_MAY_BE_LATE:
        faults.append(f"The oldest timer is {span(now - oldest)} late.")
    waiting = Delivery.objects.due(now).order_by("due_at").values_list("due_at", flat=True).first()
    if waiting is not None and now - waiting > DELIVERY_MAY_BE_LATE:
        faults.append(f"The oldest message is {span(now - waiting)} late.")
    if broken := Timer.objects.quarantined().count():
        faults.append(
            "One timer is quarantined: it does not happen until an administrator retries it."
            if broken == 1
            else f"{broken} timers are quarantined: they do not happen until they are retried."
        )
    processes = max(pulse.processes for pulse in pulses.values())
    where = "one process" if processes == 1 else f"{processes} processes"
    last = insights.latest_run()
    running = f"Clock and outbox run in {where}; nothing is late. {_watched(last, now)}"
    return Health(faults, _found(last, now, runs=processes > 0), running)


def _found(last: AuditRun | None, now: datetime, *, runs: bool) -> list[str]:
    """What the auditor says. Where no engine runs, it cannot look, and that is said already."""
    if last is None or not runs:
        return []
    if now - last.at > STALE:
        return [f"The auditor has not looked for {span(now - last.at)}."]
    found = [f"The audit: {fault}" for fault in last.faults]
    if last.heartbeat.startswith("failed"):
        found.append(f"The outgoing heartbeat {last.heartbeat}")
    return found


def _watched(last: AuditRun | None, now: datetime) -> str:
    """E.g. "Audited 12 s ago: everything holds; the canary came through 14 s ago."."""
    if last is None:
        return "It has not been audited yet."
    said = f"Audited {span(now - last.at, seconds=True)} ago: everything holds"
    arrived = canary.look().arrived_at
    if arrived is None:
        return f"{said}."
    return f"{said}; the canary came through {span(now - arrived, seconds=True)} ago."


def _silent(pulse: timers.Pulse, now: datetime) -> str:
    told = "makes what is due happen" if pulse.name == "clock" else "sends pages"
    since = f" since {span(now - pulse.last_at)} ago" if pulse.last_at else ""
    return f"Nothing {told}{since}: start manage.py up, worker or clock."
