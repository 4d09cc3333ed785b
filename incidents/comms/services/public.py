"""What the public page calls an incident."""

import secrets

from incidents.comms.facts import headline_of
from incidents.comms.models import Component, PublicIncident
from incidents.comms.wording import names
from incidents.core.models import Incident


def name(incident: Incident, headline: str) -> PublicIncident | None:
    """Give the incident its public address and headline, or another headline. Not for drills."""
    if incident.is_drill or incident.is_private:
        return None
    known = PublicIncident.objects.filter(pk=incident.pk).first()
    if known is not None:
        if headline and headline != known.headline:
            known.headline = headline
            known.save(update_fields=["headline"])
        return known
    return PublicIncident.objects.create(
        incident=incident,
        public_id=secrets.token_hex(5),
        headline=headline or headline_of(incident, _affected(incident)),
    )


def _affected(incident: Incident) -> str:
    hurt = [incident.service_id, *incident.affected_services.values_list("pk", flat=True)]
    return names([one.name for one in Component.objects.shown().filter(service__in=hurt)])
