"""The incident that Tocsin keeps for itself, to see that incidents still work."""

from incidents.core.models import CANARY, Incident, Service, Severity
from incidents.core.services.policies import revision_for
from incidents.timers import clock


def keep_canary() -> Incident | None:
    """The canary, made at the first need; None before there is any service.

    Declared to nobody: no entry, no target, no escalation. It is taken, so that nobody is asked;
    private without audience, so that nobody sees it; and a drill, so that no figure counts it.
    """
    found = Incident.objects.filter(reference=CANARY).first()
    service = Service.objects.filter(is_active=True).order_by("pk").first()
    if found or service is None:
        return found
    incident, _ = Incident.objects.get_or_create(
        reference=CANARY,
        defaults={
            "title": "The canary: nothing is broken",
            "service": service,
            "severity": Severity.SEV4,
            "revision": revision_for(service),
            "declared_at": clock.now(),
            "declared_via": "Tocsin",
            "is_acknowledged": True,
            "is_private": True,
            "is_drill": True,
        },
    )
    return incident
