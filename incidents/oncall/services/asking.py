"""Who is on call, for any number of schedules in a constant number of queries. Changes nothing."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from incidents.core.models import User
from incidents.oncall import resolver
from incidents.oncall.models import Override, Participant, Rotation, Schedule
from incidents.oncall.resolver import OverridePlan, Plan, RotationPlan
from incidents.timers import clock

SMALLEST_STEP = timedelta(microseconds=1)


@dataclass(frozen=True)
class Turn:
    """A shift with its person; None: nobody is on call during [start, end). Instants in UTC."""

    user: User | None
    start: datetime
    end: datetime
    is_override: bool


def people_on_call(schedules: Iterable[Schedule | int], at: datetime) -> dict[int, User | None]:
    """The person on call for each schedule (given as row or id) at `at`; None: nobody.

    At most four queries for any number of schedules. A deactivated person covers nothing: what is
    below answers instead (an override's rotation, a lower layer), or nobody. So does an id that is
    no schedule's.
    """
    ids = _ids(schedules)
    on_call = dict.fromkeys(ids) | {
        schedule_id: resolver.on_call(plan, at)
        for schedule_id, plan in plans(ids, start=at, end=at + SMALLEST_STEP).items()
    }
    people = User.objects.in_bulk({user for user in on_call.values() if user is not None})
    return {
        schedule_id: None if user is None else people.get(user)
        for schedule_id, user in on_call.items()
    }


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
        schedule_id: [
            Turn(people.get(shift.user_id or 0), shift.start, shift.end, shift.is_override)
            for shift in row
        ]
        for schedule_id, row in shifts.items()
    }


def plans(
    schedules: Iterable[Schedule | int], *, start: datetime, end: datetime
) -> dict[int, Plan]:
    """What the resolver needs to know about each schedule within [start, end), in three queries."""
    ids = _ids(schedules)
    if not ids:
        return {}
    rotations, overrides = _rotations_of(ids), _overrides_of(ids, start, end)
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


def _rotations_of(ids: Sequence[int]) -> dict[int, list[RotationPlan]]:
    """Lowest layer first. A rotation without people covers nothing, so it is not read at all."""
    people: dict[Rotation, list[int | None]] = defaultdict(list)
    places = Participant.objects.filter(rotation__schedule__in=ids).select_related("rotation")
    for place in places.annotate(is_active=F("user__is_active")).order_by(
        "rotation__layer", "rotation_id", "position"
    ):
        people[place.rotation].append(place.user_id if place.is_active else None)
    rotations: dict[int, list[RotationPlan]] = defaultdict(list)
    for rotation, user_ids in people.items():
        weekly = rotation.kind == Rotation.Kind.WEEKLY
        rotations[rotation.schedule_id].append(
            RotationPlan(
                handover_time=rotation.handover_time,
                starts_on=rotation.starts_on,
                people=tuple(user_ids),
                handover_weekday=rotation.handover_weekday if weekly else None,
            )
        )
    return rotations


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
