"""A policy as it stands now: who is meant on each level, and who that is. Changes nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from incidents.core.models import Incident, Service, Severity, Team, User
from incidents.escalation import targets
from incidents.escalation.engine import Place, Rung
from incidents.escalation.models import EscalationPolicy, Level, PolicyAssignment
from incidents.notifications import services as notifications


@dataclass(frozen=True)
class Step:
    """A level as it would be asked now, for services of one team.

    `meant`: as it is written; `people`: who that is now; `lost`: of these, who could not be
    reached; `absence`: why it would be skipped, where it would; `after`: asked how long after the
    incident was declared; `timeout`: how long there is to answer.
    """

    number: int
    meant: list[str]
    people: list[User]
    lost: list[User]
    absence: str
    after: timedelta
    timeout: timedelta

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody would be asked; otherwise the next level is, at the same time."""
        return len(self.people) > len(self.lost)


@dataclass(frozen=True)
class LadderView:
    """All levels in order. `lap`: how long they take together."""

    steps: list[Step]
    lap: timedelta
    total: timedelta


def see_ladder(policy: EscalationPolicy, team: Team, *, now: datetime) -> LadderView:
    """Climb the policy once without asking anybody, as for a service of `team`.

    `policy` comes `with_ladder()`. Nine queries at most. A level that has nobody is seen as well,
    and takes no time: it is skipped at once.
    """
    levels = list(policy.levels.all())
    rungs, users = _resolve(policy, team, now)
    lost = set(notifications.unreachable(users.values()))
    after, steps = timedelta(), []
    for level in levels:
        step = _step(level, rungs.get(level.position), users, lost, after)
        steps.append(step)
        after += step.timeout if step.is_waited_for else timedelta()
    return LadderView(steps, after, after * (policy.repeats + 1))


def teams_of(policy: EscalationPolicy) -> list[Team]:
    """For whose services it may be asked: of the assignments, else of the policy itself."""
    rows = PolicyAssignment.objects.filter(policy=policy).select_related("service__team", "team")
    found: dict[int, Team] = {}
    for row in rows.order_by("pk"):
        team = row.service.team if row.service else row.team
        if team is not None:
            found[team.pk] = team
    if not found and policy.team is not None:
        found[policy.team.pk] = policy.team
    if not found:
        found = {team.pk: team for team in Team.objects.filter(services__is_active=True)}
    return sorted(found.values(), key=lambda team: team.name)


def assignments_of(service: Service) -> dict[str, PolicyAssignment | None]:
    """Severity → the assignment that counts for incidents of this service, in one query."""
    rows = list(targets.assignments_for(service, Severity.values).select_related("policy"))
    return {
        severity: max(
            (row for row in rows if row.severity in {"", severity}),
            key=lambda row: (row.service_id is not None, row.team_id is not None, row.severity),
            default=None,
        )
        for severity in Severity.values
    }


def _resolve(
    policy: EscalationPolicy, team: Team, now: datetime
) -> tuple[dict[int, Rung], dict[int, User]]:
    plan = targets.written_plans([policy.pk]).get(policy.pk)
    if plan is None or not plan.levels:
        return {}, {}
    # Never stored: who would be asked is read of its service's team.
    incident = Incident(pk=0, service=Service(team=team))
    question = targets.Question(incident, replace(plan, is_active=True), Place())
    crew = targets.gather([question], now, further=True)
    return {rung.level: rung for rung in crew.ladders[0].rungs}, crew.users


def _step(
    level: Level,
    rung: Rung | None,
    users: dict[int, User],
    lost: Collection[User],
    after: timedelta,
) -> Step:
    people: Sequence[User] = [users[pk] for pk in (rung.people if rung else None) or ()]
    return Step(
        number=level.position,
        meant=[str(target) for target in level.targets.all()],
        people=list(people),
        lost=[person for person in people if person in lost],
        absence=rung.absence if rung else "it names nobody",
        after=after,
        timeout=level.timeout,
    )
