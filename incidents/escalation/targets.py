"""Reads whom a policy means at this moment. Queries are constant in the number of incidents."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from incidents.core import services as core
from incidents.core.configuration import remembered
from incidents.core.models import (
    Incident,
    Membership,
    Role,
    Service,
    SeverityPolicy,
    User,
)
from incidents.escalation.engine import Ladder, Place, Rung, next_level
from incidents.escalation.models import EscalationPolicy, LevelTarget, PolicyAssignment
from incidents.oncall import services as oncall
from incidents.oncall.models import TeamSchedule

NOT_FOR_THEM = "none of its people may see this private incident"

POLICY_COLUMNS = ["pk", "name", "is_active", "repeats", "levels__position", "levels__timeout"]
TARGET_COLUMNS = ["kind", "schedule", "user", "user__is_active", "team", "function"]
PLAN_COLUMNS = [*POLICY_COLUMNS, *(f"levels__targets__{column}" for column in TARGET_COLUMNS)]


@dataclass(frozen=True)
class Target:
    """A row of LevelTarget, without the row: TARGET_COLUMNS in their order."""

    kind: str
    schedule_id: int | None
    user_id: int | None
    user_is_active: bool | None
    team_id: int | None
    function: str


@dataclass
class Plan:
    """A policy as it is written, before anybody is looked up."""

    pk: int
    name: str
    is_active: bool
    repeats: int
    levels: dict[int, tuple[timedelta, list[Target]]] = field(default_factory=dict)

    @property
    def fault(self) -> str:
        """Why nobody can be asked by it at all; empty when somebody may be."""
        if not self.is_active:
            return f"its escalation policy {self.name} is switched off"
        if not self.levels:
            return f"its escalation policy {self.name} has no levels"
        return ""


@dataclass(frozen=True)
class Question:
    """Who is next for this incident, which stands at `place` of `plan`?"""

    incident: Incident
    plan: Plan | None
    place: Place

    def levels(self, *, further: bool) -> list[int]:
        """Those to be looked up: the next one, or (`further`) all."""
        if self.plan is None or self.plan.fault:
            return []
        following = next_level(self.place, self.plan.levels)
        return sorted(self.plan.levels) if further or following is None else [following]


@dataclass(frozen=True)
class Crew:
    """The ladder of each incident (by its id), and the people who stand on them (by theirs)."""

    ladders: dict[int, Ladder]
    users: dict[int, User]


def assigned_plan(incident: Incident) -> Plan | None:
    """The policy that is assigned most specifically to the incident, as things stand now."""
    return _assigned_plan(incident.service, incident.severity)


@remembered
def _assigned_plan(service: Service, severity: str) -> Plan | None:
    rows = list(
        assignments_for(service, [severity])
        .order_by("policy__levels__position", "policy__levels__targets__pk")
        .values_list(
            *("service", "team", "severity"), *(f"policy__{column}" for column in PLAN_COLUMNS)
        )
    )
    best = max((_specificity(row) for row in rows), default=None)
    plans = _read([row[3:] for row in rows if _specificity(row) == best])
    return next(iter(plans.values()), None)


def assignments_for(service: Service, severities: Iterable[str]) -> QuerySet[PolicyAssignment]:
    """All that say something about incidents of this service and these severities."""
    return PolicyAssignment.objects.filter(
        Q(service=service.pk) | Q(team=service.team_id) | Q(service=None, team=None),
        severity__in=["", *severities],
    )


def _specificity(row: tuple[Any, ...]) -> tuple[bool, bool, bool]:
    service, team, severity, *_ = row
    return service is not None, team is not None, bool(severity)


def written_plans(policies: Iterable[int]) -> dict[int, Plan]:
    """By policy id: what is written there. A policy that is gone is not in it."""
    wanted = set(policies)
    if not wanted:
        return {}
    rows = EscalationPolicy.objects.filter(pk__in=wanted)
    return _read(
        rows.order_by("pk", "levels__position", "levels__targets__pk").values_list(*PLAN_COLUMNS)
    )


def _read(rows: Iterable[tuple[Any, ...]]) -> dict[int, Plan]:
    found: dict[int, Plan] = {}
    for pk, name, is_active, repeats, position, timeout, *target in rows:
        plan = found.setdefault(pk, Plan(pk, name, is_active, repeats))
        if position is None:
            continue
        _, targets = plan.levels.setdefault(position, (timeout, []))
        if target[0] is not None:
            targets.append(Target(*target))
    return found


def severity_policies(incidents: Iterable[Incident]) -> dict[int, SeverityPolicy]:
    """By incident id: the severity policy that applies to each."""
    incidents = list(incidents)
    stored = _stored_policies(frozenset(incident.revision_id for incident in incidents))
    return {
        incident.pk: stored.get((incident.revision_id, incident.severity))
        or core.policy_of(incident)
        for incident in incidents
    }


@remembered
def _stored_policies(revisions: frozenset[int]) -> dict[tuple[int, str], SeverityPolicy]:
    rows = SeverityPolicy.objects.filter(revision_id__in=revisions)
    return {(policy.revision_id, policy.severity): policy for policy in rows}


def gather(questions: Sequence[Question], now: datetime, *, further: bool = False) -> Crew:
    """Resolve the next level of each incident to people, for all of them at once.

    `further`: all levels, where the next one turned out to have nobody. A private incident's
    levels are narrowed to its audience.
    """
    wanted = [
        (question.incident.service.team_id, target)
        for question in questions
        if question.plan is not None
        for level in question.levels(further=further)
        for target in question.plan.levels[level][1]
    ]
    world = _look_up(wanted, [question.incident for question in questions], now)
    ladders = {q.incident.pk: _ladder(q, q.levels(further=further), world) for q in questions}
    return Crew(ladders, world.users)


@dataclass
class World:
    """Everything that was looked up, to resolve any target of the batch without a query."""

    on_call: Mapping[int, User | None]
    schedule_of_team: dict[int, int]
    memberships: list[Membership]
    audiences: dict[int, set[int]]
    users: dict[int, User] = field(default_factory=dict)


def _look_up(
    wanted: Sequence[tuple[int, Target]], incidents: Sequence[Incident], now: datetime
) -> World:
    """`wanted`: targets, each with the team that owns the incident's service."""
    owners = {
        owner
        for owner, target in wanted
        if target.kind == LevelTarget.Kind.SCHEDULE and target.schedule_id is None
    }
    schedule_of_team = _schedules_of(frozenset(owners))
    schedules = {target.schedule_id for _, target in wanted if target.schedule_id is not None}
    schedules |= set(schedule_of_team.values())
    world = World(
        on_call=oncall.people_on_call(schedules, now) if schedules else {},
        schedule_of_team=schedule_of_team,
        memberships=_memberships(wanted),
        audiences=_audiences(incidents),
    )
    world.users = {user.pk: user for user in world.on_call.values() if user is not None}
    world.users |= {membership.user_id: membership.user for membership in world.memberships}
    named = {target.user_id for _, target in wanted if target.user_id} - world.users.keys()
    world.users |= _people(frozenset(named)) if named else {}
    return world


@remembered
def _people(ids: frozenset[int]) -> dict[int, User]:
    return User.objects.in_bulk(ids)


@remembered
def _schedules_of(teams: frozenset[int]) -> dict[int, int]:
    if not teams:
        return {}
    rows = TeamSchedule.objects.filter(team_id__in=teams)
    return dict(rows.values_list("team_id", "schedule_id"))


def _memberships(wanted: Sequence[tuple[int, Target]]) -> list[Membership]:
    of_teams = {LevelTarget.Kind.TEAM_MEMBERS, LevelTarget.Kind.TEAM_MANAGER}
    teams = {target.team_id or owner for owner, target in wanted if target.kind in of_teams}
    functions = {target.function for _, target in wanted if target.function}
    if not teams and not functions:
        return []
    return _members_of(frozenset(teams), frozenset(functions))


@remembered
def _members_of(teams: frozenset[int], functions: frozenset[str]) -> list[Membership]:
    rows = Membership.objects.filter(
        Q(team_id__in=teams) | Q(function__in=functions), user__is_active=True
    )
    return list(rows.select_related("user").order_by("pk"))


def _audiences(incidents: Iterable[Incident]) -> dict[int, set[int]]:
    private = [incident.pk for incident in incidents if incident.is_private]
    audiences: dict[int, set[int]] = {pk: set() for pk in private}
    if private:
        seen = Incident.audience.through.objects.filter(incident_id__in=private)
        for incident_id, user_id in seen.values_list("incident_id", "user_id"):
            audiences[incident_id].add(user_id)
    return audiences


def _ladder(question: Question, known: Sequence[int], world: World) -> Ladder:
    plan = question.plan
    if plan is None or plan.fault:
        return Ladder(fault=plan.fault if plan else "no escalation policy applies to it")
    rungs = tuple(
        _rung(question.incident, level, timeout, targets, world)
        if level in known
        else Rung(level, timeout, None)
        for level, (timeout, targets) in sorted(plan.levels.items())
    )
    return Ladder(rungs, plan.repeats)


def _rung(
    incident: Incident, level: int, timeout: timedelta, targets: list[Target], world: World
) -> Rung:
    people: dict[int, None] = {}
    absences: dict[str, None] = {}
    for target in targets:
        found = _RESOLVERS[target.kind](target, incident.service.team_id, world)
        people |= dict.fromkeys(found if isinstance(found, list) else [])
        absences |= dict.fromkeys([found] if isinstance(found, str) else [])
    audience = world.audiences.get(incident.pk)
    if audience is not None and people:
        people = {person: None for person in people if person in audience}
        absences |= {} if people else {NOT_FOR_THEM: None}
    why = "" if people else "; ".join(absences) or "it names nobody"
    return Rung(level, timeout, tuple(people), why)


# Each gives the ids of the people whom a target means, or why it means nobody.
type Resolver = Callable[[Target, int, World], list[int] | str]


def _on_call(target: Target, owner: int, world: World) -> list[int] | str:
    schedule = target.schedule_id or world.schedule_of_team.get(owner)
    if schedule is None:
        return "no schedule answers for the owning team"
    person = world.on_call.get(schedule)
    return [person.pk] if person is not None else "nobody is on call"


def _person(target: Target, _owner: int, world: World) -> list[int] | str:
    if target.user_id is None or not target.user_is_active:
        return f"{world.users.get(target.user_id or 0, 'somebody')} is deactivated"
    return [target.user_id]


def _members(target: Target, owner: int, world: World) -> list[int] | str:
    team = target.team_id or owner
    found = [m.user_id for m in world.memberships if m.team_id == team and m.role != Role.VIEWER]
    return found or "the team has no active responders"


def _managers(target: Target, owner: int, world: World) -> list[int] | str:
    team = target.team_id or owner
    found = [m.user_id for m in world.memberships if m.team_id == team and m.role == Role.MANAGER]
    return found or "the team has no active manager"


def _function(target: Target, owner: int, world: World) -> list[int] | str:
    called = [m for m in world.memberships if m.function == target.function]
    at_home = [m.user_id for m in called if m.team_id == (target.team_id or owner)]
    found = at_home if target.team_id else at_home or [m.user_id for m in called]
    return found or f"nobody has the function {target.function}"


_RESOLVERS: dict[Any, Resolver] = {
    LevelTarget.Kind.SCHEDULE: _on_call,
    LevelTarget.Kind.PERSON: _person,
    LevelTarget.Kind.TEAM_MEMBERS: _members,
    LevelTarget.Kind.TEAM_MANAGER: _managers,
    LevelTarget.Kind.FUNCTION: _function,
}
