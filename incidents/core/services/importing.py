"""An incident of the past comes in as a document, and any goes out as one."""

import json
from typing import Any

from django.db import IntegrityError, transaction

from incidents.core import records
from incidents.core.access import require_manages
from incidents.core.errors import DomainError
from incidents.core.models import (
    Incident,
    Kind,
    ReferenceCounter,
    Service,
    Status,
    TimelineEntry,
    User,
)
from incidents.core.records import Record
from incidents.core.services.declaring import UNCOUNTED, reserve_reference
from incidents.core.services.policies import revision_for
from incidents.core.services.recording import record
from incidents.timers import clock, rows

IMPORTED_VIA = "import"


def import_incident(
    document: dict[str, Any], *, actor: User | None, service: Service | None = None
) -> tuple[Incident, bool]:
    """Take in an incident that is over: nobody is paged, nothing is due. False: it was here.

    The same document again is known by its id; without one, by its service, title and times.

    For managers of the team; `actor` None: somebody at the server's terminal. `service`: of what
    the document names none. Raises NotARecord, and DomainError where its id is taken by another.
    """
    told = records.read(document)
    service = _service_of(told, service)
    if actor is not None:
        require_manages(actor, service.team_id)
    now = clock.now()
    if told.resolved_at > now:
        raise records.NotARecord(["incident.resolved_at: lies in the future."])
    if not told.reference:
        return _import_nameless(told, document, service, actor)
    earlier = Incident.objects.filter(reference=told.reference).first()
    if earlier is not None:
        return _same(earlier, document), False
    try:
        with transaction.atomic():
            return _store(told, document, service, told.reference, actor), True
    except IntegrityError:
        twin = Incident.objects.filter(reference=told.reference).first()
        if twin is None:
            raise
        return _same(twin, document), False


@transaction.atomic
def _import_nameless(
    told: Record, document: dict[str, Any], service: Service, actor: User | None
) -> tuple[Incident, bool]:
    """One without an id is known again by its service, title and times."""
    # One at a time: of two that come at once, the second is to find the first.
    Service.objects.select_for_update(no_key=True).get(pk=service.pk)
    twins = Incident.objects.filter(
        service=service,
        title=told.title,
        started_at=told.started_at,
        resolved_at=told.resolved_at,
    )
    alike = list(twins.order_by("pk"))
    for twin in alike:
        entry = twin.timeline.filter(kind=Kind.IMPORTED).first()
        if entry is not None and _document_of(entry) == document:
            return twin, False
    if alike:
        raise DomainError(
            f"This looks like {alike[0].reference}: the same service, title and times, but "
            "something else in it differs. If it is another incident, give it an id of its own.",
            field="id",
            code="taken",
        )
    return _store(told, document, service, reserve_reference(service).reference, actor), True


def _service_of(told: Record, given: Service | None) -> Service:
    if not told.service:
        if given is None:
            raise DomainError("Say which service it was: incident.service.", field="service")
        return given
    known = Service.objects.select_related("team")
    found = known.filter(slug=told.service).first() or known.filter(name=told.service).first()
    if found is None:
        if given is None:
            raise DomainError(f"There is no service {told.service!r}.", field="service")
        return given
    return found


def _same(earlier: Incident, document: dict[str, Any]) -> Incident:
    entry = earlier.timeline.filter(kind=Kind.IMPORTED).first()
    if entry is None or _document_of(entry) != document:
        raise DomainError(
            f"There is another incident {earlier.reference} already; give this one another id.",
            field="id",
            code="taken",
        )
    return earlier


def _store(
    told: Record,
    document: dict[str, Any],
    service: Service,
    reference: str,
    actor: User | None,
) -> Incident:
    facts = {name: value for name, value in told.facts.items() if value is not None}
    incident = Incident(
        reference=reference,
        revision=revision_for(service),
        title=told.title,
        service=service,
        severity=told.severity,
        status=Status.RESOLVED,
        outcome=Incident.Outcome.RESOLVED,
        started_at=told.started_at,
        resolved_at=told.resolved_at,
        declared_by=actor,
        **{
            "declared_via": IMPORTED_VIA,
            "declared_at": facts.get("detected_at", told.began_at),
            "recovered_at": told.resolved_at,
        }
        | {name: value for name, value in facts.items() if value != ""},
    )
    if told.reference:
        ReferenceCounter.objects.get_or_create(series=UNCOUNTED, defaults={"last": 0})
    rows.insert([incident])
    rows.insert(
        [
            TimelineEntry(incident=incident, kind=Kind.NOTE, at=one.at, summary=one.event, data={})
            for one in told.told
        ]
    )
    record(
        incident,
        Kind.IMPORTED,
        actor=actor,
        summary="Imported; it was over when it came here.",
        # As text, because a database may put the keys of JSON into an order of its own.
        data={"document": json.dumps(document), "written": records.written(incident, ())},
    )
    return incident


def export_incident(incident: Incident) -> dict[str, Any]:
    """All of it as a document. One that was imported comes back as it was, with what changed."""
    entries = incident.timeline.select_related("actor").order_by("at", "id")
    imported = entries.filter(kind=Kind.IMPORTED).first()
    if imported is None:
        return records.written(incident, entries)
    since = entries.filter(pk__gt=imported.pk)
    now = records.written(incident, since)
    return records.overlaid(_document_of(imported), imported.data["written"], now)


def _document_of(imported: TimelineEntry) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(imported.data["document"])
    return document
