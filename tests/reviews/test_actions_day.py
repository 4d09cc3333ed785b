"""The daily work on real rows: one timer a team, everybody told once, in constant queries."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.core import services as core
from incidents.core.models import Organisation
from incidents.notifications.models import Delivery
from incidents.reviews import services as reviews
from incidents.reviews.models import ActionItem, Telling
from incidents.timers import engine as timers
from incidents.timers.models import Timer
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory
from tests.reviews.desk import days, letters, over, reachable

pytestmark = pytest.mark.django_db

DAY = "reviews.action_items"


@pytest.fixture
def item(incident, alice, bob):
    reachable(alice, bob)
    over(incident, bob)  # Else the last resort hears of it all month long.
    letters()
    made = reviews.add_item(incident, actor=bob, title="Rotate the logs", owner=bob)
    return reviews.change_item(made, actor=bob, due_on=date(2026, 3, 9))


def told_days(clock, count):
    """(day, person, subject) without the weekly ones."""
    return [one for one in days(clock, count) if not one[2].startswith("Week of")]


def test_owner_and_manager_are_told_on_their_days(item, clock) -> None:
    assert told_days(clock, 30) == [
        ("Thu 05 Mar", "bob", "Action items of Payments: 1 due soon"),
        ("Mon 09 Mar", "bob", "Action items of Payments: 1 due"),
        ("Thu 12 Mar", "alice", "Action items of Payments: 1 overdue"),
    ]


def test_one_message_tells_of_all_that_is_due_that_day(item, incident, bob, clock) -> None:
    for title in ["Alert on a full disk", "Write it down"]:
        made = reviews.add_item(incident, actor=bob, title=title, owner=bob)
        reviews.change_item(made, actor=bob, due_on=date(2026, 3, 11))
    letters()

    clock.at = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)
    timers.tick()

    subject, text = next(
        (subject, text) for who, subject, text in letters() if subject.startswith("Action")
    )
    assert subject == "Action items of Payments: 1 due, 2 due soon"
    assert f"- Rotate the logs ({incident.reference}, medium, due 2026-03-09)" in text
    assert "Alert on a full disk" in text
    assert "/i/action-items/" in text


def test_the_working_days_are_those_of_the_country(item, bob, clock) -> None:
    Organisation.objects.update_or_create(pk=1, defaults={"country": "DE"})
    reviews.change_item(item, actor=bob, due_on=date(2026, 4, 3))  # Good Friday

    item.refresh_from_db()
    assert item.due_on == date(2026, 4, 7)
    assert [day for day, *_ in told_days(clock, 50)] == ["Wed 01 Apr", "Tue 07 Apr", "Fri 10 Apr"]


def test_the_day_begins_in_the_teams_own_zone(item, team, clock) -> None:
    team.timezone = "America/New_York"
    team.save()
    Timer.objects.filter(kind=DAY).delete()
    reviews.reopen_item(
        reviews.finish_item(item, actor=item.owner, evidence="x"), actor=item.owner, reason="No"
    )

    assert Timer.objects.pending().get(kind=DAY).due_at == datetime(2026, 3, 3, 14, 0, tzinfo=UTC)


def test_another_item_does_not_put_todays_work_off(item, incident, bob, clock) -> None:
    before = Timer.objects.pending().get(kind=DAY)
    clock.at = before.due_at + timedelta(seconds=1)  # late, but not done yet

    reviews.add_item(incident, actor=bob, title="One more", owner=bob)

    assert Timer.objects.pending().get(kind=DAY).due_at == before.due_at


def test_a_team_with_nothing_left_to_do_has_no_next_day(item, alice, clock) -> None:
    reviews.decline_item(item, actor=alice, reason="No")

    assert told_days(clock, 3) == []
    assert not Timer.objects.pending().filter(kind=DAY).exists()

    reviews.reopen_item(item, actor=alice, reason="Yes")
    assert Timer.objects.pending().filter(kind=DAY).count() == 1


def test_nothing_is_told_on_a_day_that_turned_out_to_be_free(item, clock) -> None:
    Timer.objects.filter(kind=DAY).update(due_at=datetime(2026, 3, 7, 9, tzinfo=UTC))  # a Saturday

    assert next(day for day, *_ in told_days(clock, 10)) == "Mon 09 Mar"


def test_days_on_which_nothing_ran_are_made_up_for_once(item, clock) -> None:
    clock.forward(days=21)
    timers.tick()

    assert sorted((who, what) for who, what, _ in letters()) == [
        ("alice", "Action items of Payments: 1 overdue"),
        ("alice", "Week of Payments: 1 open, 1 of them overdue"),
        ("bob", "Action items of Payments: 1 due"),
        ("bob", "Week of Payments: 1 open, 1 of them overdue"),
    ]
    assert told_days(clock, 20) == []


def test_once_a_week_everybody_in_the_team_hears_where_it_stands(
    item, incident, alice, bob, clock
) -> None:
    reviews.add_item(incident, actor=alice, title="Nobody's")
    viewer = UserFactory(username="vic")
    MembershipFactory(team=item.team, user=viewer, role="viewer")
    reachable(viewer)
    letters()

    weeks = [one for one in days(clock, 15) if one[2].startswith("Week of")]

    assert weeks == [
        ("Mon 09 Mar", "alice", "Week of Payments: 2 open, 1 of them overdue"),
        ("Mon 09 Mar", "bob", "Week of Payments: 2 open, 1 of them overdue"),
        ("Mon 16 Mar", "alice", "Week of Payments: 2 open, 2 of them overdue"),
        ("Mon 16 Mar", "bob", "Week of Payments: 2 open, 2 of them overdue"),
    ]


def test_who_cannot_be_reached_is_made_up_for_by_an_administrator(
    incident, alice, clock, settings
) -> None:
    lost = UserFactory(username="lost")
    MembershipFactory(team=incident.service.team, user=lost)
    root = UserFactory(username="root", is_superuser=True, is_staff=True)
    reachable(alice, root)
    item = reviews.add_item(incident, actor=lost, title="Rotate the logs", owner=lost)
    reviews.change_item(item, actor=alice, due_on=date(2026, 3, 5))
    letters()

    heard = told_days(clock, 2)

    assert heard == [
        (
            "Tue 03 Mar",
            "root",
            "Lost cannot be reached. Action items of Payments: 1 due soon",
        )
    ]


def test_whoever_was_deactivated_past_all_verbs_is_not_told_and_the_manager_is(
    item, bob, clock
) -> None:
    reachable(UserFactory(username="root"))
    bob.is_active = False
    bob.save()

    heard = told_days(clock, 15)

    assert heard == [
        ("Tue 03 Mar", "alice", "Action items of Payments: 1 to give"),
        ("Thu 12 Mar", "root", "Action items of Payments: 1 without an owner"),
    ]


def test_a_private_item_is_told_apart_and_belongs_to_its_incident(
    item, service, alice, bob, clock
) -> None:
    affair = core.declare(title="A leak", service=service, is_private=True, audience=[bob])
    hush = reviews.add_item(affair, actor=bob, title="Hush it up", owner=bob)
    reviews.change_item(hush, actor=bob, due_on=date(2026, 3, 9))
    letters()

    clock.at = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)
    timers.tick()

    told = Delivery.objects.filter(cause__startswith="action-items")
    assert {one.incident for one in told if "Hush" in one.body} == {affair}
    assert {one.recipient for one in told if "Hush" in one.body} == {bob}
    assert [one.incident for one in told if "Rotate" in one.body and "Hush" not in one.body]


def test_of_a_long_list_the_first_twenty_are_named(incident, bob, clock) -> None:
    reachable(bob)
    for number in range(25):
        made = reviews.add_item(incident, actor=bob, title=f"Thing {number:02}", owner=bob)
        ActionItem.objects.filter(pk=made.pk).update(due_on=date(2026, 3, 3))
    letters()

    clock.forward(days=1)
    timers.tick()

    [text] = [text for who, subject, text in letters() if subject.startswith("Action")]
    assert "Thing 19" in text
    assert "Thing 20" not in text
    assert "and 5 more" in text
    assert Telling.objects.filter(occasion="due").count() == 25


def test_the_days_work_costs_the_same_for_many_teams_and_items(db, clock) -> None:
    costs = {}
    for teams, items in [(2, 2), (6, 20)]:
        _plant(teams, items)
        clock.forward(days=1)
        with CaptureQueriesContext(connection) as captured:
            timers.tick()
        costs[teams] = len(captured)

    assert costs[6] == costs[2], costs


def _plant(teams: int, items: int) -> None:
    for number in range(teams):
        team = TeamFactory(name=f"Team {teams}-{number}")
        for role in ["manager", "responder"]:
            person = UserFactory(username=f"{role}-{teams}-{number}")
            MembershipFactory(team=team, user=person, role=role)
            reachable(person)
        service = ServiceFactory(name=f"Service {teams}-{number}", team=team)
        incident = core.declare(title="Down", service=service, severity="SEV4")
        for one in range(items):
            made = reviews.add_item(incident, actor=person, title=f"Thing {one}", owner=person)
            ActionItem.objects.filter(pk=made.pk).update(due_on=date(2026, 3, 3))
    Timer.objects.exclude(kind=DAY).delete()
