"""From a signal to an incident: declare, and what belongs to its beginning."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from incidents.core.configuration import remembered
from incidents.core.errors import DomainError
from incidents.core.models import (
    ExpectedSignal,
    Incident,
    Kind,
    ReferenceCounter,
    RunbookRevision,
    Service,
    Severity,
    User,
)
from incidents.core.services.policies import revision_for, start_target_clocks
from incidents.core.services.recording import record, require_text
from incidents.timers import clock, rows

CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Reservation:
    """A reference that nobody else has, the revision whose format it follows, and since when."""

    reference: str
    revision: RunbookRevision
    at: datetime


def reserve_reference(service: Service, *, now: datetime | None = None) -> Reservation:
    """A free reference in the format of the service's runbook.

    A short transaction of its own where the caller has none open, so that a long one never makes
    other declarations wait. A number that is not used in the end is a gap, and that is fine.
    """
    revision = revision_for(service)
    now = now or clock.now()
    facts: dict[str, Any] = {
        "date": f"{now:%Y-%m-%d}",
        "year": f"{now:%Y}",
        "time": f"{now:%H%M}",
        "service": service.slug,
    }
    pattern = revision.reference_format
    series = pattern.replace("{number:03}", "#").replace("{number}", "#").format(**facts)
    number = _next_number(series)
    if "{number" in pattern:
        return Reservation(pattern.format(**facts, number=number), revision, now)
    return Reservation(series if number == 1 else f"{series}-{number}", revision, now)


def _next_number(series: str) -> int:
    """One statement: it is a transaction of its own where there is none."""
    table = connection.ops.quote_name(ReferenceCounter._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} AS counter (series, last) VALUES (%s, 1) "  # noqa: S608
            f"ON CONFLICT (series) DO UPDATE SET last = counter.last + 1 {rows.returning('last')}",
            [series],
        )
        number: int = cursor.fetchone()[0]
    return number


def declare(
    *,
    title: str,
    service: Service,
    severity: str | None = None,
    actor: User | None = None,
    via: str = "",
    description: str = "",
    started_at: datetime | None = None,
    detected_at: datetime | None = None,
    signal: dict[str, str] | None = None,
    incident_type: str = "",
    is_private: bool = False,
    audience: Iterable[User] = (),
    last_resort: User | None = None,
    recurrence_of: Incident | None = None,
    reservation: Reservation | None = None,
) -> Incident:
    """Make an incident of what somebody or something noticed.

    `signal`: source, dedup_key and service of the alert, compared with the expected signals of
    drills. Who brings a `reservation` has a transaction open, which a failure undoes as a whole.
    Raises DomainError for an empty title, an unknown severity, a start in the future.
    """
    title = require_text(title, "The title", field="title", longest=300)
    _require_known(severity)
    alone = reservation is None
    reservation = reservation or reserve_reference(service)
    _require_past(started_at, now := reservation.at)
    with transaction.atomic(savepoint=alone):
        incident = Incident(
            reference=reservation.reference,
            revision=reservation.revision,
            title=title,
            description=description.replace("\x00", "\N{REPLACEMENT CHARACTER}"),
            service=service,
            severity=severity or service.default_severity,
            incident_type=incident_type,
            declared_by=actor,
            declared_via=via,
            started_at=min(started_at, now) if started_at else None,
            detected_at=min(detected_at or now, now),
            declared_at=now,
            is_private=is_private,
            last_resort=last_resort,
            recurrence_of=recurrence_of,
        )
        people = _apply_expectation(incident, signal, now) or list(audience)
        _begin(incident, people)
    return incident


def _require_known(severity: str | None) -> None:
    if severity and severity not in Severity.values:
        raise DomainError(
            f"{severity!r} is no severity; use one of {', '.join(Severity.values)}.",
            field="severity",
        )


def _require_past(started_at: datetime | None, now: datetime) -> None:
    if started_at and started_at > now + CLOCK_SKEW:
        raise DomainError("An incident cannot start in the future.", field="started_at")


def _begin(incident: Incident, audience: list[User]) -> None:
    """Store it, start its clocks and announce it."""
    rows.insert([incident])
    if audience:
        incident.audience.set(audience)
    start_target_clocks(incident, incident.declared_at)
    via = f" by {incident.declared_via}" if incident.declared_via else ""
    record(
        incident,
        Kind.DECLARED,
        actor=incident.declared_by,
        at=incident.declared_at,
        summary=f"{incident.severity} declared{via}: {incident.title}",
        data={"severity": incident.severity, "service": incident.service.slug},
    )


def _apply_expectation(
    incident: Incident, signal: dict[str, str] | None, now: datetime
) -> list[User]:
    if signal is None:
        return []
    expected = expectation_of(signal, now)
    if expected is None:
        return []
    people = list(expected.audience.all())
    incident.is_drill = True
    incident.is_private = bool(people)
    incident.label_before_acknowledgement = expected.label_before_acknowledgement
    incident.label_after_acknowledgement = expected.label_after_acknowledgement
    incident.last_resort = expected.last_resort
    return people


def expectation_of(signal: dict[str, str], now: datetime) -> ExpectedSignal | None:
    """What announced this signal as one of a drill; None: it is a real one."""
    live = (expected for expected in _expected() if expected.until > now)
    return next((expected for expected in live if expected.matches(signal)), None)


@remembered
def _expected() -> list[ExpectedSignal]:
    return list(ExpectedSignal.objects.live(clock.now()).select_related("last_resort"))


def expect_signal(
    *,
    matchers: dict[str, str],
    until: datetime,
    label_before_acknowledgement: str = "",
    label_after_acknowledgement: str = "[DRILL]",
    audience: Iterable[User] = (),
    last_resort: User | None = None,
) -> ExpectedSignal:
    """Announce that a signal like this will be a drill until `until`."""
    unknown = set(matchers) - {"service", "dedup_key", "source"}
    if unknown or not matchers:
        raise DomainError("Match at least one of service, dedup_key and source, and nothing else.")
    expected = ExpectedSignal.objects.create(
        matchers=matchers,
        until=until,
        label_before_acknowledgement=label_before_acknowledgement,
        label_after_acknowledgement=label_after_acknowledgement,
        last_resort=last_resort,
    )
    expected.audience.set(audience)
    return expected


def withdraw_expectation(expected: ExpectedSignal) -> None:
    """From now on such a signal is a real one."""
    ExpectedSignal.objects.filter(pk=expected.pk).update(until=clock.now())
