"""What happens by itself to an incident: missed targets, ended snoozes, repeated reactions."""

from datetime import datetime

from incidents.core import services
from incidents.core.models import Incident, Kind, TimelineEntry
from incidents.core.signals import entry_recorded
from incidents.timers.models import Timer

NAMES = {
    "respond": "response",
    "identify": "identification",
    "mitigate": "mitigation",
    "resolve": "resolution",
}


def miss_target(timer: Timer, incident: Incident, now: datetime) -> None:
    """A target's moment has come and it was not reached."""
    if not incident.is_open:
        return
    services.record(
        incident,
        Kind.TARGET_MISSED,
        at=now,
        summary=f"The target for {NAMES[timer.key]} was missed.",
        data={"target": timer.key, "due_at": timer.due_at.isoformat()},
    )


def tell_overdue(timer: Timer, incident: Incident, now: datetime) -> None:
    """A phase of a checklist or procedure should be done by now."""
    services.tell_overdue(
        incident,
        checklist=timer.payload["checklist"],
        procedure=timer.payload["procedure"],
        due_at=datetime.fromisoformat(timer.payload["due_at"]),
        now=now,
    )


def end_snooze(_timer: Timer, incident: Incident, _now: datetime) -> None:
    services.end_snooze(incident)


def repair(timer: Timer, _incident: Incident, _now: datetime) -> None:
    """Do once more what a receiver failed to do when an entry was recorded."""
    connection = entry_recorded.connections.get(timer.payload["receiver"])
    if connection is None:
        return
    entry = TimelineEntry.objects.select_related("incident", "actor").get(pk=timer.payload["entry"])
    connection.receiver(entry, entry.incident)
