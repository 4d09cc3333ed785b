"""The canary's alert: taken in like any other, once a minute."""

import secrets

from incidents.alerts.models import CANARY_SOURCE, Alert, Source, open_key_of
from incidents.alerts.payload import Signal
from incidents.alerts.services.ingesting import ingest
from incidents.core import services as core
from incidents.core.models import CANARY, Incident, digest_of
from incidents.timers import clock

SIGNAL = Signal(dedup_key="canary", summary="The canary: nothing is broken")


def chirp() -> Incident | None:
    """Take in the canary's alert; the incident that it led to, None before there is any service.

    RuntimeError where it leads elsewhere: it must never become an incident that asks people.
    """
    incident = core.keep_canary()
    if incident is None:
        return None
    source = _source()
    alert = Alert.objects.latest_of(source, SIGNAL.dedup_key) or _alert(source, incident)
    if alert.incident_id != incident.pk or not incident.is_open:
        raise RuntimeError("The canary's alert does not lead to the canary's incident.")
    receipt = ingest(source, SIGNAL)
    if receipt.incident is None or receipt.incident.reference != CANARY:
        raise RuntimeError(f"The canary's alert was {receipt.action}.")
    return receipt.incident


def _source() -> Source:
    """Switched off, and its key was never told: nobody else can report by it."""
    source, _ = Source.objects.get_or_create(
        name=CANARY_SOURCE,
        defaults={"digest": digest_of(secrets.token_urlsafe(32)), "is_active": False},
    )
    return source


def _alert(source: Source, incident: Incident) -> Alert:
    now = clock.now()
    alert, _ = Alert.objects.get_or_create(
        open_key=open_key_of(source, SIGNAL.dedup_key),
        defaults={
            "source": source,
            "dedup_key": SIGNAL.dedup_key,
            "status": Alert.Status.FIRING,
            "incident": incident,
            "service": incident.service,
            "summary": SIGNAL.summary,
            "first_at": now,
            "last_at": now,
        },
    )
    return alert
