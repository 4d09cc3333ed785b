from datetime import UTC, datetime, timedelta

import pytest

from incidents.core.errors import DomainError
from incidents.core.models import Team, User
from incidents.oncall import services
from incidents.oncall.models import Schedule

MONDAY = datetime(2026, 3, 9, tzinfo=UTC)


def test_it_creates_a_schedule_on_which_nobody_is_on_call_yet(team: Team, alice: User) -> None:
    schedule = services.create_schedule(
        name=" Payments by night ", team=team, timezone="Europe/Berlin", actor=alice
    )

    schedule.refresh_from_db()
    assert (schedule.name, schedule.slug) == ("Payments by night", "payments-by-night")
    assert (schedule.team, schedule.timezone) == (team, "Europe/Berlin")
    assert services.on_call_now(schedule) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("facts", "field", "sentence"),
    [
        ({"name": "  "}, "name", "Give the schedule a name."),
        ({"timezone": "Berlin"}, "timezone", "write one like Europe/Berlin"),
        ({"slug": "taken"}, "slug", "choose a different one"),
        ({"slug": "not a slug"}, "slug", "valid “slug”"),
        ({"name": "!!!"}, "slug", "cannot be blank"),
    ],
)
def test_it_refuses_what_makes_no_schedule(
    facts: dict[str, str], field: str, sentence: str
) -> None:
    services.create_schedule(name="Taken", timezone="UTC")

    with pytest.raises(DomainError, match=sentence) as refusal:
        services.create_schedule(**({"name": "Payments", "timezone": "UTC"} | facts))

    assert refusal.value.field == field
    assert Schedule.objects.count() == 1


def test_changing_the_zone_moves_the_hand_overs(schedule: Schedule, alice: User) -> None:
    before = services.roster([schedule], start=MONDAY, end=MONDAY + timedelta(days=1))[schedule.pk]

    services.change_schedule(
        schedule,
        name="Payments, New York",
        slug=schedule.slug,
        team=schedule.team,
        timezone="America/New_York",
        actor=alice,
    )

    after = services.roster([schedule], start=MONDAY, end=MONDAY + timedelta(days=1))[schedule.pk]
    assert [turn.start.hour for turn in before] == [0, 8]
    # On Monday 9 March New York has moved its clocks forward already.
    assert [turn.start.hour for turn in after] == [0, 13]


def test_it_refuses_a_change_to_another_schedule_s_slug(
    schedule: Schedule, empty_schedule: Schedule
) -> None:
    with pytest.raises(DomainError, match="choose a different one"):
        services.change_schedule(
            schedule, name="x", slug=empty_schedule.slug, team=None, timezone="UTC"
        )

    schedule.refresh_from_db()
    assert schedule.name == "Payments"
