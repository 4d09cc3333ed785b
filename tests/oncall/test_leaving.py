"""What would become of the schedules without one person."""

from datetime import timedelta
from typing import Any

from incidents.core.models import User
from incidents.oncall import services
from incidents.oncall.models import Schedule
from incidents.timers.clock import VirtualClock

FOUR_WEEKS = timedelta(weeks=4)


def lost(user: User, clock: VirtualClock) -> list[services.Loss]:
    return services.without(user, start=clock.at, end=clock.at + FOUR_WEEKS)


def test_turns_of_whoever_leaves_have_nobody(
    schedule: Schedule, alice: User, clock: VirtualClock
) -> None:
    (loss,) = lost(alice, clock)

    assert loss.schedule == schedule
    assert len(loss.shifts) == len(loss.gaps) == 3  # this week, in two weeks, in four
    assert [(gap.start, gap.end) for gap in loss.gaps] == [
        (shift.start, shift.end) for shift in loss.shifts
    ]


def test_below_an_override_the_rotation_answers(
    schedule: Schedule, charlie: User, clock: VirtualClock
) -> None:
    services.add_override(
        schedule, user=charlie, starts_at=clock.at, ends_at=clock.at + timedelta(days=1)
    )

    (loss,) = lost(charlie, clock)

    assert len(loss.shifts) == 1
    assert loss.gaps == []


def test_an_override_by_somebody_else_leaves_no_gap(
    schedule: Schedule, alice: User, charlie: User, clock: VirtualClock
) -> None:
    services.add_override(schedule, user=charlie, starts_at=clock.at, ends_at=clock.at + FOUR_WEEKS)

    assert lost(alice, clock) == []


def test_it_takes_four_queries(
    schedule: Schedule, alice: User, clock: VirtualClock, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(4):
        lost(alice, clock)


def test_who_has_no_shifts_loses_nothing(
    schedule: Schedule, charlie: User, clock: VirtualClock
) -> None:
    assert lost(charlie, clock) == []
