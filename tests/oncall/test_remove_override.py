from datetime import timedelta

import pytest

from incidents.core.errors import DomainError
from incidents.core.models import User
from incidents.oncall import services
from incidents.oncall.models import Override, Schedule
from incidents.timers.clock import VirtualClock


@pytest.fixture
def override(schedule: Schedule, charlie: User, clock: VirtualClock) -> Override:
    """Charlie, from in one hour on, for two hours."""
    return services.add_override(
        schedule,
        user=charlie,
        starts_at=clock.at + timedelta(hours=1),
        ends_at=clock.at + timedelta(hours=3),
        actor=charlie,
    )


def test_one_that_is_to_come_is_taken_back(
    override: Override, alice: User, clock: VirtualClock
) -> None:
    left = services.remove_override(override, actor=alice)

    assert left is None
    assert not Override.objects.exists()


def test_one_that_begins_at_this_moment_is_taken_back(
    override: Override, alice: User, clock: VirtualClock
) -> None:
    clock.forward(hours=1)

    services.remove_override(override, actor=alice)

    assert not Override.objects.exists()
    assert services.on_call_now(override.schedule) == alice


def test_one_that_has_begun_is_cut_short_and_what_was_stays_on_record(
    override: Override, alice: User, charlie: User, clock: VirtualClock
) -> None:
    clock.forward(hours=2)
    assert services.on_call_now(override.schedule) == charlie

    left = services.remove_override(override, actor=alice)

    assert left is not None
    assert left.ends_at == clock.at
    assert services.on_call_now(override.schedule) == alice
    assert services.on_call_now(override.schedule, clock.at - timedelta(seconds=1)) == charlie


def test_it_refuses_one_that_is_over(override: Override, alice: User, clock: VirtualClock) -> None:
    clock.forward(hours=3)

    with pytest.raises(DomainError, match="is over; leave it"):
        services.remove_override(override, actor=alice)

    assert Override.objects.get() == override
