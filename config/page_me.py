""" "Page me now": a test that goes the way of a real alert, and disturbs nobody else.

A signal is announced as expected, with the one who asks as its only audience and last resort; then
a real alert is taken in. So it is an incident that no figure counts and nobody else sees, whose
escalation finds this person or, where no level means them, is told to page them.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from incidents.alerts import services as alerts
from incidents.alerts.models import Alert, Source
from incidents.alerts.payload import Signal
from incidents.core import services as core
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Service, Severity, TimelineEntry, User
from incidents.core.models.incident import IncidentQuerySet
from incidents.escalation import services as escalation
from incidents.escalation.models import Page
from incidents.notifications import services as notifications
from incidents.notifications.models import Delivery
from incidents.timers import clock
from incidents.timers import services as timers
from incidents.timers.models import Timer
from incidents.timers.wording import span

LABEL = "[TEST]"
END = "config.end_test"
LASTS = timedelta(minutes=10)
# Long enough for a person to see on the page that it was acknowledged.
AFTER_ACKNOWLEDGEMENT = timedelta(seconds=5)
SHOWN = timedelta(hours=1)


@dataclass(frozen=True)
class Trial:
    """How far a test has come."""

    incident: Incident
    source: str
    deliveries: list[Delivery]
    now: datetime

    @property
    def sent_at(self) -> datetime | None:
        return min((d.sent_at for d in self.deliveries if d.sent_at is not None), default=None)

    @property
    def is_waiting_for_long(self) -> bool:
        """A running worker would have sent it by now."""
        late = self.now - self.incident.declared_at > timedelta(seconds=15)
        return late and all(d.state == Delivery.State.PENDING for d in self.deliveries)

    @property
    def answered_after(self) -> str:
        """E.g. "23 s"; empty until then."""
        return self._after(self.incident.acknowledged_at)

    @property
    def sent_after(self) -> str:
        return self._after(self.sent_at)

    def _after(self, at: datetime | None) -> str:
        return "" if at is None else span(at - self.incident.declared_at, seconds=True)


def sources() -> QuerySet[Source]:
    """Those whose way may be tried, the newest first: it is the one somebody just made."""
    return Source.objects.filter(is_active=True).order_by("-pk")[:50]


def start(user: User, *, source_id: str = "") -> Incident:
    """Take in an alert that pages `user` and nobody else. DomainError says what is in the way."""
    source = _source(source_id)
    if notifications.unreachable([user]):
        raise DomainError(
            "You cannot be paged yet: add a contact under My profile, confirm it, and try again."
        )
    with transaction.atomic():
        _end_earlier(user)
        incident = _declare(user, source)
        if not Page.objects.of(incident).filter(user=user).exists():
            # No level means this person. What the last resort would be told is said better so:
            notifications.cancel_pages(incident)
            escalation.page_person(
                incident, user=user, reason="This is the page you asked for.", actor=user
            )
        timers.schedule(END, incident, due_at=clock.now() + LASTS)
    return incident


def _source(source_id: str) -> Source:
    found = Source.objects.filter(is_active=True).select_related("service", "team")
    if source_id.isdecimal():
        found = found.filter(pk=source_id)
    source = found.order_by("-pk").first()
    if source is None:
        raise DomainError("There is no source that takes alerts: add one first.")
    return source


def _declare(user: User, source: Source) -> Incident:
    key = f"page-me-{secrets.token_hex(8)}"
    core.expect_signal(
        matchers={"source": source.name, "dedup_key": key},
        until=clock.now() + LASTS,
        label_before_acknowledgement=LABEL,
        label_after_acknowledgement=LABEL,
        audience=[user],
        last_resort=user,
    )
    receipt = alerts.ingest(
        source,
        Signal(
            dedup_key=key,
            summary=f"{user} tries the pager",
            service=_service(source),
            severity=Severity.SEV1,
            description="Nothing is broken. Acknowledge it, and the test is over.",
        ),
    )
    if receipt.incident is None:
        raise DomainError("The alert was taken in, but no incident came of it.")
    return receipt.incident


def _service(source: Source) -> str:
    """What it would be about: the source's service, else one of its team, else any."""
    if source.service is not None and source.service.is_active:
        return source.service.slug
    services = Service.objects.filter(is_active=True).order_by("pk")
    of_team = services.filter(team=source.team).first() if source.team else None
    service = of_team or services.first()
    return service.slug if service else ""


def latest(user: Any, *, now: datetime) -> Trial | None:
    """This person's last test, while it is worth showing; two queries, one where there is none."""
    incident = tests_of(user).filter(declared_at__gte=now - SHOWN).order_by("-pk").first()
    if incident is None:
        return None
    deliveries = Delivery.objects.filter(incident=incident, recipient=incident.last_resort_id)
    sent = deliveries.pages().exclude(state=Delivery.State.CANCELLED, sent_at=None)
    return Trial(incident, incident.declared_via, list(sent.order_by("created_at")), now)


def tests_of(user: Any) -> IncidentQuerySet:
    return Incident.objects.filter(
        is_drill=True, label_before_acknowledgement=LABEL, last_resort=user
    )


def end(user: User) -> None:
    """Close what this person's tests left open."""
    with transaction.atomic():
        _end_earlier(user)


def _end_earlier(user: User) -> None:
    for incident in tests_of(user).open():
        _close(incident)


def _close(incident: Incident) -> None:
    """The one who asked closes it, and so is not told once more. The alert stops firing, too."""
    core.dismiss(incident, reason="The test of the pager is over.", actor=incident.last_resort)
    timers.cancel(END, incident)
    alert = Alert.objects.filter(incident=incident).select_related("source").first()
    if alert is not None:
        signal = Signal(dedup_key=alert.dedup_key, summary=alert.summary, is_firing=False)
        alerts.ingest(alert.source, signal)


# --- By itself ------------------------------------------------------------------------------------


def end_soon(entry: TimelineEntry, incident: Incident) -> None:
    """Receiver of core's signal: it was acknowledged, so the test has shown what it was to show."""
    if incident.is_drill and incident.label_before_acknowledgement == LABEL:
        timers.schedule(END, incident, due_at=entry.at + AFTER_ACKNOWLEDGEMENT)


def end_test(_timer: Timer, incident: Incident, _now: datetime) -> None:
    if incident.is_open:
        _close(incident)
