"""Triggers in a line, and an incident that somebody has, for the tests of triggers."""

from incidents.core import services as core
from incidents.core.models import Incident, Kind, Service, User
from incidents.timers.models import Timer
from tests.escalation.stage import Phones, settle

LEAD = {"role": "engineering-lead"}
NEXT = {"level": "next"}


def trigger(name: str, title: str = "It takes too long", **facts) -> dict:
    return {"id": name, "title": title, "to": LEAD, **facts}


def declare(service: Service, severity: str = "SEV2") -> Incident:
    return core.declare(title="Checkout is down", service=service, severity=severity)


def taken(service: Service, phones: Phones, by: User, severity: str = "SEV2") -> Incident:
    """Declared, and acknowledged at once; everybody who was paged has put the phone away."""
    incident = declare(service, severity)
    core.acknowledge(incident, actor=by)
    settle()
    phones.take()
    return incident


def told(incident: Incident, kind: Kind = Kind.ESCALATED) -> list[str]:
    entries = incident.timeline.filter(kind=kind).order_by("pk")
    return list(entries.values_list("summary", flat=True))


def pending(incident: Incident) -> set[str]:
    timers = Timer.objects.pending().of(incident).filter(kind="escalation.trigger")
    return set(timers.values_list("key", flat=True))


STUCK = [
    trigger("stuck-15", "Stuck for 15 minutes", to=NEXT, after="15 min", until="identified")
    | {"from": "acknowledged"},
    trigger("stuck-30", "Stuck for 30 minutes", to=NEXT, after="30 min", until="identified")
    | {"from": "acknowledged"},
]
