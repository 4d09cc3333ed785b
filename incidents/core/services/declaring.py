"""From a signal to an incident: declare, and what belongs to its beginning."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from incidents.core import plans
from incidents.core.configuration import remembered
from incidents.core.documents import unknown
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
from incidents.core.section import of as section_of
from incidents.core.services.checklists import begin_checklists
from incidents.core.services.policies import revision_for, start_target_clocks
from incidents.core.services.recording import record, require_text
from incidents.core.services.response import command_by_default
from incidents.timers import clock, rows

CLOCK_SKEW = timedelta(minutes=5)
# A row of ReferenceCounter that counts nothing: there are references that came from elsewhere.
UNCOUNTED = "(imported)"


@dataclass(frozen=True)
class Reservation:
    """What nobody else has, the revision whose format the reference follows, and since when.

    `key`: of the row; None where only the INSERT makes one.
    """

    reference: str
    key: int | None
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
    while True:
        number, key, others = _next_number(series)
        if "{number" in pattern:
            reference = pattern.format(**facts, number=number)
        else:
            reference = series if number == 1 else f"{series}-{number}"
        # What was imported came with a reference that nobody counted.
        if not (others and Incident.objects.filter(reference=reference).exists()):
            return Reservation(reference, key, revision, now)


def _next_number(series: str) -> tuple[int, int | None, bool]:
    """The next number of this series, the key of an incident (see `Reservation`), and whether
    there are references that were not counted.

    One statement: it is a transaction of its own where there is none.
    """
    table = connection.ops.quote_name(ReferenceCounter._meta.db_table)
    others = f"EXISTS (SELECT 1 FROM {table} WHERE series = '{UNCOUNTED}')"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} AS counter (series, last) VALUES (%s, 1) "  # noqa: S608
            f"ON CONFLICT (series) DO UPDATE SET last = counter.last + 1 "
            f"{rows.returning(f'last, {rows.reserved_key(Incident)}, {others}')}",
            [series],
        )
        number, key, found, *_ = cursor.fetchone()
    return number, key, bool(found)


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

    `signal`: source, dedup_key, service and name of the alert, compared with the expected signals
    of drills and the runbook's types. Severity: the given one, else the type's, else the service's.
    Who brings a `reservation` has a transaction open, which a failure undoes as a whole.
    Raises DomainError for an empty title, an unknown severity, a start in the future.
    """
    title = require_text(title, "The title", field="title", longest=300)
    reservation, alone = reservation or reserve_reference(service), reservation is None
    _require_past(started_at, now := reservation.at)
    names = [signal.get("name", ""), title, signal.get("dedup_key", "")] if signal else []
    by_type = _by_type(reservation, service, names, incident_type, severity)
    with transaction.atomic(savepoint=alone):
        incident = Incident(
            pk=reservation.key,
            reference=reservation.reference,
            revision=reservation.revision,
            title=title,
            description=description.replace("\x00", "\N{REPLACEMENT CHARACTER}"),
            service=service,
            **by_type,
            declared_by=actor,
            declared_via=via,
            started_at=min(started_at, now) if started_at else None,
            detected_at=min(detected_at or now, now),
            declared_at=now,
            is_private=is_private,
            last_resort=last_resort,
            recurrence_of=recurrence_of,
        )
        _begin(incident, _apply_expectation(incident, signal, now) or list(audience))
    return incident


def check_type(service: Service, *, incident_type: str, severity: str | None = None) -> None:
    """What a person chose is known to the runbook of `service`, and goes together.

    Asked where people declare, who can answer. `declare` itself never stops over it. Raises
    DomainError that says what may be chosen.
    """
    if not incident_type:
        return
    section = section_of(revision_for(service))
    kind = section.types.get(incident_type)
    if kind is None:
        what = f"For {service} the type"
        raise DomainError(unknown(incident_type, section.types, what=what), field="incident_type")
    if severity and kind.severities and severity not in kind.severities:
        raise DomainError(
            f"“{kind.title}” is {' or '.join(kind.severities)}, not {severity}: choose one that "
            "fits, or leave the severity to the type.",
            field="severity",
        )


def _require_known(severity: str | None) -> None:
    if severity and severity not in Severity.values:
        raise DomainError(
            f"{severity!r} is no severity; use one of {', '.join(Severity.values)}.",
            field="severity",
        )


def _require_past(started_at: datetime | None, now: datetime) -> None:
    if started_at and started_at > now + CLOCK_SKEW:
        raise DomainError("An incident cannot start in the future.", field="started_at")


def _by_type(
    reservation: Reservation,
    service: Service,
    names: Iterable[str],
    given: str,
    severity: str | None,
) -> dict[str, str]:
    """What follows from the type that was given, or from that of an alert by one of `names`."""
    _require_known(severity)
    section = section_of(reservation.revision)
    given = given or plans.type_named(section, names)
    kind = section.types.get(given)
    return {
        "incident_type": given,
        "severity": severity or (kind.severity if kind else service.default_severity),
        "procedure": (kind and kind.procedure) or "",
    }


def _begin(incident: Incident, audience: list[User]) -> None:
    """Store it, start its clocks and announce it."""
    rows.insert([incident])
    if audience:
        incident.audience.set(audience)
    start_target_clocks(incident, incident.declared_at)
    begin_checklists(incident)
    via = f" by {incident.declared_via}" if incident.declared_via else ""
    record(
        incident,
        Kind.DECLARED,
        actor=incident.declared_by,
        at=incident.declared_at,
        summary=f"{plans.severity_called(incident)} declared{via}: {incident.title}",
        data={"severity": incident.severity, "service": incident.service.slug},
    )
    command_by_default(incident, incident.declared_by, incident.declared_at)


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
