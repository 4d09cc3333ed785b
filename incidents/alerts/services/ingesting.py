"""Taking in what a monitor says: what is known only counts, what is new declares."""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from incidents.alerts.models import Alert, Source
from incidents.alerts.payload import Signal
from incidents.alerts.services import declaring
from incidents.alerts.services.declaring import Overtaken, Receipt
from incidents.core import services as core
from incidents.core.models import Incident
from incidents.timers import clock

EARLY_RESOLVED_MEMORY = timedelta(minutes=10)
SEEN_PRECISION = timedelta(minutes=1)
TRIES = 3


def ingest(source: Source, signal: Signal, *, now: datetime | None = None) -> Receipt:
    """Take in one signal. On return, all that follows from it is committed.

    `now`: the present instant, where the caller has asked for it already.

    1. A repeat of what is known only counts: one UPDATE.
    2. The first firing alert of its key declares an incident; of twins sent at once, one does. In
       a storm it joins the incident of the storm.
    3. Firing again before the incident is resolved is a relapse; after that it reopens the
       incident within its runbook's reopen window, else it is a new one, linked as recurrence.
    4. When no alert of an incident fires any more it has recovered. People resolve.
    """
    for _ in range(TRIES):
        try:
            return _take(source, signal, now or clock.now())
        except (Overtaken, IntegrityError):
            now = None
    return _take_alone(source, signal)


@transaction.atomic
def _take_alone(source: Source, signal: Signal) -> Receipt:
    """The same when others were always quicker: behind the incident's lock nothing changes."""
    alert = Alert.objects.latest_of(source, signal.dedup_key)
    if alert is not None and alert.incident is not None:
        core.lock(alert.incident)
    return _take(source, signal, clock.now())


def _take(source: Source, signal: Signal, now: datetime) -> Receipt:
    _note_seen(source, now)
    known = Alert.objects.standing_of(source, signal.dedup_key)
    if known and known.fires and known.incident_id and signal.is_firing:
        if not Alert.objects.count_repeat(source, signal.dedup_key, known.incident_id, now):
            raise Overtaken
        incident = Incident(pk=known.incident_id, reference=known.reference or "")
        return Receipt("counted", signal.dedup_key, incident)
    alert = Alert.objects.latest_of(source, signal.dedup_key) if known else None
    if signal.is_firing:
        return _take_firing(source, signal, alert, now)
    return _take_resolved(source, signal, alert, now)


def _note_seen(source: Source, now: datetime) -> None:
    if source.last_seen_at is None or source.last_seen_at < now - SEEN_PRECISION:
        Source.objects.filter(pk=source.pk).update(last_seen_at=now)
        source.last_seen_at = now


def _change(alert: Alert, now: datetime, **fields: Any) -> None:
    """Count one more signal and set `fields`, unless the alert has changed meanwhile."""
    unchanged = Alert.objects.filter(
        pk=alert.pk, open_key=alert.open_key, status=alert.status, incident=alert.incident_id
    )
    if not unchanged.update(count=F("count") + 1, last_at=now, **fields):
        raise Overtaken


def _count(alert: Alert, now: datetime, action: str, **fields: Any) -> Receipt:
    _change(alert, now, **fields)
    return Receipt(action, alert.dedup_key, alert.incident)


# --- firing ---------------------------------------------------------------------------------------


def _take_firing(source: Source, signal: Signal, alert: Alert | None, now: datetime) -> Receipt:
    if alert is None:
        return declaring.take_new(source, signal, now)
    incident = alert.incident
    if incident is None:
        if alert.is_ended_by(signal.started_at, now=now, memory=EARLY_RESOLVED_MEMORY):
            return _count(alert, now, "ignored")
        return declaring.take_new(source, signal, now, instead_of=alert)
    if not incident.is_open:
        return _recur(source, signal, alert, incident, now)
    if alert.status == Alert.Status.FIRING:
        return _count(alert, now, "counted")
    return _fire_again(alert, incident, now)


def _fire_again(alert: Alert, incident: Incident, now: datetime) -> Receipt:
    with transaction.atomic():
        incident = core.lock(incident)
        if not incident.is_open:
            raise Overtaken
        _change(alert, now, status=Alert.Status.FIRING, resolved_at=None)
        if incident.recovered_at is None:
            return Receipt("counted", alert.dedup_key, incident)
        incident = core.relapse(incident, summary=f"It fires again: {alert.summary}")
    return Receipt("relapsed", alert.dedup_key, incident)


def _recur(
    source: Source, signal: Signal, alert: Alert, earlier: Incident, now: datetime
) -> Receipt:
    """Its incident was resolved: reopen that, or declare a new one.

    A drill that is over stays over: whether this is another one, what is expected now decides.
    """
    window = None if earlier.is_drill else earlier.revision.reopen_window
    if window is None or earlier.resolved_at is None or now - earlier.resolved_at > window:
        return declaring.take_new(source, signal, now, instead_of=alert)
    with transaction.atomic():
        incident = core.lock(earlier)
        if incident.is_open:
            raise Overtaken
        _change(alert, now, status=Alert.Status.FIRING, resolved_at=None)
        incident = core.reopen(incident, reason=f"It fires again: {signal.summary}")
    return Receipt("reopened", alert.dedup_key, incident)


# --- resolved -------------------------------------------------------------------------------------


def _take_resolved(source: Source, signal: Signal, alert: Alert | None, now: datetime) -> Receipt:
    if alert is None:
        # Kept so that the "firing" of the same outage, should it come late, makes no zombie.
        declaring.store(source, signal, now)
        return Receipt("ignored", signal.dedup_key)
    if alert.incident is None:
        return _count(alert, now, "ignored", resolved_at=now)
    if alert.status == Alert.Status.RESOLVED:
        return _count(alert, now, "ignored")
    with transaction.atomic():
        incident = core.lock(alert.incident)
        _change(alert, now, status=Alert.Status.RESOLVED, resolved_at=now)
        over = incident.is_open and incident.recovered_at is None
        if not over or incident.alerts.filter(status=Alert.Status.FIRING).exists():
            return Receipt("counted", alert.dedup_key, incident)
        incident = core.mark_recovered(incident, at=now, summary="All its alerts have resolved.")
    return Receipt("recovered", alert.dedup_key, incident)
