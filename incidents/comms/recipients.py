"""Who is told: the lists of the service, of its team and of the organisation. Reads rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from incidents.comms.models import Audience, Stakeholders, TeamChannel
from incidents.core.configuration import remembered
from incidents.core.models import Incident, Severity, User
from incidents.notifications.services import Address


@dataclass(frozen=True)
class Recipients:
    """People, each by whichever address works, and addresses of nobody in particular."""

    people: tuple[User, ...] = ()
    addresses: tuple[Address, ...] = ()

    def __len__(self) -> int:
        return len(self.people) + len(self.addresses)


def recipients_of(incident: Incident, audience: str) -> Recipients:
    """Of a drill, colleagues with an account and nobody else; of a private incident, its audience.

    Nothing about either leaves the house: an address may be anybody's.
    """
    is_outside = audience == Audience.EXTERNAL
    if is_outside and (incident.is_drill or incident.is_private):
        return Recipients()
    lists = [one for one in _lists() if one.audience == audience and _concerns(one, incident)]
    people = {person.pk: person for one in lists for person in one.people.all()}
    if incident.is_private:
        seen = set(incident.audience.values_list("pk", flat=True)) if people else set()
        people = {pk: person for pk, person in people.items() if pk in seen}
    addresses = {
        (row.kind, row.address): row.as_address for one in lists for row in one.addresses.all()
    }
    if incident.is_drill or incident.is_private:
        addresses = {}
    active = tuple(person for person in people.values() if person.is_active)
    return Recipients(active, tuple(addresses.values()))


def _concerns(one: Stakeholders, incident: Incident) -> bool:
    if Severity(incident.severity).rank > Severity(one.minimum_severity).rank:
        return False
    if one.service_id is not None:
        return one.service_id == incident.service_id
    return one.team_id in {None, incident.service.team_id}


@remembered
def _lists() -> Sequence[Stakeholders]:
    found = Stakeholders.objects.filter(is_active=True).select_related("service")
    return list(found.prefetch_related("people", "addresses"))


def channels_of(incident: Incident) -> list[TeamChannel]:
    """The channels of the incident's team and those of every team."""
    return [one for one in _channels() if one.team_id in {None, incident.service.team_id}]


@remembered
def _channels() -> Sequence[TeamChannel]:
    return list(TeamChannel.objects.filter(is_active=True).select_related("team"))
