from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from incidents.core.models import User
from incidents.oncall import services
from incidents.oncall.models import Participant, Rotation, Schedule
from incidents.timers.clock import VirtualClock
from tests.factories import UserFactory

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def _schedules(number: int) -> list[Schedule]:
    """Each with three people of its own and an override by a fourth."""
    schedules = []
    for n in range(number):
        schedule = services.create_schedule(name=f"Schedule {n}", timezone="Asia/Kathmandu")
        *people, stand_in = UserFactory.create_batch(4)
        services.set_rotation(
            schedule,
            kind="daily",
            handover_time=time(9),
            people=people,
            starts_on=date(2026, 2, 1),
        )
        services.add_override(
            schedule,
            user=stand_in,
            starts_at=NOW + timedelta(hours=n % 2),
            ends_at=NOW + timedelta(hours=5),
        )
        schedules.append(schedule)
    return schedules


def test_it_names_one_person_for_each_schedule(
    schedule: Schedule, empty_schedule: Schedule, alice: User
) -> None:
    people = services.people_on_call([schedule, empty_schedule.pk], NOW)

    assert people == {schedule.pk: alice, empty_schedule.pk: None}


@pytest.mark.parametrize("number", [1, 12])
def test_it_asks_the_database_the_same_few_times_for_any_number(
    clock: VirtualClock, db: None, django_assert_num_queries: Any, number: int
) -> None:
    schedules = _schedules(number)

    with django_assert_num_queries(4):
        people = services.people_on_call(schedules, NOW)

    assert len({user for user in people.values() if user}) == number


@pytest.mark.parametrize("number", [1, 12])
def test_a_roster_takes_the_same_few_queries_for_any_number(
    clock: VirtualClock, db: None, django_assert_num_queries: Any, number: int
) -> None:
    schedules = _schedules(number)

    with django_assert_num_queries(4):
        rosters = services.roster(schedules, start=NOW, end=NOW + timedelta(days=3))

    assert [row[0].start for row in rosters.values()] == [NOW] * number
    assert [row[-1].end for row in rosters.values()] == [NOW + timedelta(days=3)] * number
    assert all(turn.user is not None for row in rosters.values() for turn in row)


@pytest.mark.django_db
def test_it_asks_nothing_for_no_schedules(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert services.people_on_call([], NOW) == {}


@pytest.mark.django_db
def test_nobody_is_on_call_for_what_is_no_schedule() -> None:
    assert services.people_on_call([4711], NOW) == {4711: None}


def test_a_deactivated_person_is_nobody(schedule: Schedule, alice: User, bob: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert services.people_on_call([schedule], NOW) == {schedule.pk: None}
    assert services.people_on_call([schedule], NOW + timedelta(days=7)) == {schedule.pk: bob}


def test_the_rotation_answers_where_the_override_s_person_was_deactivated(
    schedule: Schedule, alice: User, charlie: User
) -> None:
    services.add_override(
        schedule, user=charlie, starts_at=NOW, ends_at=NOW + timedelta(hours=2), actor=alice
    )
    assert services.on_call_now(schedule, NOW) == charlie

    User.objects.filter(pk=charlie.pk).update(is_active=False)

    assert services.on_call_now(schedule, NOW) == alice


def test_a_higher_layer_wins(schedule: Schedule, alice: User, charlie: User) -> None:
    by_day = Rotation.objects.create(
        schedule=schedule,
        layer=1,
        kind=Rotation.Kind.DAILY,
        handover_time=time(9),
        starts_on=date(2026, 3, 3),
    )
    Participant.objects.create(rotation=by_day, user=charlie, position=0)

    assert services.on_call_now(schedule, NOW) == alice
    assert services.on_call_now(schedule, NOW + timedelta(days=1)) == charlie


def test_a_roster_tells_who_and_who_is_next(schedule: Schedule, alice: User, bob: User) -> None:
    turns = services.roster([schedule], start=NOW, end=NOW + timedelta(days=10))[schedule.pk]

    handover = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)
    assert turns == [
        services.Turn(alice, NOW, handover, is_override=False),
        services.Turn(bob, handover, NOW + timedelta(days=10), is_override=False),
    ]
