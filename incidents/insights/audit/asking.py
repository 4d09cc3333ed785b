"""I1, I2, I7: whoever is to be asked is asked, once and in order, and no incident is silent."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from django.db.models import Exists, OuterRef, Q

from incidents.core.models import Incident, Kind
from incidents.escalation.models import Escalation
from incidents.escalation.services.steps import LAST_RESORT, STEP, TICKET_DUE
from incidents.insights.audit.kinds import MOST_OFFENCES, Invariant, Offence, Scope
from incidents.notifications.models import Delivery
from incidents.timers.models import Timer, TimerQuerySet

INCIDENT = Incident._meta.label_lower
SNOOZE_END = "core.snooze_end"
EFFECTS = {Kind.PAGED, Kind.TICKETED, Kind.EXHAUSTED}


# --- I1 -------------------------------------------------------------------------------------------


def steps_without_one_effect(scope: Scope) -> Iterator[Offence]:
    """A step writes its entry at the very instant at which its timer is marked done."""
    done = Timer.objects.filter(
        scope.of_touched("subject_id"),
        kind__in=[STEP, TICKET_DUE],
        state=Timer.State.DONE,
        subject_type=INCIDENT,
    )
    told = {(step.incident, step.at) for step in scope.steps if step.kind in EFFECTS}
    for pk, incident, at in done.values_list("pk", "subject_id", "ended_at").iterator():
        if (incident, at) not in told:
            yield Offence(
                f"timer:{pk}", f"It was done at {at}, and incident {incident} shows no step."
            )
    seen = set()
    for step in scope.steps:
        key = (step.incident, step.epoch, step.place)
        if step.kind != Kind.PAGED or not step.place[1]:
            continue
        if key in seen:
            cycle, level = step.place
            what = f"Level {level} was asked twice (epoch {step.epoch}, time {cycle})."
            yield Offence(f"incident:{step.incident}", what)
        seen.add(key)


# --- I2 -------------------------------------------------------------------------------------------


def silent(scope: Scope) -> Iterator[Offence]:
    """However old: every open incident is looked at, every time."""
    going = Incident.objects.without_canary().open()
    step = _pending(STEP, TICKET_DUE).filter(Q(epoch=None) | Q(epoch=OuterRef("paging_epoch")))
    exhausted = Escalation.objects.filter(incident=OuterRef("pk"), state=Escalation.State.EXHAUSTED)
    told = Delivery.objects.filter(
        incident=OuterRef("pk"),
        cause__startswith="last-resort:",
        paging_epoch=OuterRef("paging_epoch"),
    ).exclude(state=Delivery.State.FAILED)
    unanswered = going.filter(is_acknowledged=False).exclude(Exists(step))
    unanswered = unanswered.annotate(
        exhausted=Exists(exhausted), told=Exists(told), again=Exists(_pending(LAST_RESORT))
    )
    unanswered = unanswered.exclude(exhausted=True, told=True, again=True)
    for row in unanswered.values("pk", "reference", "exhausted", "told", "again")[:MOST_OFFENCES]:
        if not row["exhausted"]:
            why = "nobody has it, and nobody will be asked."
        elif not row["told"]:
            why = "nobody is left to ask, and no last resort heard of it."
        else:
            why = "nobody is left to ask, and the last resort will not be told again."
        yield Offence(f"incident:{row['pk']}", f"{row['reference']}: {why}")
    asleep = going.exclude(snoozed_until=None).exclude(Exists(_pending(SNOOZE_END)))
    for pk, reference in asleep.values_list("pk", "reference")[:MOST_OFFENCES]:
        yield Offence(f"incident:{pk}", f"{reference}: it is snoozed, and will not wake up.")


def _pending(*kinds: str) -> TimerQuerySet:
    of_incident = Timer.objects.pending().filter(subject_type=INCIDENT, subject_id=OuterRef("pk"))
    return of_incident.filter(kind__in=kinds)


# --- I7 -------------------------------------------------------------------------------------------


def levels_out_of_order(scope: Scope) -> Iterator[Offence]:
    """Per epoch. A level may be passed over when that is written down.

    A person may ask whom he likes next; what happens by itself goes from level to level.
    """
    asked, passed = defaultdict(list), defaultdict(set)
    for step in scope.steps:
        if step.kind == Kind.PAGED and step.place[1]:
            asked[step.incident, step.epoch].append(step)
        elif step.kind == Kind.LEVEL_SKIPPED:
            passed[step.incident, step.epoch].add(step.place)
    for (incident, epoch), steps in asked.items():
        known = passed[incident, epoch] | {step.place for step in steps}
        for before, after in pairwise(steps):
            if after.place < before.place:
                what = f"{_name(after.place)} was asked after {_name(before.place)}"
                yield Offence(f"incident:{incident}", f"{what} (epoch {epoch}).")
        for step in steps:
            cycle, level = step.place
            left_out = [n for n in range(1, level) if (cycle, n) not in known]
            if step.by_itself and left_out:
                what = f"{_name(step.place)} was asked, level {left_out[0]} was not"
                yield Offence(f"incident:{incident}", f"{what} (epoch {epoch}).")


def _name(place: tuple[int, int]) -> str:
    cycle, level = place
    return f"level {level}, time {cycle}"


INVARIANTS = [
    Invariant(
        "I1",
        "one effect",
        "A step that happened asked its level once.",
        "Read the incident's timeline and page by hand if somebody is missing; report it.",
        steps_without_one_effect,
    ),
    Invariant(
        "I2",
        "no silent incident",
        "An open incident that nobody has is going to ask somebody, or the last resort knows.",
        "Escalate or page somebody from the incident's page now; set LAST_RESORT where it is "
        "missing; look for quarantined timers.",
        silent,
    ),
    Invariant(
        "I7",
        "levels in order",
        "Levels are asked in their order, and none is left out unsaid.",
        "Ask the level that was left out from the incident's page; report it.",
        levels_out_of_order,
    ),
]
