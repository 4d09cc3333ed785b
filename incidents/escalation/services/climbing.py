"""One level further, whoever wants it: a person, a runbook, another room."""

from collections.abc import Collection
from datetime import datetime

from incidents.core import services as core
from incidents.core.models import Incident, User
from incidents.escalation import targets
from incidents.escalation.engine import decide
from incidents.escalation.models import Escalation
from incidents.escalation.services import asking
from incidents.escalation.services.steps import TIMERS, Run
from incidents.escalation.wording import names
from incidents.notifications import services as notifications
from incidents.timers import services as timers


def climb(incident: Incident, *, prompt: str, actor: User | None, now: datetime) -> str:
    """Ask the next level (incident locked): a ticket is paged, an exhausted ladder starts over.

    While somebody has the incident, the next level is asked to help. Gives why nobody could be
    asked, empty where somebody was.
    """
    escalation = asking.escalation_of(incident)
    if _is_climbing(incident, escalation):
        return _go_on(incident, escalation, prompt, actor, now)
    _start_over(incident, escalation, prompt, actor, now)
    return ""


def climb_by_rule(incident: Incident, *, why: str, now: datetime, spare: Collection[int]) -> str:
    """The same because the runbook says so, as the timeline tells already (incident locked).

    Only upwards: to begin with the first level again is the ladder's own affair. `spare`: people
    who were asked; while it is a ticket or exhausted, they are enough, for to begin anew would make
    their pages void. Gives why nobody was asked, empty where somebody was.
    """
    escalation = asking.escalation_of(incident)
    if not _is_climbing(incident, escalation) and spare:
        return "somebody else is asked"
    if not _is_climbing(incident, escalation):
        # That nobody is left was found out, and the last resort told, at this very moment
        if escalation.exhausted_at != now:
            _start_over(incident, escalation, why, None, now)
        return escalation.reason if escalation.exhausted_at == now else ""
    people = _above(incident, escalation, now)
    if not people:
        return "no higher level has anybody who can be reached"
    if all(user.pk in spare for user in people):
        return f"{names(people)} of the next level {'is' if len(people) == 1 else 'are'} asked"
    return _go_on(incident, escalation, why, None, now, spare=spare, is_told=True)


def _is_climbing(incident: Incident, escalation: Escalation) -> bool:
    return incident.is_acknowledged or escalation.state == Escalation.State.RUNNING


def _go_on(
    incident: Incident,
    escalation: Escalation,
    prompt: str,
    actor: User | None,
    now: datetime,
    *,
    spare: Collection[int] = frozenset(),
    is_told: bool = False,
) -> str:
    if not incident.is_acknowledged:
        timers.cancel_all(incident, kinds=TIMERS)
    escalation.is_ticket = False
    severity = targets.severity_policies([incident])[incident.pk]
    run = Run(incident, escalation, severity, prompt, actor, is_told=is_told)
    (step,) = asking.ask([run], now=now, spare=spare)
    return step.decision.exhausted


def _start_over(
    incident: Incident, escalation: Escalation, prompt: str, actor: User | None, now: datetime
) -> None:
    timers.cancel_all(incident, kinds=TIMERS)
    notifications.cancel_pages(incident)
    core.raise_paging_epoch(incident)
    escalation.is_ticket = False
    asking.begin(incident, escalation, now=now, prompt=prompt, actor=actor, again=True)


def _above(incident: Incident, escalation: Escalation, now: datetime) -> list[User]:
    """Whom the next step would ask, where it leads upwards."""
    policy = escalation.policy_id
    plan = targets.written_plans([policy]).get(policy) if policy else None
    question = targets.Question(incident, plan, escalation.place)
    crew = targets.gather([question], now, further=True)
    silent = {user.pk for user in notifications.unreachable(crew.users.values())}
    ahead = decide(escalation.place, crew.ladders[incident.pk], now, unreachable=silent)
    if ahead.place.cycle != escalation.cycle:
        return []
    return [crew.users[pk] for pk in ahead.people]
