"""What would become of the schedules without one person. Changes nothing."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q

from incidents.core.models import User
from incidents.oncall import resolver
from incidents.oncall.models import Schedule
from incidents.oncall.resolver import Plan, Shift
from incidents.oncall.services.asking import plans


@dataclass(frozen=True)
class Loss:
    """The shifts of the person in one schedule, and when nobody would be on call instead."""

    schedule: Schedule
    shifts: list[Shift]
    gaps: list[Shift]


def without(user: User, *, start: datetime, end: datetime) -> list[Loss]:
    """Every schedule in which this person has shifts within [start, end), by name. Four queries."""
    mine = Schedule.objects.filter(
        Q(rotations__participants__user=user)
        | Q(overrides__user=user, overrides__starts_at__lt=end, overrides__ends_at__gt=start)
    )
    schedules = list(mine.distinct().order_by("name", "pk"))
    written = plans(schedules, start=start, end=end)
    losses = [_loss(schedule, written[schedule.pk], user, start, end) for schedule in schedules]
    return [loss for loss in losses if loss.shifts]


def _loss(schedule: Schedule, plan: Plan, user: User, start: datetime, end: datetime) -> Loss:
    shifts = [shift for shift in resolver.shifts(plan, start, end) if shift.user_id == user.pk]
    rest = _without(plan, user)
    gaps = [
        left
        for shift in shifts
        for left in resolver.shifts(rest, shift.start, shift.end)
        if left.user_id is None
    ]
    return Loss(schedule, shifts, gaps)


def _without(plan: Plan, user: User) -> Plan:
    """As the plan will be read once the person is deactivated: the others keep their turns."""
    return replace(
        plan,
        rotations=tuple(
            replace(
                rotation,
                people=tuple(None if pk == user.pk else pk for pk in rotation.people),
            )
            for rotation in plan.rotations
        ),
        overrides=tuple(one for one in plan.overrides if one.user_id != user.pk),
    )
