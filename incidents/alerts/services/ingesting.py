"""Taking in what a monitor says: what is known only counts, what is new declares."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from incidents.alerts.models import Alert, Source, open_key_of
from incidents.alerts.payload import Signal
from incidents.core import services as core
from incidents.core.configuration import remembered
from incidents.core.models import Incident, Service, Team
from incidents.timers import clock, failpoints, rows

EARLY_RESOLVED_MEMORY = timedelta(minutes=10)
SEEN_PRECISION = timedelta(minutes=1)
TRIES = 3


@dataclass(frozen=True)
class Receipt:
    """What became of a signal.

    `action`: declared (a new incident), counted, recovered, relapsed, reopened or ignored.
    `incident`: the one it belongs to, None when it was ignored without one.
    `notes`: what the sender should know although the signal was taken.
    """

    action: str
    dedup_key: str
    incident: Incident | None = None
    notes: tuple[str, ...] = ()


class Overtaken(Exception):
    """Somebody changed the alert between our look and our deed: look again."""


def ingest(source: Source, signal: Signal, *, now: datetime | None = None) -> Receipt:
    """Take in one signal. On return, all that follows from it is committed.

    `now`: the present instant, where the caller has asked for it already.

    1. A repeat of what is known only counts: one UPDATE.
    2. The first firing alert of its key declares an incident; of twins sent at once, one does.
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
    if signal.is_firing and (incident := Alert.objects.count_repeat(source, signal.dedup_key, now)):
        return Receipt("counted", signal.dedup_key, incident)
    known = Alert.objects.is_known(source, signal.dedup_key)
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
        return _declare(source, signal, now)
    incident = alert.incident
    if incident is None:
        if alert.is_ended_by(signal.started_at, now=now, memory=EARLY_RESOLVED_MEMORY):
            return _count(alert, now, "ignored")
        return _declare(source, signal, now, instead_of=alert)
    if not incident.is_open:
        return _recur(source, signal, alert, incident, now)
    if alert.status == Alert.Status.FIRING:
        return _count(alert, now, "counted")
    return _fire_again(alert, incident, now)


def _declare(
    source: Source, signal: Signal, now: datetime, *, instead_of: Alert | None = None
) -> Receipt:
    service, notes = route(source, signal.service)
    reservation = core.reserve_reference(service, now=now)
    with transaction.atomic():
        if instead_of is not None:
            retired = Alert.objects.filter(pk=instead_of.pk, open_key=instead_of.open_key)
            if not retired.update(open_key=None):
                raise Overtaken
        incident = core.declare(
            title=signal.summary,
            description="\n\n".join(filter(None, [signal.description, *signal.notes, *notes])),
            service=service,
            severity=signal.severity or None,
            via=source.name,
            started_at=_start_of(signal, now),
            detected_at=now,
            signal={
                "source": source.name,
                "dedup_key": signal.dedup_key,
                "service": service.slug,
            },
            recurrence_of=instead_of.incident if instead_of else None,
            reservation=reservation,
        )
        # After the incident, so that it is written once; of twins, one finds its key taken.
        _new_alert(source, signal, now, service=service, incident=incident)
        failpoints.reach("ingest.before_commit")
    failpoints.reach("ingest.after_commit")
    return Receipt("declared", signal.dedup_key, incident, tuple(notes))


def _new_alert(
    source: Source,
    signal: Signal,
    now: datetime,
    *,
    service: Service | None = None,
    incident: Incident | None = None,
) -> None:
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
        return _declare(source, signal, now, instead_of=alert)
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
        _new_alert(source, signal, now)
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


# --- routing --------------------------------------------------------------------------------------


def route(source: Source, named: str) -> tuple[Service, list[str]]:
    """The service that an alert naming `named` is about, and what a reader should know of that.

    Nothing is dropped: what names no known service goes to the source's, else to the catch-all,
    else to a service "Unrouted" that is made for it.
    """
    if named:
        service = _service_called(named.lower())
        if service is not None:
            return service, []
    own = source.service if source.service and source.service.is_active else None
    fallback = own or _catch_all() or unrouted()
    if not named:
        return fallback, []
    return fallback, [f"There is no service {named!r}: taken by {fallback.name}."]


@remembered
def _service_called(slug: str) -> Service | None:
    return _services().filter(slug=slug).first()


@remembered
def _catch_all() -> Service | None:
    return _services().filter(is_catch_all=True).first()


def _services() -> QuerySet[Service]:
    return Service.objects.filter(is_active=True).select_related("team")


def unrouted() -> Service:
    """The catch-all of last resort, made at the first need: team and service "Unrouted"."""
    with transaction.atomic():
        team, _ = Team.objects.get_or_create(slug="unrouted", defaults={"name": "Unrouted"})
        service, _ = Service.objects.select_related("team").get_or_create(
            slug="unrouted",
            defaults={
                "name": "Unrouted",
                "team": team,
                "description": "Takes the alerts that name no known service. Give it a policy, "
                "or mark another service as catch-all.",
                "is_catch_all": not Service.objects.filter(is_catch_all=True).exists(),
            },
        )
    return service
