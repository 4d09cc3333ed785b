from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from incidents.core.errors import DomainError
from incidents.core.models import User
from incidents.oncall import services
from incidents.oncall.models import Override, Schedule
from incidents.timers.clock import VirtualClock

HOUR = timedelta(hours=1)


def test_the_person_is_on_call_instead_of_the_rotation(
    schedule: Schedule, alice: User, charlie: User, clock: VirtualClock
) -> None:
    override = services.add_override(
        schedule,
        user=charlie,
        starts_at=clock.at + HOUR,
        ends_at=clock.at + 2 * HOUR,
        reason=" dentist ",
        actor=alice,
    )

    assert (override.created_by, override.created_at) == (alice, clock.at)
    assert override.reason == "dentist"
    on_call = [services.on_call_now(schedule, clock.at + hours * HOUR) for hours in range(3)]
    assert on_call == [alice, charlie, alice]


def test_a_later_override_wins_although_it_starts_earlier(
    schedule: Schedule, bob: User, charlie: User, clock: VirtualClock
) -> None:
    now = clock.at
    services.add_override(
        schedule, user=bob, starts_at=now + HOUR, ends_at=now + 3 * HOUR, actor=bob
    )

    services.add_override(
        schedule, user=charlie.pk, starts_at=now, ends_at=now + 2 * HOUR, actor=bob
    )

    assert services.on_call_now(schedule, now + HOUR) == charlie
    assert services.on_call_now(schedule, now + 2 * HOUR) == bob


def test_one_that_has_begun_may_be_added(
    schedule: Schedule, charlie: User, clock: VirtualClock
) -> None:
    services.add_override(
        schedule, user=charlie, starts_at=clock.at - HOUR, ends_at=clock.at + HOUR, actor=charlie
    )

    assert services.on_call_now(schedule) == charlie


@pytest.mark.parametrize(
    ("hours", "sentence"),
    [
        ((1, 1), "must end after it starts; choose a later end"),
        ((2, 1), "must end after it starts"),
        ((-2, 0), "would be over already; choose an end"),
    ],
)
def test_it_refuses_a_period_that_is_none(
    schedule: Schedule, charlie: User, clock: VirtualClock, hours: tuple[int, int], sentence: str
) -> None:
    starts_at, ends_at = (clock.at + n * HOUR for n in hours)

    _refuses(schedule, "ends_at", sentence, user=charlie, starts_at=starts_at, ends_at=ends_at)


def test_it_refuses_a_time_without_an_offset(
    schedule: Schedule, charlie: User, clock: VirtualClock
) -> None:
    naive = datetime(2026, 3, 2, 11, 0)

    _refuses(
        schedule,
        "starts_at",
        "Give the time with its offset",
        user=charlie,
        starts_at=naive,
        ends_at=clock.at + HOUR,
    )


def test_it_refuses_a_deactivated_person(
    schedule: Schedule, charlie: User, clock: VirtualClock
) -> None:
    charlie.is_active = False
    charlie.save(update_fields=["is_active"])

    period = {"starts_at": clock.at, "ends_at": clock.at + HOUR}
    _refuses(schedule, "user", "Charlie is deactivated; choose", user=charlie, **period)
    assert services.on_call_now(schedule) != charlie


def test_it_refuses_an_unknown_person(schedule: Schedule, clock: VirtualClock) -> None:
    period = {"starts_at": clock.at, "ends_at": clock.at + HOUR}

    _refuses(schedule, "user", "no person with the id 4711", user=4711, **period)


def test_it_refuses_a_reason_that_is_a_novel(
    schedule: Schedule, charlie: User, clock: VirtualClock
) -> None:
    period = {"starts_at": clock.at, "ends_at": clock.at + HOUR}

    _refuses(schedule, "reason", "at most 200", user=charlie, reason="x" * 201, **period)


@pytest.mark.django_db
def test_the_database_refuses_one_that_ends_before_it_starts(
    schedule: Schedule, charlie: User, clock: VirtualClock
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Override.objects.create(
            schedule=schedule,
            user=charlie,
            starts_at=clock.at,
            ends_at=clock.at,
            created_at=clock.at,
        )


def _refuses(schedule: Schedule, field: str, sentence: str, **facts: Any) -> None:
    with pytest.raises(DomainError, match=sentence) as refusal:
        services.add_override(schedule, **facts)

    assert refusal.value.field == field
    assert not schedule.overrides.exists()
