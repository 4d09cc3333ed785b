"""Looking ahead: which levels would ask nobody, if an incident came now. Changes nothing."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from incidents.core.models import Incident, Service, Team, User
from incidents.escalation import targets
from incidents.escalation.engine import UNREACHABLE, Ladder, Place
from incidents.escalation.models import PolicyAssignment
from incidents.notifications import services as notifications


@dataclass(frozen=True)
class Hole:
    """A level of a policy that would be skipped now; level 0: every level, so nobody is asked."""

    policy_id: int
    policy: str
    level: int
    team: Team
    why: str

    @property
    def place(self) -> tuple[int, int, int]:
        return self.policy_id, self.level, self.team.pk

    def __str__(self) -> str:
        where = f"Level {self.level} of {self.policy}" if self.level else self.policy
        return f"{where} would ask nobody for services of {self.team}: {self.why}."


@dataclass(frozen=True)
class Outlook:
    """What would go wrong if something broke now.

    `holes`: every level, of every policy that is assigned, that would reach nobody; `unreachable`:
    everybody whom some level means and who could not be paged, by name.
    """

    holes: list[Hole]
    unreachable: list[User]


def check_ladders(*, now: datetime, without: User | None = None) -> Outlook:
    """Climb every ladder without asking anybody, for each team whose services it is there for.

    `without`: as if this person were deactivated. Twelve queries, however many there are.
    """
    places = _assigned()
    plans = targets.written_plans(policy for policy, _ in places)
    questions = [
        targets.Question(_if_it_broke(team, number), plans[policy], Place())
        for number, (policy, team) in enumerate(places, 1)
        if policy in plans
    ]
    crew = targets.gather(questions, now, further=True)
    meant = {person for ladder in crew.ladders.values() for person in _people(ladder)}
    lost = notifications.unreachable(crew.users[pk] for pk in sorted(meant))
    lost += [without] if without and without not in lost else []
    teams = {team.pk: team for _, team in places}
    holes = [
        hole
        for question in questions
        for hole in _holes(question, crew, lost, teams[question.incident.service.team_id])
    ]
    return Outlook(holes, sorted(lost, key=str))


def _assigned() -> list[tuple[int, Team]]:
    """Each policy with each team for whose services it may be asked, once."""
    rows = PolicyAssignment.objects.select_related("service__team", "team").order_by("pk")
    everybody = list(Team.objects.filter(services__is_active=True).distinct().order_by("pk"))
    found: dict[tuple[int, int], tuple[int, Team]] = {}
    for row in rows:
        for team in _owners(row, everybody):
            found[row.policy_id, team.pk] = (row.policy_id, team)
    return list(found.values())


def _owners(assignment: PolicyAssignment, everybody: Iterable[Team]) -> Iterable[Team]:
    if assignment.service is not None:
        return [assignment.service.team]
    return [assignment.team] if assignment.team is not None else everybody


def _if_it_broke(team: Team, number: int) -> Incident:
    """An incident that is never stored: who would be asked is read of its service's team."""
    return Incident(pk=number, service=Service(team=team))


def _people(ladder: Ladder) -> Iterable[int]:
    return (person for rung in ladder.rungs for person in rung.people or ())


def _holes(
    question: targets.Question, crew: targets.Crew, lost: Collection[User], team: Team
) -> list[Hole]:
    plan, ladder = question.plan, crew.ladders[question.incident.pk]
    if plan is None:
        return []
    if ladder.fault:
        return [Hole(plan.pk, plan.name, 0, team, ladder.fault.removeprefix("its escalation "))]
    silent = {user.pk for user in lost}
    found = [
        Hole(plan.pk, plan.name, rung.level, team, rung.absence or UNREACHABLE)
        for rung in ladder.rungs
        if silent.issuperset(rung.people or ())
    ]
    if len(found) < len(ladder.rungs):
        return found
    whys = dict.fromkeys(hole.why for hole in found)
    return [Hole(plan.pk, plan.name, 0, team, "; ".join(whys))]
