"""Climbing the ladder. Whoever wants an incident's next step taken comes here."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from incidents.core import services as core
from incidents.core.models import Incident, Kind, SeverityPolicy, User
from incidents.core.signals import is_bold
from incidents.escalation import rules, targets
from incidents.escalation.engine import decide
from incidents.escalation.models import Escalation
from incidents.escalation.services import calling, last_resort
from incidents.escalation.services.steps import (
    LAST_RESORT,
    LAST_RESORT_EVERY,
    STEP,
    TICKET_DUE,
    TIMERS,
    Run,
    Step,
)
from incidents.escalation.wording import duration_text
from incidents.notifications import services as notifications
from incidents.timers import rows
from incidents.timers import services as timers

logger = logging.getLogger(__name__)

State = Escalation.State
CHANGING = (
    *("policy", "is_rerouted", "state", "is_ticket", "cycle", "level"),
    *("exhausted_at", "reason", "links_from_epoch"),
)


def ask(runs: Sequence[Run], *, now: datetime, spare: Collection[int] = frozenset()) -> list[Step]:
    """Take the next step of every run: ask the next level that can be reached, or give up.

    1. Policies are resolved to people, for the whole batch.
    2. Everybody who is next is paged, or sent the ticket; `spare` are left alone. A level of which
       nobody has a way to be reached is skipped at once, in another round.
    3. Escalations, timeline and the timers of the steps to come are written, each in one go.
    4. Where nobody is left, the last resort is told; not so while somebody has the incident.
    """
    if not runs:
        return []
    steps: list[Step] = []
    unreachable: dict[int, set[int]] = defaultdict(set)
    waiting = _with_plans(runs)
    further = False
    while waiting:
        planned = _plan(waiting, unreachable, spare, now, further=further)
        missed = calling.ask_people(planned, now=now)
        waiting, further = [], True
        for step in planned:
            without = missed.get(step.run.incident.pk, set())
            unreachable[step.run.incident.pk] |= without
            nobody = step.asked and without.issuperset(user.pk for user in step.asked)
            if step.decision.unknown or nobody:
                waiting.append(step.run)
            else:
                steps.append(step.without(without))
    _write(steps, now)
    return steps


def _with_plans(runs: Sequence[Run]) -> list[Run]:
    """The runs, each with what its policy says."""
    unread = {run.escalation.policy_id for run in runs if run.plan is None} - {None}
    plans = targets.written_plans(pk for pk in unread if pk is not None)
    return [
        run if run.plan else replace(run, plan=plans.get(run.escalation.policy_id or 0))
        for run in runs
    ]


def _plan(
    runs: Sequence[Run],
    unreachable: Mapping[int, set[int]],
    spare: Collection[int],
    now: datetime,
    *,
    further: bool,
) -> list[Step]:
    """The step that comes next for each run, before anybody was asked."""
    crew = targets.gather(
        [targets.Question(run.incident, run.plan, run.escalation.place) for run in runs],
        now,
        further=further,
    )
    steps = []
    for run in runs:
        place, pk = run.escalation.place, run.incident.pk
        decision = decide(place, crew.ladders[pk], now, unreachable=unreachable.get(pk, ()))
        asked = tuple(crew.users[person] for person in decision.people if person not in spare)
        steps.append(Step(run, place, crew.ladders[pk], decision, asked))
    return steps


def _write(steps: Sequence[Step], now: datetime) -> None:
    told = {
        step.run.incident.pk: last_resort.tell(
            step.run.incident, step.decision.exhausted, severity=step.run.severity.label, now=now
        )
        for step in steps
        if step.gives_up
    }
    drafts = [draft for step in steps for draft in step.story(told.get(step.run.incident.pk, 0))]
    for step in steps:
        # Asked again after a rescue: the last resort has been told, and is not needed any more.
        if step.run.escalation.state == State.EXHAUSTED and not step.gives_up:
            timers.cancel(LAST_RESORT, step.run.incident)
    wanted = [timer for step in steps if (timer := _settle(step, now))]
    save([step.run.escalation for step in steps])
    core.record_many(drafts, at=now)
    timers.schedule_many(wanted, now=now)


def _settle(step: Step, now: datetime) -> timers.Wanted | None:
    """Put the escalation where the step leads; gives the timer that is to follow."""
    incident, escalation, decision = step.run.incident, step.run.escalation, step.decision
    if step.gives_up:
        escalation.state, escalation.reason = State.EXHAUSTED, decision.exhausted
        escalation.exhausted_at, escalation.is_ticket = now, False
        return timers.Wanted(LAST_RESORT, incident, now + LAST_RESORT_EVERY)
    escalation.exhausted_at, escalation.reason = None, ""
    if step.is_ticket and step.run.ticket_due_at:
        # It stays on the ground: once paged, it begins with the first level.
        escalation.state = State.TICKET
        return timers.Wanted(TICKET_DUE, incident, step.run.ticket_due_at)
    escalation.cycle, escalation.level = decision.place.cycle, decision.place.level
    if incident.is_acknowledged:
        escalation.state = State.PAUSED
        return None
    escalation.state = State.RUNNING
    return timers.Wanted(STEP, incident, decision.due_at or now, epoch=incident.paging_epoch)


def save(escalations: Sequence[Escalation]) -> None:
    """Insert or update, in one statement."""
    rows.insert(escalations, unique="incident", update=CHANGING)


def start(incident: Incident, *, now: datetime) -> None:
    """It was declared: the first people are asked in the very same transaction.

    Where its type may recover by itself, they are asked when that time has passed.
    """
    begin(
        incident,
        Escalation(incident=incident),
        now=now,
        counted_from=incident.clock_starts_at,
        delay=rules.page_delay(incident),
    )


def restart(incident: Incident, *, now: datetime, prompt: str) -> None:
    """Nobody has it any more: ask from the first level on, by what is assigned now."""
    timers.cancel_all(incident, kinds=TIMERS)
    notifications.cancel_pages(incident)  # whoever was asked to help the one who had it
    begin(incident, escalation_of(incident), now=now, prompt=prompt, again=True)


def begin(
    incident: Incident,
    escalation: Escalation,
    *,
    now: datetime,
    prompt: str = "",
    actor: User | None = None,
    again: bool = False,
    counted_from: datetime | None = None,
    delay: timedelta | None = None,
) -> None:
    """Stand before the first level of the policy that applies, and take the first step.

    `again`: a ticket only if it was one; `counted_from`: from when its deadline is, by default now;
    `delay`: the first step waits that long, unless it is a ticket.
    A failure in here never undoes what happened to the incident: the last resort is told at once
    and the clock tries again.
    """
    try:
        with nullcontext() if is_bold() else transaction.atomic():
            severity = targets.severity_policies([incident])[incident.pk]
            plan = choose_policy(incident, escalation)
            escalation.cycle, escalation.level = 1, 0
            if not again:
                escalation.is_ticket = severity.response == SeverityPolicy.Response.TICKET
            due_at = None
            if delay and not escalation.is_ticket:
                _wait(incident, escalation, delay, now)
                return
            if escalation.is_ticket:
                due_at = _deadline(incident, severity, counted_from or now)
            ask([Run(incident, escalation, severity, prompt, actor, due_at, plan)], now=now)
    except Exception:
        if is_bold():
            raise
        logger.exception("Unable to ask anybody about %s", incident.reference)
        reason = "asking people failed because of an error in Tocsin"
        escalation.cycle, escalation.level = 1, 0
        last_resort.rescue(incident, reason, now=now, anew=escalation)


def _wait(incident: Incident, escalation: Escalation, delay: timedelta, now: datetime) -> None:
    """Nobody is asked yet; the step that asks is due, so that it cannot be forgotten."""
    escalation.state = State.RUNNING
    save([escalation])
    text = f"Nobody is paged for {duration_text(delay)}: it may recover by itself."
    core.record_many([core.Draft(incident, Kind.NOTE, text)], at=now)
    step = timers.Wanted(STEP, incident, now + delay, epoch=incident.paging_epoch)
    timers.schedule_many([step], now=now)


def _deadline(incident: Incident, severity: SeverityPolicy, start: datetime) -> datetime:
    calendar = core.calendar_of(incident)
    return calendar.close_of_business(start, days=severity.ticket_business_days)


def escalation_of(incident: Incident) -> Escalation:
    """The incident's escalation, or a new one (not stored) where this room never heard of it."""
    stored = Escalation.objects.select_related("policy").filter(pk=incident.pk).first()
    return stored or Escalation(incident=incident)


def take_steps(incidents: Sequence[Incident], *, now: datetime) -> None:
    """The time to answer has passed for all of these (locked): ask whoever is next.

    Those that were acknowledged or resolved meanwhile are left alone.
    """
    asking = [one.pk for one in incidents if one.is_open and not one.is_acknowledged]
    if not asking:
        return
    fresh = Incident.objects.with_context().in_bulk(asking)
    stored = Escalation.objects.in_bulk(asking)
    severities = targets.severity_policies(fresh.values())
    runs = []
    for pk, incident in fresh.items():
        escalation = stored.get(pk) or Escalation(incident=incident)
        plan = choose_policy(incident, escalation) if escalation.policy_id is None else None
        escalation.is_ticket = _recovered_in_time(incident, escalation)
        due_at = _deadline(incident, severities[pk], now) if escalation.is_ticket else None
        runs.append(Run(incident, escalation, severities[pk], ticket_due_at=due_at, plan=plan))
    text = "It works again: nobody is paged, and it stays open as a ticket."
    drafts = [core.Draft(r.incident, Kind.NOTE, text) for r in runs if r.escalation.is_ticket]
    core.record_many(drafts, at=now)
    ask(runs, now=now)


def _recovered_in_time(incident: Incident, escalation: Escalation) -> bool:
    """Whether it recovered by itself while it was given the time to."""
    is_back = escalation.is_waiting and incident.recovered_at is not None
    return is_back and rules.page_delay(incident) is not None


def choose_policy(incident: Incident, escalation: Escalation) -> targets.Plan | None:
    """Put the policy that applies now on the escalation: chosen by a person, or else assigned.

    Gives what an assigned one says, None for one that was chosen: that is read when needed.
    """
    if escalation.is_rerouted and escalation.policy_id:
        return None
    plan = targets.assigned_plan(incident)
    escalation.policy_id = plan.pk if plan else None
    return plan
