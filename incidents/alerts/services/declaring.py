"""A new alert: it declares an incident, or joins the one of the storm that it is part of."""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from incidents.alerts.models import Alert, Source, open_key_of
from incidents.alerts.payload import Signal
from incidents.alerts.services import storms
from incidents.alerts.services.routing import route
from incidents.core import services as core
from incidents.core.models import Incident, Service
from incidents.core.signals import boldly
from incidents.timers import failpoints, rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Receipt:
    """What became of a signal.

    `action`: declared (a new incident), bundled (it joined one, in a storm), counted, recovered,
    relapsed, reopened or ignored.
    `incident`: the one it belongs to, None when it was ignored without one.
    `notes`: what the sender should know although the signal was taken.
    """

    action: str
    dedup_key: str
    incident: Incident | None = None
    notes: tuple[str, ...] = ()


class Overtaken(Exception):
    """Somebody changed the alert between our look and our deed: look again."""


@dataclass(frozen=True)
class Newcomer:
    """A firing alert that no open incident knows; `earlier`: the one whose key it takes over."""

    source: Source
    signal: Signal
    now: datetime
    service: Service
    notes: list[str]
    earlier: Alert | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What expected signals of drills and incident types are compared with."""
        return {
            "source": self.source.name,
            "dedup_key": self.signal.dedup_key,
            "service": self.service.slug,
            "name": self.signal.labels.get("alertname", ""),
        }

    def receipt(self, action: str, incident: Incident, *notes: str) -> Receipt:
        return Receipt(action, self.signal.dedup_key, incident, (*self.notes, *notes))

    def store(self, incident: Incident) -> None:
        """Of twins, one finds its key taken: IntegrityError."""
        store(self.source, self.signal, self.now, service=self.service, incident=incident)


def take_new(
    source: Source, signal: Signal, now: datetime, *, instead_of: Alert | None = None
) -> Receipt:
    """Take in a firing alert that no open incident knows. A drill's has an incident of its own."""
    service, notes = route(source, signal.service)
    new = Newcomer(source, signal, now, service, notes, instead_of)
    if core.expectation_of(new.facts, now) is not None:
        return _declare(new)
    try:
        is_too_many = storms.is_storm(service, now)
        return (_bundle(new) if is_too_many else None) or _declare(new)
    except (IntegrityError, Overtaken):
        storms.give_back(service)
        raise


def _bundle(new: Newcomer) -> Receipt | None:
    """Have it join the storm's incident; None: there is none that is open."""
    found = storms.incident_of_storm(new.service, new.now)
    if found is None:
        return None
    with transaction.atomic():
        incident = core.lock(Incident(pk=found))
        if not incident.is_open:
            raise Overtaken
        _retire(new.earlier)
        new.store(incident)
        storms.join(incident, new.service, new.signal.severity)
    name = new.service.name
    why = f"bundled: {name} has more new alerts within a minute than become incidents."
    return new.receipt("bundled", incident, why)


def _declare(new: Newcomer) -> Receipt:
    signal, service = new.signal, new.service
    wanted: dict[str, Any] = {
        "title": signal.summary,
        "description": "\n\n".join(filter(None, [signal.description, *signal.notes, *new.notes])),
        "service": service,
        "severity": signal.severity or None,
        "via": new.source.name,
        "started_at": _start_of(signal, new.now),
        "detected_at": new.now,
        "signal": new.facts,
        "recurrence_of": new.earlier.incident if new.earlier else None,
        "reservation": core.reserve_reference(service, now=new.now),
    }

    def declare() -> Incident:
        _retire(new.earlier)
        incident = core.declare(**wanted)
        new.store(incident)  # after the incident, so that it is written once
        return incident

    try:
        with transaction.atomic(), boldly():
            with rows.together():
                incident = declare()
            failpoints.reach("ingest.before_commit")
    except (IntegrityError, Overtaken):
        raise
    except Exception:
        # Once more, with a savepoint around everything that the declaration can do without.
        logger.warning("Unable to declare %s at once; now with care", new.facts, exc_info=True)
        with transaction.atomic():
            incident = declare()
            failpoints.reach("ingest.before_commit")
    failpoints.reach("ingest.after_commit")
    return new.receipt("declared", incident)


def _retire(alert: Alert | None) -> None:
    """Its key is free for the alert that comes instead."""
    if alert is None:
        return
    if not Alert.objects.filter(pk=alert.pk, open_key=alert.open_key).update(open_key=None):
        raise Overtaken


def store(
    source: Source,
    signal: Signal,
    now: datetime,
    *,
    service: Service | None = None,
    incident: Incident | None = None,
) -> None:
    """A new alert; without `incident`, one that was resolved before it was known."""
    alert = Alert(
        source=source,
        dedup_key=signal.dedup_key,
        open_key=open_key_of(source, signal.dedup_key),
        status=Alert.Status.FIRING if signal.is_firing else Alert.Status.RESOLVED,
        incident=incident,
        service=service,
        severity=signal.severity or (incident.severity if incident else ""),
        summary=signal.summary,
        description=signal.description,
        links=[asdict(link) for link in signal.links],
        labels=signal.labels,
        first_at=now,
        last_at=now,
        started_at=_start_of(signal, now),
        resolved_at=None if signal.is_firing else now,
    )
    rows.insert([alert])


def _start_of(signal: Signal, now: datetime) -> datetime | None:
    return min(signal.started_at, now) if signal.started_at else None
