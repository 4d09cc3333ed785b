"""Storms: counting a service's new alerts, and bundling those that are too many."""

from datetime import datetime

from django.db import connection

from incidents.alerts import storm
from incidents.alerts.models import Burst
from incidents.alerts.storm import MINUTE, Ticket
from incidents.core import services as core
from incidents.core.configuration import remembered
from incidents.core.models import Incident, Kind, Organisation, Service, Severity
from incidents.timers import rows

# A transaction of its own: whoever declares at the same time never waits, and no two get the same
# number. The minute begins with the first new alert after the one before.
_DRAW = """
INSERT INTO alerts_burst AS burst (service_id, since, number, before) VALUES (%s, %s, 1, 0)
ON CONFLICT (service_id) DO UPDATE SET
  number = CASE WHEN burst.since > %s THEN burst.number + 1 ELSE 1 END,
  before = CASE WHEN burst.since > %s THEN burst.before
                WHEN burst.since > %s THEN burst.number ELSE 0 END,
  incident_id = CASE WHEN burst.since > %s OR burst.since > %s AND burst.number > %s
                THEN burst.incident_id END,
  since = CASE WHEN burst.since > %s THEN burst.since ELSE EXCLUDED.since END
"""


def is_storm(service: Service, now: datetime) -> bool:
    """Count one more new alert of this service; whether it is one of too many. One statement."""
    threshold = threshold_of(service)
    if not threshold:
        return False
    return storm.is_storm(_draw_ticket(service, now, threshold), threshold=threshold)


def _draw_ticket(service: Service, now: datetime, threshold: int) -> Ticket:
    adapt = connection.ops.adapt_datetimefield_value
    minute, two = adapt(now - MINUTE), adapt(now - 2 * MINUTE)
    with connection.cursor() as cursor:
        cursor.execute(
            _DRAW + rows.returning("number, before"),
            [service.pk, adapt(now), minute, minute, two, minute, two, threshold, minute],
        )
        number, before, *_ = cursor.fetchone()
    return Ticket(number, before)


def give_back(service: Service) -> None:
    """It was no new alert after all: a twin was quicker."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE alerts_burst SET number = number - 1 WHERE service_id = %s AND number > 0",
            [service.pk],
        )


def threshold_of(service: Service) -> int:
    """How many new alerts of this service within a minute are no storm yet; 0: never one."""
    own = service.storm_threshold
    return _common_threshold() if own is None else own


@remembered
def _common_threshold() -> int:
    return Organisation.current().storm_threshold


def incident_of_storm(service: Service, now: datetime) -> int | None:
    """The incident that further new alerts of this service join; None: there is none (any more).

    The one that was chosen before, else the first that was declared since the storm began.
    """
    chosen = Burst.objects.filter(service=service, incident__in=Incident.objects.open())
    known = chosen.values_list("incident_id", flat=True).first()
    if known is not None:
        return known
    fresh = Incident.objects.open().real().filter(service=service, is_private=False)
    begun = fresh.filter(declared_at__gte=now - 2 * MINUTE).exclude(alerts=None)
    return begun.order_by("declared_at", "pk").values_list("pk", flat=True).first()


def join(incident: Incident, service: Service, severity: str) -> None:
    """Note on the incident (locked) what a new alert that joins it means for it."""
    chosen = Burst.objects.filter(service=service).exclude(incident=incident)
    if chosen.update(incident=incident):
        summary = storm.told(service.name, threshold=threshold_of(service))
        core.record(incident, Kind.ALERT_ATTACHED, summary=summary, data={"storm": True})
    if severity and Severity(severity).rank < Severity(incident.severity).rank:
        core.change_severity(
            incident, severity=severity, reason="A worse alert joined it.", actor=None
        )
    elif incident.recovered_at is not None:
        core.relapse(incident, summary="A new alert joined it.")
