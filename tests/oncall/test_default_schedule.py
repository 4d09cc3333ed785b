"""The schedule that a team begins with, by its verb and on the team's page."""

from datetime import UTC, date, datetime

import pytest
from django.test import Client
from django.urls import reverse

from incidents.core.errors import DomainError
from incidents.core.models import Team, User
from incidents.oncall import services
from incidents.oncall.models import Schedule, TeamSchedule
from incidents.timers.clock import VirtualClock
from tests.factories import MembershipFactory, UserFactory


def test_somebody_is_on_call_from_now_on(
    team: Team, alice: User, bob: User, clock: VirtualClock
) -> None:
    team.timezone = "Europe/Berlin"
    team.save()

    schedule = services.default_schedule_for(team, actor=alice)

    rotation = schedule.rotations.get()
    assert str(rotation) == "Every Monday at 09:00 Europe/Berlin"
    assert rotation.starts_on == date(2026, 3, 2)
    assert TeamSchedule.objects.get(team=team).schedule == schedule
    assert schedule.team == team
    assert services.on_call_now(schedule) == alice
    clock.forward(days=7)
    assert services.on_call_now(schedule) == bob


@pytest.mark.parametrize(
    ("now", "starts_on"),
    [
        (datetime(2026, 3, 2, 8, 59, tzinfo=UTC), date(2026, 2, 23)),  # before Monday's hand-over
        (datetime(2026, 3, 2, 9, 0, tzinfo=UTC), date(2026, 3, 2)),
        (datetime(2026, 3, 8, 23, 0, tzinfo=UTC), date(2026, 3, 2)),
    ],
)
def test_the_first_turn_has_begun_whenever_it_is_made(
    team: Team, bob: User, clock: VirtualClock, now: datetime, starts_on: date
) -> None:
    clock.at = now

    schedule = services.default_schedule_for(team, actor=None)

    assert schedule.rotations.get().starts_on == starts_on
    assert services.on_call_now(schedule) == bob


def test_viewers_and_deactivated_people_are_left_out(team: Team, bob: User) -> None:
    MembershipFactory(team=team, user=UserFactory(username="viewer"), role="viewer")
    MembershipFactory(team=team, user=UserFactory(username="gone", is_active=False))

    schedule = services.default_schedule_for(team, actor=None)

    assert [place.user for place in schedule.rotations.get().participants.all()] == [bob]


def test_a_team_without_people_is_told_what_to_do(team: Team) -> None:
    with pytest.raises(DomainError, match="add people to the team first"):
        services.default_schedule_for(team, actor=None)

    assert not Schedule.objects.exists()


def test_a_team_gets_no_second_one(team: Team, bob: User) -> None:
    first = services.default_schedule_for(team, actor=None)
    with pytest.raises(DomainError, match="answers for Payments already"):
        services.default_schedule_for(team, actor=None)

    services.assign_schedule(team, schedule=None)
    with pytest.raises(DomainError, match="make it the schedule of the team"):
        services.default_schedule_for(team, actor=None)

    assert Schedule.objects.get() == first


def test_a_taken_slug_is_no_obstacle(team: Team, bob: User) -> None:
    services.create_schedule(name="Other", slug="payments-on-call", timezone="UTC")

    schedule = services.default_schedule_for(team, actor=None)

    assert schedule.slug == f"payments-on-call-{team.pk}"


def test_a_manager_makes_it_on_the_page_of_the_team(
    client: Client, team: Team, alice: User
) -> None:
    client.force_login(alice)
    page = reverse("admin:incidents_team_change", args=[team.pk])
    verb = reverse("admin:incidents_team_verb", args=[team.pk, "default-schedule"])

    assert "handed over on Mondays at 09:00" in client.get(verb).text
    assert client.post(verb, {}).status_code == 302

    assert Schedule.objects.get().team == team
    assert "Make its schedule" not in client.get(page).text


def test_a_responder_does_not(client: Client, team: Team, bob: User) -> None:
    bob.is_staff = True
    bob.save()
    client.force_login(bob)

    client.post(reverse("admin:incidents_team_verb", args=[team.pk, "default-schedule"]), {})

    assert not Schedule.objects.exists()
