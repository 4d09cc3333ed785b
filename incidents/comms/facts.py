"""What an update can say of an incident, as text: reads rows, writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from incidents.comms.models import Audience, Component, PublicIncident
from incidents.comms.section import Communication
from incidents.comms.wording import both_times, names, spoken
from incidents.core import services as core
from incidents.core.models import Incident, IncidentRole, Kind, Service, Status, User

NAMELESS = "Our service"


@dataclass(frozen=True)
class Words:
    """What an author writes: what is known, what was done, what comes next, and until when."""

    known: str = ""
    done: str = ""
    next: str = ""
    eta: str = ""
    headline: str = ""
    reason: str = ""
    requesting: str = ""


def status_word(incident: Incident, section: Communication) -> str:
    """As people are told it: what is mitigated and works again may have a word of its own."""
    own = section.words.mitigating_recovered
    if own and incident.status == Status.MITIGATING and incident.recovered_at is not None:
        return own
    return incident.get_status_display()


def values_of(
    incident: Incident,
    section: Communication,
    *,
    audience: str,
    words: Words,
    now: datetime,
    number: int,
    author: User | None = None,
    next_due_at: datetime | None = None,
) -> dict[str, str]:
    """Every variable of a template for this audience; what is not known is empty."""
    is_outside = audience == Audience.EXTERNAL
    zone = getattr(section.zones, audience)
    times = {
        "started": incident.started_at or incident.clock_starts_at,
        "declared": incident.declared_at,
        "resolved": incident.resolved_at,
        "updated": now,
        "next_update": next_due_at,
    }
    values = {name: both_times(at, zone) if at else "" for name, at in times.items()}
    values |= {
        "reference": incident.reference,
        "severity": core.policy_of(incident).label,
        "status": status_word(incident, section),
        "duration": spoken((incident.resolved_at or now) - (times["started"] or now)),
        "next_update_in": spoken(next_due_at - now) if next_due_at else "",
        "number": str(number),
        "users_affected": "" if incident.users_affected is None else str(incident.users_affected),
        "status_page": f"{settings.PUBLIC_URL}/status/",
        "known": words.known,
        "done": words.done,
        "next": words.next,
        "eta": words.eta,
    }
    if is_outside:
        return values | _outside(incident, words)
    return values | _inside(incident, words, author, zone)


def _outside(incident: Incident, words: Words) -> dict[str, str]:
    """Services by the names that customers know; nothing that was written for colleagues."""
    hurt = [incident.service_id, *incident.affected_services.values_list("pk", flat=True)]
    shown = {
        component.service_id: component.name
        for component in Component.objects.shown().filter(service__in=hurt)
    }
    affected = names([shown[pk] for pk in dict.fromkeys(hurt) if pk in shown])
    return {
        "service": shown.get(incident.service_id, affected or NAMELESS),
        "affected_services": affected,
        "headline": words.headline or headline_of(incident, affected),
    }


def headline_of(incident: Incident, affected: str = "") -> str:
    """How the public page calls it: as it was called there, or by what is affected."""
    known = PublicIncident.objects.filter(pk=incident.pk).values_list("headline", flat=True).first()
    return known or (f"Disruption of {affected}" if affected else "Service disruption")


def _inside(incident: Incident, words: Words, author: User | None, zone: str) -> dict[str, str]:
    held = incident.roles.filter(until=None).select_related("user")
    holders = {role.role: role.user for role in held}
    joined = incident.timeline.filter(kind=Kind.JOINED).select_related("actor")
    taker = [incident.acknowledged_by] if incident.acknowledged_by else []
    working = [*taker, *holders.values(), *(entry.actor for entry in joined if entry.actor)]
    document: Mapping[str, object] = incident.revision.document or {}
    review_at = getattr(incident, "review_due_at", None)
    return {
        **{role: str(holders.get(role, "")) for role in IncidentRole.values},
        "title": incident.title,
        "headline": words.headline or incident.title,
        "service": incident.service.name,
        "affected_services": names(_hurt(incident)),
        "impact": incident.impact,
        "responders": names(list(dict.fromkeys(working))),
        "author": str(author or "Tocsin"),
        "reporter": str(incident.declared_by or incident.declared_via or ""),
        "acknowledged_by": str(incident.acknowledged_by or ""),
        "suspected_cause": incident.suspected_cause,
        "mitigation": incident.mitigation,
        "root_cause": incident.root_cause,
        "resolution": incident.resolution,
        "review_at": both_times(review_at, zone) if review_at else "",
        "post_incident": "",
        "channel": channel_of(incident, str(document.get("channel") or "")),
        "bridge": str(document.get("bridge") or ""),
        "reason": words.reason,
        "requesting": words.requesting,
    }


def _hurt(incident: Incident) -> list[Service]:
    others = [one for one in incident.affected_services.all() if one.pk != incident.service_id]
    return [incident.service, *others]


def channel_of(incident: Incident, pattern: str) -> str:
    """The runbook's `channel`, e.g. #incident-2026-03-02-checkout; empty where it names none."""
    facts = {
        "date": f"{incident.declared_at:%Y-%m-%d}",
        "service": incident.service.slug,
        "reference": incident.reference.lower(),
        "severity": incident.severity.lower(),
        "number": incident.reference.rpartition("-")[2],
    }
    for name, value in facts.items():
        pattern = pattern.replace(f"{{{name}}}", value)
    return pattern


def spokesperson(incident: Incident) -> User | None:
    """Who tells people: the communications lead, else the commander, else who has acknowledged."""
    wanted = [IncidentRole.COMMUNICATIONS_LEAD, IncidentRole.COMMANDER]
    held = incident.roles.filter(role__in=wanted, until=None).select_related("user")
    holders = {role.role: role.user for role in held if role.user.is_active}
    return next((holders[role] for role in wanted if role in holders), incident.acknowledged_by)
