"""Who comes to a review, who runs it, and whom its delay is told: reads rows, writes nothing."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils.text import slugify

from incidents.core.models import (
    Incident,
    IncidentRole,
    Kind,
    Membership,
    Role,
    Service,
    TimelineEntry,
    User,
)
from incidents.core.services import HUMAN_ACTIONS
from incidents.oncall import services as oncall
from incidents.oncall.models import TeamSchedule
from incidents.reviews.section import Attendee, Reviews

# Where a runbook does not say who comes.
USUAL = [
    Attendee(who="Incident commander", facilitates=True),
    Attendee(who="All responders"),
    Attendee(who="Owners of the affected services"),
    Attendee(who="Engineering manager"),
]
PRODUCT_OWNER = "Product owner"
ACTING = [*HUMAN_ACTIONS, Kind.RESOLVED, Kind.REOPENED, Kind.MILESTONE_CORRECTED]
_ROLES = {
    "commander": IncidentRole.COMMANDER,
    "technical lead": IncidentRole.TECHNICAL_LEAD,
    "communications lead": IncidentRole.COMMUNICATIONS_LEAD,
    "scribe": IncidentRole.SCRIBE,
    "database administrator": IncidentRole.DATABASE_ADMINISTRATOR,
}


@dataclass(frozen=True)
class Guest:
    """Somebody who is to come, in the runbook's words; `user` None: nobody is that yet."""

    role: str
    user: User | None
    facilitates: bool = False


def guests_of(incident: Incident, section: Reviews) -> list[Guest]:
    """Everybody once, by the first reason to come; a line that means nobody stays as a name.

    Of a private incident only those who may see it.
    """
    lines = [
        line
        for line in section.attendees or USUAL
        if not line.severities or incident.severity in line.severities
    ]
    guests: dict[object, Guest] = {}
    for line in lines:
        people = _allowed(incident, _meant_by(line.who, incident))
        if not people:
            guests[line.who] = Guest(line.who, None)
        for person in people:
            guests.setdefault(person.pk, Guest(line.who, person, line.facilitates))
    if not section.attendees:
        for person in _allowed(incident, _with_function(PRODUCT_OWNER, incident)):
            guests.setdefault(person.pk, Guest(PRODUCT_OWNER, person))
    return list(guests.values())


def facilitator_of(incident: Incident, guests: Iterable[Guest]) -> User | None:
    """Whom the runbook wants; else the commander, whoever had it, or a manager of its team."""
    named = [guest.user for guest in guests if guest.facilitates and guest.user]
    if named:
        return named[0]
    last = [incident.acknowledged_by] if incident.acknowledged_by else []
    candidates = [*holders(incident, IncidentRole.COMMANDER), *last, *managers_of(incident)]
    return next(iter(_allowed(incident, candidates)), None)


def managers_of(incident: Incident) -> list[User]:
    """Who hears of what is overdue: the managers of its team, and where there is none, others.

    Those are the incident's own last resort, else the administrators.
    """
    found = _allowed(incident, _managers([incident.service.team_id]))
    if found:
        return found
    return administrators(incident)


def administrators(incident: Incident) -> list[User]:
    """Whom there is when there is no manager: the incident's own last resort comes first."""
    if incident.last_resort and incident.last_resort.is_active:
        return [incident.last_resort]
    return list(User.objects.filter(is_superuser=True, is_active=True).order_by("pk"))


def with_role(incident: Incident, role: str) -> User | None:
    """Who has this role of a runbook: in the incident, or by function."""
    if role in IncidentRole.values:
        found = holders(incident, role)
    else:
        found = _with_function(role, incident)
    return next(iter(_allowed(incident, found)), None)


def holders(incident: Incident, role: str) -> list[User]:
    """Who had this role in the incident, the last one first."""
    held = incident.roles.filter(role=role, user__is_active=True).select_related("user")
    return list(dict.fromkeys(one.user for one in held.order_by("-since", "-pk")))


def responders_of(incident: Incident) -> list[User]:
    """Everybody who did something about it or about a duplicate, in order of their coming."""
    all_of_it = [incident.pk, *incident.duplicates.values_list("pk", flat=True)]
    entries = TimelineEntry.objects.filter(incident__in=all_of_it, kind__in=ACTING)
    entries = entries.filter(actor__is_active=True).select_related("actor")
    acted = [entry.actor for entry in entries.order_by("at", "pk")]
    held = incident.roles.filter(user__is_active=True).select_related("user").order_by("since")
    people = [*acted, *(one.user for one in held)]
    return list(dict.fromkeys(person for person in people if person is not None))


def may_come(incident: Incident, person: User) -> bool:
    """Whether this person may see the incident at all."""
    return bool(_allowed(incident, [person]))


def _meant_by(who: str, incident: Incident) -> Sequence[User]:
    """The people that a line of a runbook means."""
    words = re.sub(r"^(?:the|all|our|incident)\s+", "", who.strip().lower())
    words = words.removeprefix("incident ")
    if words in _ROLES:
        return holders(incident, _ROLES[words])[:1] or _instead_of(words, incident)
    for pattern, meant in _MEANINGS:
        if re.fullmatch(pattern, words):
            return meant(incident)
    found = _with_function(who, incident)
    if not found and re.fullmatch(r"(?:\w+ )?managers?", words):
        return _managers([incident.service.team_id])
    return found


def _instead_of(words: str, incident: Incident) -> Sequence[User]:
    """Whoever had an incident that had no commander ran it."""
    is_command = words == "commander" and incident.acknowledged_by is not None
    return [incident.acknowledged_by] if is_command and incident.acknowledged_by else []


def _on_call(incident: Incident) -> Sequence[User]:
    """Who was on call for its team when it began, and took it, if that was somebody else."""
    assigned = TeamSchedule.objects.filter(team=incident.service.team_id).first()
    found: list[User] = []
    if assigned is not None:
        on_call = oncall.people_on_call([assigned.schedule_id], incident.declared_at)
        found = [person for person in on_call.values() if person is not None]
    first = incident.timeline.filter(kind=Kind.ACKNOWLEDGED, actor__isnull=False)
    took = [entry.actor for entry in first.select_related("actor").order_by("at", "pk")[:1]]
    return list(dict.fromkeys([*found, *(person for person in took if person is not None)]))


def _owners(incident: Incident) -> Sequence[User]:
    services: list[Service] = [incident.service, *incident.affected_services.all()]
    return _managers(list(dict.fromkeys(service.team_id for service in services)))


def _managers(teams: Sequence[int]) -> list[User]:
    rows = Membership.objects.filter(team__in=teams, role=Role.MANAGER, user__is_active=True)
    found = sorted(rows.select_related("user"), key=lambda row: (teams.index(row.team_id), row.pk))
    return list(dict.fromkeys(row.user for row in found))


def _members(incident: Incident) -> list[User]:
    rows = Membership.objects.filter(team=incident.service.team_id, user__is_active=True)
    people = rows.exclude(role=Role.VIEWER).select_related("user").order_by("pk")
    return [row.user for row in people]


def _with_function(words: str, incident: Incident) -> list[User]:
    """Who has that function in the owning team; else anywhere."""
    slug = slugify(words)
    names = {slug, slug.removesuffix("s")} - {""}
    rows = Membership.objects.filter(Q(function__in=names), user__is_active=True)
    found = list(rows.select_related("user").order_by("pk"))
    own = [row.user for row in found if row.team_id == incident.service.team_id]
    return own or list(dict.fromkeys(row.user for row in found))


_MEANINGS: list[tuple[str, Callable[[Incident], Sequence[User]]]] = [
    (r"responders?|participants|everybody who took part", responders_of),
    (r"(?:.* )?on[- ]call(?: .*)?", _on_call),
    (r"owners? of .*services?|.*services? owners?", _owners),
    (r"(?:engineering )?team", _members),
]


def _allowed(incident: Incident, people: Iterable[User | None]) -> list[User]:
    active = [person for person in people if person is not None and person.is_active]
    if not incident.is_private:
        return active
    seen = set(incident.audience.values_list("pk", flat=True))
    return [person for person in active if person.pk in seen]
