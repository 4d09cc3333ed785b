"""What stands in the way of a move, by all that is known of the incident."""

from datetime import datetime

from incidents.core import criteria, plans
from incidents.core.errors import Unmet
from incidents.core.models import Attestation, ChecklistItem, Incident, Kind, Status
from incidents.core.section import of as section_of
from incidents.core.services.policies import policy_of


def unmet_of(incident: Incident, now: datetime, *, target: str) -> list[Unmet]:
    """Every criterion that the incident, as it stands in memory, does not meet for `target`."""
    if target != Status.RESOLVED:
        return criteria.unmet(incident, policy_of(incident), now, target=target)
    policy, plan = policy_of(incident), plans.resolve_of(section_of(incident.revision), incident)
    ticked = incident.checklist.filter(part=ChecklistItem.Part.CONFIRM, ticked_at__isnull=False)
    return criteria.unmet(
        incident,
        policy,
        now,
        target=target,
        plan=plan,
        attestations=_attested(incident) if policy.required_attestations else (),
        confirmed=ticked.values_list("text", flat=True) if plan.confirm else (),
    )


def observed_until(incident: Incident, now: datetime) -> datetime | None:
    """From when on it may be resolved, while it works again but is still being observed."""
    plan = plans.resolve_of(section_of(incident.revision), incident)
    return criteria.observed_until(incident, policy_of(incident), now, plan)


def _attested(incident: Incident) -> list[Attestation]:
    """What was attested since it last broke: what held before that says nothing any more."""
    broken = incident.timeline.filter(kind__in=[Kind.RELAPSED, Kind.REOPENED])
    last, stated = broken.order_by("-at").first(), incident.attestations.order_by("at")
    return list(stated if last is None else stated.filter(at__gt=last.at))
