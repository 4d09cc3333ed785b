"""Who is on call, for any number of schedules in a constant number of queries. Changes nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from django.db.models import F

from incidents.core.configuration import remembered
from incidents.core.models import User
from incidents.oncall import resolver
from incidents.oncall.models import Override, Participant, Rotation, Schedule
from incidents.oncall.resolver import OverridePlan, Plan, RotationPlan
from incidents.timers import clock

ONE_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Turn:
    """A shift with its person; None: nobody is on call during [start, end). Instants in UTC."""

    user: User | None
    start: datetime
    end: datetime
    is_override: bool


@dataclass(frozen=True)
class Row:
    """What one thing alone would have: a layer of rotation, the overrides, or all together."""

    name: str
    turns: list[Turn]
    is_result: bool = False


def people_on_call(schedules: Iterable[Schedule | int], at: datetime) -> dict[int, User | None]:
    """The person on call for each schedule (given as row or id) at `at`; None: nobody.

    At most four queries for any number of schedules. A deactivated person covers nothing: what is
    below answers instead (an override's rotation, a lower layer), or nobody. So does an id that is
    no schedule's.
    """
    ids = _ids(schedules)
    written = _plans_of_minute(frozenset(ids), at.replace(second=0, microsecond=0))
    on_call = dict.fromkeys(ids) | {
        schedule_id: resolver.on_call(plan, at) for schedule_id, plan in written.items()
    }
    people = _people(frozenset(user for user in on_call.values() if user is not None))
    return {
        schedule_id: None if user is None else people.get(user)
        for schedule_id, user in on_call.items()
    }


@remembered
def _plans_of_minute(ids: frozenset[int], minute: datetime) -> dict[int, Plan]:
    return plans(ids, start=minute, end=minute + ONE_MINUTE)


@remembered
def _people(ids: frozenset[int]) -> dict[int, User]:
    return User.objects.in_bulk(ids)


def on_call_now(schedule: Schedule, at: datetime | None = None) -> User | None:
    """The person on call at `at` (None: now), or None: nobody."""
    return people_on_call([schedule], at or clock.now())[schedule.pk]


def roster(
    schedules: Iterable[Schedule | int], *, start: datetime, end: datetime
) -> dict[int, list[Turn]]:
    """The turns that tile [start, end) for each schedule; what nobody covers is there as well.

    At most four queries for any number of schedules.
    """
    shifts = {
        schedule_id: resolver.shifts(plan, start, end)
        for schedule_id, plan in plans(schedules, start=start, end=end).items()
    }
    wanted = {shift.user_id for row in shifts.values() for shift in row}
    people = User.objects.in_bulk(wanted - {None})
    return {
        schedule_id: [_turn(shift, people) for shift in row] for schedule_id, row in shifts.items()
    }


def rows(schedule: Schedule, *, start: datetime, end: datetime) -> list[Row]:
    """How [start, end) comes about: each layer, the overrides, and what follows from them.

    Four queries. Overrides are a row only where there are any.
    """
    plan = plans([schedule], start=start, end=end)[schedule.pk]
    layers = [tuple(group) for _, group in groupby(plan.rotations, lambda one: one.layer)]
    parts = [
        (f"Layer {number}" if len(layers) > 1 else "Rotation", Plan(plan.zone, layer))
        for number, layer in enumerate(layers, 1)
    ]
    if plan.overrides:
        parts.append(("Overrides", Plan(plan.zone, overrides=plan.overrides)))
    shifts = [(name, resolver.shifts(part, start, end)) for name, part in parts]
    shifts.append(("On call", resolver.shifts(plan, start, end)))
    people = User.objects.in_bulk({shift.user_id for _, row in shifts for shift in row} - {None})
    return [
        Row(name, [_turn(shift, people) for shift in row], is_result=number == len(shifts))
        for number, (name, row) in enumerate(shifts, 1)
    ]


def joined(turns: Iterable[Turn]) -> list[Turn]:
    """The turns, those of one person in a row as one: nobody is relieved by themselves."""
    found: list[Turn] = []
    for turn in turns:
        if found and found[-1].user == turn.user:
            before = found.pop()
            turn = Turn(turn.user, before.start, turn.end, before.is_override)  # noqa: PLW2901
        found.append(turn)
    return found


def _turn(shift: resolver.Shift, people: Mapping[int, User]) -> Turn:
    user = people.get(shift.user_id or 0)
    return Turn(user, shift.start, shift.end, shift.is_override)


def next_in_turn(rotation: Rotation) -> tuple[date, list[User]]:
    """The day of its next hand-over, and its people in order from whoever takes over then."""
    places = rotation.participants.select_related("user").order_by("position")
    people = [place.user for place in places]
    plan = _plan_of(rotation, [user.pk for user in people])
    turn, day = resolver.next_turn(plan, rotation.schedule.zone, clock.now())
    first = turn % len(people) if people else 0
    return day, people[first:] + people[:first]


def plans(
    schedules: Iterable[Schedule | int], *, start: datetime, end: datetime
) -> dict[int, Plan]:
    """What the resolver needs to know about each schedule within [start, end), in three queries."""
    ids = _ids(schedules)
    if not ids:
        return {}
    rotations, overrides = _rotations_of(ids, start, end), _overrides_of(ids, start, end)
    return {
        schedule.pk: Plan(
            zone=schedule.zone,
            rotations=tuple(rotations[schedule.pk]),
            overrides=tuple(overrides[schedule.pk]),
        )
        for schedule in Schedule.objects.filter(pk__in=ids)
    }


def _ids(schedules: Iterable[Schedule | int]) -> list[int]:
    return [schedule.pk if isinstance(schedule, Schedule) else schedule for schedule in schedules]


def _rotations_of(
    ids: Sequence[int], start: datetime, end: datetime
) -> dict[int, list[RotationPlan]]:
    """Lowest layer first, then in time. One without people covers nothing, so it is not read."""
    people: dict[Rotation, list[int | None]] = defaultdict(list)
    touching = Rotation.objects.touching(start, end).filter(schedule__in=ids).order_by()
    places = Participant.objects.filter(rotation__in=touching).select_related("rotation")
    for place in places.annotate(is_active=F("user__is_active")).order_by(
        "rotation__layer", "rotation_id", "position"
    ):
        people[place.rotation].append(place.user_id if place.is_active else None)
    rotations: dict[int, list[RotationPlan]] = defaultdict(list)
    for rotation, user_ids in people.items():
        rotations[rotation.schedule_id].append(_plan_of(rotation, user_ids))
    return rotations


def _plan_of(rotation: Rotation, people: Iterable[int | None]) -> RotationPlan:
    weekly = rotation.kind == Rotation.Kind.WEEKLY
    return RotationPlan(
        handover_time=rotation.handover_time,
        starts_on=rotation.starts_on,
        people=tuple(people),
        handover_weekday=rotation.handover_weekday if weekly else None,
        begins_at=rotation.begins_at,
        ends_at=rotation.ends_at,
        layer=rotation.layer,
    )


def _overrides_of(
    ids: Sequence[int], start: datetime, end: datetime
) -> dict[int, list[OverridePlan]]:
    """In the order in which they were made."""
    overrides: dict[int, list[OverridePlan]] = defaultdict(list)
    touching = Override.objects.touching(start, end)
    for override in touching.filter(schedule__in=ids, user__is_active=True).order_by("id"):
        overrides[override.schedule_id].append(
            OverridePlan(override.user_id, override.starts_at, override.ends_at)
        )
    return overrides
