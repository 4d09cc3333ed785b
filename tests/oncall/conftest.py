"""One schedule of the Payments team in Berlin: alice, then bob, a week each from Monday 09:00."""

from datetime import date, time

import pytest

from incidents.core.models import Team, User
from incidents.oncall import services
from incidents.oncall.models import Schedule
from incidents.timers.clock import VirtualClock


@pytest.fixture
def empty_schedule(team: Team, clock: VirtualClock) -> Schedule:
    return services.create_schedule(name="Payments, day and night", team=team, timezone="UTC")


@pytest.fixture
def schedule(team: Team, alice: User, bob: User, clock: VirtualClock) -> Schedule:
    """Alice's week began this morning at 09:00 (08:00 UTC); it is 10:00 UTC."""
    schedule = services.create_schedule(
        name="Payments", team=team, timezone="Europe/Berlin", actor=alice
    )
    services.set_rotation(
        schedule,
        kind="weekly",
        handover_weekday=0,
        handover_time=time(9),
        people=[alice, bob],
        starts_on=date(2026, 3, 2),
        actor=alice,
    )
    return schedule
