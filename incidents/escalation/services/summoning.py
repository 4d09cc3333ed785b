"""Calling people by their role, beside the ladder: paging them, or just telling them."""

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import F

from incidents.core import services as core
from incidents.core.models import Incident, Kind, User
from incidents.core.services import Draft
from incidents.escalation import roles, rules, targets, wording
from incidents.escalation.engine import UNREACHABLE
from incidents.escalation.models import Page
from incidents.escalation.roles import Way
from incidents.escalation.section import ON_CALL
from incidents.escalation.services import calling
from incidents.escalation.services.climbing import climb_by_rule
from incidents.notifications import services as notifications


@dataclass(frozen=True)
class Summons:
    """Which roles are called, and why.

    `spare`: people who are left alone, having been asked; `know`: those who need not be told;
    `or_next_level`: which is asked where nobody has a role.
    """

    incident: Incident
    why: str
    page: Sequence[str] = ()
    tell: Sequence[str] = ()
    actor: User | None = None
    spare: Collection[int] = frozenset()
    know: Collection[int] = frozenset()
    or_next_level: bool = True

    @property
    def called(self) -> list[str]:
        return [*self.page, *self.tell]


@dataclass
class Search:
    """For one role: the people who were found, and on the way to them, who was not there."""

    role: str
    ways: list[Way]
    found: Way | None = None
    passed: list[Way] = field(default_factory=list)

    def go_on(self, silent: Collection[int]) -> bool:
        """Try the next way that has somebody; False where none is left."""
        self.found = None
        while self.ways and self.found is None:
            way = self.ways.pop(0)
            people = tuple(user for user in way.people if user.pk not in silent)
            if people:
                self.found = Way(way.role, people)
            else:
                self.passed.append(Way(way.role, (), way.absence or UNREACHABLE))
        return self.found is not None


def summon(summons: Summons, *, now: datetime) -> list[User]:
    """Page and tell whoever has these roles now (incident locked); gives those who were paged.

    Where nobody has a role, those who stand in for it are called; where they are nobody either,
    the next level of the ladder is asked. All of it is told on the timeline.
    """
    if not summons.called:
        return []
    ways = roles.ways(summons.incident, summons.called, now)
    severity = targets.severity_policies([summons.incident])[summons.incident.pk].label
    paging = [Search(role, list(ways[role])) for role in summons.page]
    paged = _page(summons, paging, severity, now)
    telling = [Search(role, list(ways[role])) for role in summons.tell]
    told = _tell(summons, telling, {user.pk for user in paged}, severity, now)
    instead = _instead(summons, paging, {user.pk for user in paged}, now)
    drafts = _absences(summons, paging, instead) + _absences(summons, telling, "nobody was told")
    core.record_many([*drafts, *_story(summons, paging, telling, paged, told)], at=now)
    return paged


def _instead(summons: Summons, paging: list[Search], paged: set[int], now: datetime) -> str:
    """Where nobody was found, the next level is asked; gives what is to be told of that.

    Who is on call is whom the ladder asks by itself, and passes by itself.
    """
    if all(search.found or search.role == ON_CALL for search in paging):
        return "the ladder goes on without"
    if not summons.or_next_level:
        return "the role is vacant"
    refused = climb_by_rule(
        summons.incident, why=summons.why, now=now, spare={*summons.spare, *paged}
    )
    return f"nobody instead, as {refused}" if refused else "the next level was asked instead"


def _page(summons: Summons, searches: list[Search], severity: str, now: datetime) -> list[User]:
    """Round by round, until everybody who was looked for is found or has nobody."""
    key = f"{summons.incident.paging_epoch}.role.{secrets.token_hex(6)}"
    paged: dict[int, User] = {}
    silent: set[int] = set()
    waiting = searches
    while waiting := [search for search in waiting if search.go_on(silent)]:
        calls: dict[int, calling.Call] = {}
        for search in waiting:
            for user in search.found.people if search.found else ():
                if user.pk not in summons.spare and user.pk not in paged:
                    calls.setdefault(user.pk, _call(summons, search.role, user, key, severity))
        missed = {call.user.pk for call in calling.page(list(calls.values()), now=now)}
        silent |= missed
        paged |= {pk: call.user for pk, call in calls.items() if pk not in missed}
        waiting = [search for search in waiting if _all(search, missed)]
    return list(paged.values())


def _all(search: Search, missed: Collection[int]) -> bool:
    """Whether nobody of those found can be reached: the next way is to be tried."""
    if search.found is None or not all(user.pk in missed for user in search.found.people):
        return False
    search.passed.append(Way(search.found.role, (), UNREACHABLE))
    return True


def _call(summons: Summons, role: str, user: User, key: str, severity: str) -> calling.Call:
    plan = rules.section_for(summons.incident)
    within = plan.roles[role].answers_within if role in plan.roles else None
    return calling.Call(
        incident=summons.incident,
        user=user,
        key=key,
        severity=severity,
        asked=f"You are asked as {plan.title(role)}.",
        prompt=summons.why,
        timeout=within,
        requested_by=summons.actor,
    )


def _tell(
    summons: Summons, searches: list[Search], paged: set[int], severity: str, now: datetime
) -> dict[int, User]:
    """A message; whoever was paged, or wanted it, knows already. Gives whom it will reach."""
    wanted = {user.pk: user for search in searches if search.go_on(()) for user in _found(search)}
    leave = {*paged, *summons.spare, *summons.know, summons.actor.pk if summons.actor else None}
    order = f"told:{summons.incident.pk}:{secrets.token_hex(6)}"
    orders = [
        notifications.MessageOrder(
            to=user,
            cause=order,
            subject=wording.subject_of(summons.incident, severity, before="To know: "),
            body=f"{summons.why}\n{summons.incident.title}\nYou are told, not asked to act.",
            incident=summons.incident,
            links=[wording.incident_link(summons.incident)],
        )
        for pk, user in wanted.items()
        if pk not in leave
    ]
    lost = {id(one) for one in notifications.message_many(orders, now)}
    reached = [one.to for one in orders if id(one) not in lost]
    return {user.pk: user for user in reached if isinstance(user, User)}


def _found(search: Search) -> tuple[User, ...]:
    return search.found.people if search.found else ()


def _story(
    summons: Summons,
    paging: list[Search],
    telling: list[Search],
    paged: list[User],
    told: dict[int, User],
) -> list[Draft]:
    plan, incident = rules.section_for(summons.incident), summons.incident
    drafts = []
    facts = {"epoch": incident.paging_epoch, "level": None}
    if paged:
        who = _named(paging, {user.pk for user in paged}, plan)
        data = {**facts, "people": [user.pk for user in paged], "roles": list(summons.page)}
        text = f"Paged {who}. {summons.why}"
        drafts.append(Draft(incident, Kind.PAGED, text, summons.actor, data))
    if told:
        who = _named(telling, set(told), plan)
        data = {"told": list(told), "roles": list(summons.tell)}
        drafts.append(Draft(incident, Kind.NOTE, f"Told {who}. {summons.why}", None, data))
    return drafts


def _named(searches: Iterable[Search], people: set[int], plan: rules.EscalationSection) -> str:
    """E.g. "Alice (Engineering Manager) and Dana (Director)"."""
    named: dict[int, str] = {}
    for search in searches:
        for user in _found(search):
            if user.pk in people and search.found:
                named.setdefault(user.pk, f"{user} ({plan.title(search.found.role)})")
    return wording.names(list(named.values()))


def _absences(summons: Summons, searches: list[Search], otherwise: str) -> list[Draft]:
    """E.g. "Nobody is Director (nobody has the function director): Alice instead (Manager)."."""
    plan = rules.section_for(summons.incident)
    drafts = []
    for search in searches:
        if not search.passed:
            continue
        why = "; ".join(
            f"nobody is {plan.title(way.role)} ({way.absence})" for way in search.passed
        )
        instead = otherwise
        if search.found is not None:
            people = wording.names(search.found.people)
            instead = f"{people} instead ({plan.title(search.found.role)})"
        text = f"{why[0].upper()}{why[1:]}: {instead}."
        data = {"role": search.role, "epoch": summons.incident.paging_epoch, "why": why}
        drafts.append(Draft(summons.incident, Kind.LEVEL_SKIPPED, text, data=data))
    return drafts


def paged_since(incident: Incident, at: datetime) -> set[int]:
    """Ids of those who were paged from that moment on, and wait to be answered."""
    pages = Page.objects.of(incident).filter(epoch=incident.paging_epoch, at__gte=at)
    return set(pages.values_list("user_id", flat=True))


def at_work(incident: Incident) -> set[int]:
    """Ids of those who are on it, while somebody is: they have it, answered, or hold a role."""
    if not incident.is_acknowledged:
        return set()
    answered = Page.objects.of(incident).exclude(acknowledged_at=None)
    answered = answered.filter(epoch__gte=F("incident__escalation__links_from_epoch"))
    found = set(answered.values_list("user_id", flat=True))
    found |= set(incident.roles.filter(until=None).values_list("user_id", flat=True))
    return found | ({incident.acknowledged_by_id} if incident.acknowledged_by_id else set())
