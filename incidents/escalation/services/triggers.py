"""When the rules of a runbook are due: its calls at declaration, and each of its triggers."""

from collections.abc import Collection, Iterable
from copy import copy
from datetime import datetime, timedelta

from incidents.core.models import Attestation, Incident, Kind
from incidents.escalation import rules, targets
from incidents.escalation.section import Trigger
from incidents.escalation.services.going_off import (
    call_at_declaration,
    fired,
    known_facts,
    latest,
    run_calls,
)
from incidents.escalation.services.steps import CALLS, ROLES, TRIGGER
from incidents.timers import services as timers
from incidents.timers.models import Timer, TimerQuerySet


def begin_rules(incident: Incident, *, now: datetime, is_new: bool, is_worse: bool) -> None:
    """It was declared or reopened (`is_new`), or has another severity: its rules begin.

    Those of the severity that it had are gone. Who is called at declaration is called, also where
    it has become worse; where its type waits for it to recover by itself, after that.
    """
    if not incident.is_open:
        return
    first = is_new and incident.paging_epoch == 1
    if not first:
        timers.cancel_all(incident, kinds=[TRIGGER, *([CALLS] if is_worse else [])])
    wanted = [
        timers.Wanted(TRIGGER, incident, now + trigger.after, key=trigger.id)
        for trigger in rules.triggers_of(incident)
        if trigger.after and (trigger.since == "declared" or incident.is_acknowledged)
    ]
    if _required_roles(incident):
        plan = rules.section_for(incident)
        wanted.append(timers.Wanted(ROLES, incident, now + plan.remind_roles))
    delay = rules.page_delay(incident) if first else None
    if delay:
        wanted.append(timers.Wanted(CALLS, incident, now + delay))
    timers.schedule_many(wanted, now=now)
    if not first or (rules.facts_of(incident, ()) and not delay):
        notice_facts(incident, now=now)
    if not first:
        for name in sorted({one.measured for one in rules.triggers_of(incident)} - {""}):
            measure(incident, name, now=now)
    if not delay and (is_new or is_worse):
        call_at_declaration(incident, now=now)


def make_calls(incident: Incident, *, now: datetime) -> None:
    """The time is over that it was given to recover by itself (timer, incident locked)."""
    run_calls(incident, now=now)
    if incident.recovered_at is None:
        notice_facts(incident, now=now)


def change_rules(incident: Incident, *, old: str, now: datetime) -> None:
    """It is of another type than `old`: what is there for that one only ends, the new one's begins.

    What is there for both goes on as it was. What went off before does not do so again, and a role
    that was called before is not called twice.
    """
    if not incident.is_open:
        return
    was = copy(incident)
    was.incident_type = old
    before = {trigger.id for trigger in rules.triggers_of(was)}
    there = {trigger.id: trigger for trigger in rules.triggers_of(incident)}
    _cancel(incident, (one for one in rules.triggers_of(was) if one.id not in there))
    new = [trigger for trigger in there.values() if trigger.id not in before]
    timed = [one for one in new if one.after and not rules.is_over(one, incident)]
    begun = [one for one in timed if one.since == "declared" or incident.is_acknowledged]
    if begun:
        _schedule(incident, begun, but=fired(incident), now=now)
    for name in sorted({one.measured for one in new} - {""}):
        measure(incident, name, now=now)
    if _call_anew(incident, was, now):
        notice_facts(incident, now=now)


def _call_anew(incident: Incident, was: Incident, now: datetime) -> bool:
    """Call those at declaration whom only the new type calls; all, where none has been yet.

    False while it is still given the time to recover by itself.
    """
    called = [role for roles in rules.called_at_declaration(was) for role in roles]
    if Timer.objects.pending().of(incident).filter(kind=CALLS).exists():
        due_at = incident.declared_at + (rules.page_delay(incident) or timedelta())
        if due_at > now:
            timers.schedule_many([timers.Wanted(CALLS, incident, due_at)], now=now)
            return False
        timers.cancel(CALLS, incident)
        called = []
    call_at_declaration(incident, now=now, but=called)
    return True


def _required_roles(incident: Incident) -> list[str]:
    required: list[str] = targets.severity_policies([incident])[incident.pk].required_roles
    return required


# --- When triggers are due ------------------------------------------------------------------------


def follow_acknowledgement(incident: Incident, *, now: datetime, is_snoozed: bool) -> None:
    """Somebody has it: from now on it may get stuck."""
    triggers = rules.triggers_of(incident)
    _cancel(incident, (one for one in triggers if one.until == "acknowledged"))
    stuck = [one for one in triggers if one.since == "acknowledged"]
    if is_snoozed:
        _cancel(incident, stuck)
    elif stuck:
        _schedule(incident, stuck, but=fired(incident, since={Kind.SEVERITY_CHANGED}), now=now)


def follow_release(incident: Incident) -> None:
    """Nobody has it any more: the ladder asks again."""
    triggers = rules.triggers_of(incident)
    _cancel(incident, (one for one in triggers if one.since == "acknowledged"))


def follow_recovery(incident: Incident) -> None:
    """What was attested before it worked again counts no longer."""
    _cancel(incident, (one for one in rules.triggers_of(incident) if one.measured))


def follow_relapse(incident: Incident, *, now: datetime) -> None:
    """What passed while it seemed to work is due again, counted from the relapse."""
    waited = [
        one
        for one in rules.triggers_of(incident)
        if one.after and one.until in rules.UNTIL_IT_WORKS and not rules.is_over(one, incident)
        if one.since == "declared" or incident.is_acknowledged
    ]
    if not waited:
        return
    pending = set(_pending(incident).values_list("key", flat=True))
    _schedule(
        incident, waited, but=pending | fired(incident, since={Kind.SEVERITY_CHANGED}), now=now
    )


def notice_facts(incident: Incident, *, now: datetime) -> None:
    """What is known of it by now, from its impact or reported, is due at once, one time each."""
    triggers = [one for one in rules.triggers_of(incident) if one.fact is not None]
    if not triggers:
        return
    known = known_facts(incident)
    due = [one for one in triggers if one.fact in known and not rules.is_over(one, incident)]
    if due:
        _schedule(incident, due, but=fired(incident), now=now)


def measure(incident: Incident, fact: str, *, now: datetime) -> None:
    """Something was attested: what it sets off is due when it has held for as long as it must.

    It is taken to hold until somebody attests otherwise, or it works again.
    """
    triggers = [one for one in rules.triggers_of(incident) if one.measured == fact]
    stated = latest(incident, fact) if triggers else None
    if stated is None:
        return
    bad = [one for one in triggers if one.is_met_by(stated.value, stated.unit)]
    _cancel(incident, (one for one in triggers if one not in bad))
    if bad:
        _await(incident, bad, stated, now)


def _await(incident: Incident, bad: list[Trigger], stated: Attestation, now: datetime) -> None:
    """Due when it has held long enough; what was due before that by an earlier word stays so."""
    gone = fired(incident)
    pending = dict(_pending(incident).values_list("key", "due_at"))
    wanted = []
    for trigger in bad:
        due_at = max(stated.at - stated.window + trigger.holds_for, now)
        is_sooner = trigger.id not in pending or due_at < pending[trigger.id]
        if trigger.id not in gone and is_sooner:
            wanted.append(timers.Wanted(TRIGGER, incident, due_at, key=trigger.id))
    timers.schedule_many(wanted, now=now)


def _schedule(
    incident: Incident, triggers: Iterable[Trigger], *, but: Collection[str], now: datetime
) -> None:
    timers.schedule_many(
        [
            timers.Wanted(TRIGGER, incident, now + (one.after or timedelta()), key=one.id)
            for one in triggers
            if one.id not in but
        ],
        now=now,
    )


def _cancel(incident: Incident, triggers: Iterable[Trigger]) -> None:
    for trigger in triggers:
        timers.cancel(TRIGGER, incident, key=trigger.id)


def _pending(incident: Incident) -> TimerQuerySet:
    return Timer.objects.pending().of(incident).filter(kind=TRIGGER)
