"""Reads who has a role at this moment: on call, by function in a team, or whoever stands in."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from incidents.core.models import Incident, User
from incidents.escalation import rules, targets
from incidents.escalation.engine import Place
from incidents.escalation.models import LevelTarget
from incidents.escalation.section import MANAGER, ON_CALL, TEAM
from incidents.escalation.targets import Plan, Question, Target

Kind = LevelTarget.Kind


@dataclass(frozen=True)
class Way:
    """One answer to who has a role: who has it, or one that is called instead.

    `absence` says why it is nobody, where it is.
    """

    role: str
    people: tuple[User, ...]
    absence: str = ""


def ways(incident: Incident, roles: Iterable[str], now: datetime) -> dict[str, list[Way]]:
    """By role: its own people first, then those of each role that is called instead.

    A constant number of queries. A private incident's are narrowed to its audience.
    """
    section = rules.section_for(incident)
    chains = {role: section.fallbacks(role) for role in roles}
    known = _look_up(incident, {name for chain in chains.values() for name in chain}, now)
    return {role: [known[name] for name in chain] for role, chain in chains.items()}


def _look_up(incident: Incident, names: Iterable[str], now: datetime) -> dict[str, Way]:
    meant = [
        (name, target)
        for name in sorted(names)
        for target in _meanings(name, incident.service.team_id)
    ]
    if not meant:
        return {}
    levels = {number: (timedelta(), [target]) for number, (_, target) in enumerate(meant, 1)}
    question = Question(incident, Plan(0, "", True, 0, levels), Place())
    crew = targets.gather([question], now, further=True)
    found: dict[str, Way] = {}
    for (name, _), rung in zip(meant, crew.ladders[incident.pk].rungs, strict=True):
        if name not in found or not found[name].people:
            people = tuple(crew.users[pk] for pk in rung.people or ())
            absence = found[name].absence if name in found else rung.absence
            found[name] = Way(name, people, "" if people else absence)
    return found


def _meanings(role: str, owner: int) -> list[Target]:
    """What a role may mean, the nearest first. Where that is nobody, it means the next."""
    if role == ON_CALL:
        return [_target(Kind.SCHEDULE)]
    if role == TEAM:
        return [_target(Kind.TEAM_MEMBERS)]
    if role == MANAGER:
        own = _target(Kind.FUNCTION, team=owner, function=role)
        return [own, _target(Kind.TEAM_MANAGER), _target(Kind.FUNCTION, function=role)]
    return [_target(Kind.FUNCTION, function=role)]


def _target(kind: str, *, team: int | None = None, function: str = "") -> Target:
    return Target(kind, None, None, None, team, function)
