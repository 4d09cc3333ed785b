"""What people and monitors know about an incident: notes, impact, attestations, corrections."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction

from incidents.core.errors import DomainError, Forbidden
from incidents.core.models import Attestation, Incident, IncidentRole, Kind, Service, User
from incidents.core.services.recording import lock, record, require_open, require_text
from incidents.timers import clock
from incidents.timers.wording import span

# The milestones that may be corrected, as people say them.
MILESTONES = {
    "started": "It began",
    "detected": "Detected",
    "acknowledged": "Acknowledged",
    "identified": "Cause identified",
    "mitigating": "Mitigation started",
    "recovered": "It worked again",
    "resolved": "Resolved",
}
CORRECTABLE = list(MILESTONES)


@transaction.atomic
def note(incident: Incident, *, text: str, actor: User) -> Incident:
    """Add to the story, in any state: what was learned afterwards belongs to it too."""
    incident = lock(incident)
    text = require_text(text, "The note", field="text")
    record(incident, Kind.NOTE, actor=actor, summary=text)
    return incident


@transaction.atomic
def record_impact(
    incident: Incident,
    *,
    actor: User,
    impact: str | None = None,
    users_affected: int | None = None,
    affected_services: Iterable[Service] | None = None,
    revenue_lost: Decimal | None = None,
    currency: str | None = None,
    data_loss: str | None = None,
) -> Incident:
    """Say who and what is hurt, as far as known. None leaves a fact as it is."""
    incident = lock(incident)
    _check_impact(users_affected, revenue_lost, currency or incident.currency, data_loss)
    given: dict[str, Any] = {
        "impact": impact,
        "users_affected": users_affected,
        "revenue_lost": revenue_lost,
        "currency": currency.upper() if currency else None,
        "data_loss": data_loss,
    }
    changed = {
        name: value
        for name, value in given.items()
        if value is not None and value != getattr(incident, name)
    }
    for name, value in changed.items():
        setattr(incident, name, value)
    if changed:
        incident.save(update_fields=[*changed])
    facts = {name: str(value) for name, value in changed.items()}
    if affected_services is not None:
        services = list(affected_services)
        incident.affected_services.set(services)
        facts["affected_services"] = ", ".join(service.name for service in services) or "none"
    if not facts:
        raise DomainError("Nothing new about the impact was given.")
    told = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items())
    record(incident, Kind.IMPACT_RECORDED, actor=actor, summary=f"Impact: {told}", data=facts)
    return incident


def _check_impact(
    users: int | None, revenue: Decimal | None, currency: str, data_loss: str | None
) -> None:
    if users is not None and users < 0:
        raise DomainError("Users affected cannot be negative.", field="users_affected")
    if revenue is not None and revenue < 0:
        raise DomainError("Revenue lost cannot be negative.", field="revenue_lost")
    if revenue is not None and not (len(currency) == 3 and currency.isalpha()):
        raise DomainError("Say in which currency, e.g. EUR.", field="currency")
    if data_loss is not None and data_loss not in Incident.DataLoss.values:
        allowed = ", ".join(Incident.DataLoss.values)
        raise DomainError(f"{data_loss!r} is unknown; use one of {allowed}.", field="data_loss")


def set_review_due(incident: Incident, at: datetime | None) -> None:
    """When it is reviewed, or is to be by then (None: not at all). The incident must be locked.

    Stored here for those who tell people of it and do not know reviews.
    """
    if incident.review_due_at != at:
        incident.review_due_at = at
        incident.save(update_fields=["review_due_at"])


@transaction.atomic
def attest(
    incident: Incident,
    *,
    fact: str,
    value: Decimal | float,
    window: timedelta,
    unit: str = "",
    link: str = "",
    actor: User | None = None,
) -> Attestation:
    """State a health fact that Tocsin cannot measure: `fact` has been `value` for `window`."""
    incident = lock(incident)
    require_open(incident, "attest to its health")
    fact = require_text(fact, "What is attested", field="fact", longest=64)
    if window < timedelta():
        raise DomainError("The window cannot be negative.", field="window")
    if link:
        try:
            URLValidator(schemes=["http", "https"])(link)
        except ValidationError:
            raise DomainError("The link must be a http(s) address.", field="link") from None
    attestation = Attestation.objects.create(
        incident=incident,
        fact=fact.lower().replace(" ", "_"),
        value=Decimal(str(value)),
        unit=unit[:16],
        window=window,
        link=link,
        at=clock.now(),
        attested_by=actor,
    )
    record(
        incident,
        Kind.ATTESTED,
        actor=actor,
        summary=f"Attested: {attestation}{f' for {span(window)}' if window else ''}.",
        data={"fact": attestation.fact, "value": str(value), "window": window.total_seconds()},
    )
    return attestation


@transaction.atomic
def correct_milestone(
    incident: Incident, *, milestone: str, at: datetime, reason: str, actor: User
) -> Incident:
    """Put a milestone where it really was; the old value stays on the timeline.

    For the commander and managers of the owning team. The order of the milestones must hold.
    """
    incident = lock(incident)
    if milestone not in CORRECTABLE:
        raise DomainError(
            f"{milestone!r} cannot be corrected; use one of {', '.join(CORRECTABLE)}.",
            field="milestone",
        )
    commands = incident.roles.filter(role=IncidentRole.COMMANDER, user=actor, until=None)
    if not actor.manages(incident.service.team_id) and not commands.exists():
        raise Forbidden("Only the commander or a manager of its team corrects milestones.")
    reason = require_text(reason, "The reason", field="reason")
    name = f"{milestone}_at"
    old: datetime | None = getattr(incident, name)
    if old is None and milestone != "started":
        raise DomainError(f"“{MILESTONES[milestone]}” has not been reached yet.", field="milestone")
    setattr(incident, name, at)
    _check_order(incident)
    incident.save(update_fields=[name])
    record(
        incident,
        Kind.MILESTONE_CORRECTED,
        actor=actor,
        summary=f"{MILESTONES[milestone]}: corrected from {_stamp(old)} to {_stamp(at)}. {reason}",
        data={
            "milestone": milestone,
            "old": old.isoformat() if old else None,
            "new": at.isoformat(),
            "reason": reason,
        },
    )
    return incident


def _check_order(incident: Incident) -> None:
    if any((at := getattr(incident, f"{name}_at")) and at > clock.now() for name in CORRECTABLE):
        raise DomainError("A milestone cannot lie in the future.", field="at")
    for chain in [
        ("started", "detected", "acknowledged", "resolved"),
        ("started", "detected", "identified", "mitigating", "resolved"),
        ("started", "detected", "recovered", "resolved"),
    ]:
        known = [(name, at) for name in chain if (at := getattr(incident, f"{name}_at"))]
        for (before, first), (after, second) in pairwise(known):
            if first > second:
                raise DomainError(
                    f"“{MILESTONES[before]}” ({_stamp(first)}) cannot be after "
                    f"“{MILESTONES[after]}” ({_stamp(second)}).",
                    field="at",
                )


def _stamp(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "unknown"
