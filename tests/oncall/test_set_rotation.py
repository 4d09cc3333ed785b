from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from incidents.core.errors import DomainError
from incidents.core.models import User
from incidents.oncall import services
from incidents.oncall.models import Rotation, Schedule
from incidents.timers.clock import VirtualClock


def _facts(**changes: Any) -> dict[str, Any]:
    facts = {"kind": "daily", "handover_time": time(9), "starts_on": date(2026, 3, 1)}
    return {**facts, "people": [], **changes}


def _order(schedule: Schedule) -> list[str]:
    people = schedule.rotations.get().participants.order_by("position")
    return [place.user.username for place in people]


def test_people_take_turns_in_the_given_order(
    empty_schedule: Schedule, alice: User, bob: User, charlie: User
) -> None:
    services.set_rotation(empty_schedule, **_facts(people=[charlie, alice, bob]), actor=alice)

    assert _order(empty_schedule) == ["charlie", "alice", "bob"]
    assert services.on_call_now(empty_schedule) == alice


def test_it_replaces_the_rotation_there_was(schedule: Schedule, alice: User, bob: User) -> None:
    services.set_rotation(schedule, **_facts(people=[bob.pk, alice.pk]), actor=alice)

    rotation = schedule.rotations.get()
    assert (rotation.kind, rotation.starts_on) == (Rotation.Kind.DAILY, date(2026, 3, 1))
    assert _order(schedule) == ["bob", "alice"]


def test_an_empty_list_means_that_nobody_is_on_call(schedule: Schedule, alice: User) -> None:
    assert services.on_call_now(schedule) == alice

    services.set_rotation(schedule, **_facts(people=[]), actor=alice)

    assert services.on_call_now(schedule) is None
    assert schedule.rotations.count() == 1


def test_who_was_on_call_stays_on_record(
    schedule: Schedule, alice: User, bob: User, charlie: User, clock: VirtualClock
) -> None:
    set_at = clock.at
    clock.forward(seconds=8 * 86400)  # Tuesday of Bob's week
    services.set_rotation(schedule, **_facts(people=[charlie]), actor=alice)

    turns = services.roster([schedule], start=set_at - timedelta(days=1), end=clock.at)
    assert [turn.user for turn in turns[schedule.pk]] == [None, alice, bob]
    assert services.on_call_now(schedule, clock.at - timedelta(microseconds=1)) == bob
    assert services.on_call_now(schedule) == charlie
    week = services.rows(schedule, start=set_at, end=clock.at + timedelta(days=1))
    assert [row.name for row in week] == ["Rotation", "On call"]


def test_the_former_one_counts_until_the_first_turn_begins(
    schedule: Schedule, alice: User, bob: User, charlie: User, clock: VirtualClock
) -> None:
    # The clocks of Berlin go forward on 29 March: 09:00 is 07:00 UTC then.
    services.set_rotation(
        schedule, **_facts(people=[charlie], starts_on=date(2026, 3, 29)), actor=alice
    )

    first = datetime(2026, 3, 29, 7, tzinfo=UTC)
    assert services.on_call_now(schedule) == alice
    assert services.on_call_now(schedule, first - timedelta(seconds=1)) == bob
    assert services.on_call_now(schedule, first) == charlie


def test_what_was_to_come_later_does_not_come(
    schedule: Schedule, alice: User, bob: User, charlie: User, clock: VirtualClock
) -> None:
    for person, day in [(charlie, 20), (bob, 10)]:
        services.set_rotation(
            schedule, **_facts(people=[person], starts_on=date(2026, 3, day)), actor=alice
        )

    turns = services.roster([schedule], start=clock.at, end=clock.at + timedelta(days=60))
    assert {turn.user for turn in turns[schedule.pk]} == {alice, bob}
    assert services.on_call_now(schedule, datetime(2026, 3, 10, 8, tzinfo=UTC)) == bob
    assert schedule.rotations.count() == 2


def test_hands_change_on_the_weekday_in_the_schedule_s_zone(
    schedule: Schedule, alice: User, bob: User, clock: VirtualClock
) -> None:
    next_monday = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)

    clock.forward(seconds=(next_monday - clock.at).total_seconds() - 1)
    assert services.on_call_now(schedule) == alice

    clock.forward(seconds=1)
    assert services.on_call_now(schedule) == bob


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"people": [4711]}, "people", "no person with the id 4711; choose"),
        ({"kind": "monthly"}, "kind", "use daily or weekly"),
        ({"handover_weekday": 7}, "handover_weekday", "from 0 .Monday. to 6"),
        ({"handover_time": time(9, tzinfo=UTC)}, "handover_time", "without a zone"),
    ],
)
def test_it_refuses_what_makes_no_rotation(
    schedule: Schedule, changes: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(DomainError, match=sentence) as refusal:
        services.set_rotation(schedule, **_facts(**changes))

    assert refusal.value.field == field
    assert _order(schedule) == ["alice", "bob"]


def test_it_refuses_a_person_who_is_named_twice(schedule: Schedule, alice: User, bob: User) -> None:
    with pytest.raises(DomainError, match="Alice is named twice; leave one"):
        services.set_rotation(schedule, **_facts(people=[alice, bob, alice]))

    assert _order(schedule) == ["alice", "bob"]


def test_it_refuses_a_deactivated_person(schedule: Schedule, alice: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)

    with pytest.raises(DomainError, match="Bob is deactivated; choose somebody else"):
        services.set_rotation(schedule, **_facts(people=[alice, bob]))

    assert schedule.rotations.get().kind == Rotation.Kind.WEEKLY
