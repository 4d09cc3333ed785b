import re
from datetime import date, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.core.models import Team, User
from incidents.oncall import services
from incidents.oncall.models import Schedule, TeamSchedule
from incidents.timers.clock import VirtualClock
from tests.factories import MembershipFactory, UserFactory

LIST = "/admin/oncall/schedule/"


@pytest.fixture
def browser(client: Client, alice: User, bob: User, charlie: User) -> Any:
    """`browser(alice)`: a client in which alice, who is on the staff, is logged in."""
    User.objects.update(is_staff=True)

    def log_in(user: User) -> Client:
        client.force_login(User.objects.get(pk=user.pk))
        return client

    return log_in


def _page(schedule: Schedule) -> str:
    return reverse("admin:oncall_schedule_change", args=[schedule.pk])


def _verb(schedule: Schedule, name: str) -> str:
    return reverse("admin:oncall_schedule_verb", args=[schedule.pk, name])


def _places(*people: User) -> dict[str, str]:
    return {f"person_{place}": str(user.pk) for place, user in enumerate(people)}


# --- Looking ------------------------------------------------------------------------------------


def test_the_list_tells_who_is_on_call_and_who_is_next(
    browser: Any, schedule: Schedule, empty_schedule: Schedule, bob: User
) -> None:
    html = browser(bob).get(LIST).content.decode()

    assert "Europe/Berlin" in html
    assert "Alice" in html
    assert "Mon 09 Mar 09:00 CET to Bob" in html
    assert "Nobody" in html
    assert "No hand-over in the next 8 weeks" in html


def test_the_list_takes_the_same_queries_for_any_number(
    browser: Any, schedule: Schedule, alice: User, django_assert_num_queries: Any
) -> None:
    client = browser(alice)
    client.get(LIST)
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)

    for n in range(5):
        other = services.create_schedule(name=f"Other {n}", timezone="UTC", team=schedule.team)
        services.set_rotation(
            other,
            kind="daily",
            handover_time=schedule.rotations.get().handover_time,
            people=UserFactory.create_batch(2),
            starts_on=schedule.rotations.get().starts_on,
        )

    with django_assert_num_queries(len(few)):
        client.get(LIST)


def test_nobody_is_relieved_by_themselves(
    browser: Any, schedule: Schedule, alice: User, clock: VirtualClock
) -> None:
    services.set_rotation(
        schedule,
        kind="daily",
        handover_time=time(9),
        people=[alice],
        starts_on=date(2026, 3, 2),
    )

    assert "No hand-over in the next 8 weeks" in browser(alice).get(LIST).text


def test_the_page_shows_rotation_people_overrides_and_next_turns(
    browser: Any, schedule: Schedule, bob: User, charlie: User, clock: VirtualClock
) -> None:
    services.add_override(
        schedule,
        user=charlie,
        starts_at=clock.at + timedelta(days=1),
        ends_at=clock.at + timedelta(days=2),
        reason="dentist",
        actor=bob,
    )
    services.assign_schedule(schedule.team, schedule=schedule, actor=bob)

    html = browser(bob).get(_page(schedule)).content.decode()

    assert "Every Monday at 09:00 Europe/Berlin. In this order" in html
    assert html.index("<li>Alice</li>") < html.index("<li>Bob</li>")
    assert "Answers for Payments." in html
    assert "dentist" in html
    assert "Tue 03 Mar 11:00 CET" in html
    assert "Tue 03 Mar 10:00 UTC" in html
    turns = html[html.index("Next turns") : html.index("Rotation</h2>")]
    assert turns.count("<tr>") == 1 + 7
    # The clocks go forward on 29 March: the local time stays, the UTC time moves.
    assert "Mon 30 Mar 09:00 CEST" in turns
    assert "Mon 30 Mar 07:00 UTC" in turns


def test_the_page_says_so_when_there_is_no_rotation(
    browser: Any, empty_schedule: Schedule, bob: User
) -> None:
    html = browser(bob).get(_page(empty_schedule)).content.decode()

    assert "nobody is on call but by an override" in html


def test_the_page_names_deactivated_people(browser: Any, schedule: Schedule, bob: User) -> None:
    client = browser(bob)
    User.objects.filter(username="alice").update(is_active=False)

    html = client.get(_page(schedule)).content.decode()

    assert 'Alice <span class="t-late">(deactivated: nobody in this turn)</span>' in html


def test_overrides_are_listed_and_cannot_be_edited(
    browser: Any, schedule: Schedule, alice: User, clock: VirtualClock
) -> None:
    override = services.add_override(
        schedule, user=alice, starts_at=clock.at, ends_at=clock.at + timedelta(1), reason="swap"
    )
    client = browser(alice)

    assert "swap" in client.get("/admin/oncall/override/").content.decode()
    page = f"/admin/oncall/override/{override.pk}/change/"
    assert client.post(page, {"reason": "x"}).status_code == 403


# --- Changing -----------------------------------------------------------------------------------


def test_a_manager_creates_a_schedule_and_comes_to_its_page(
    browser: Any, alice: User, team: Team
) -> None:
    facts = {"name": "Nights", "slug": "nights", "team": team.pk, "timezone": "Europe/Berlin"}

    response = browser(alice).post(f"{LIST}add/", facts)

    schedule = Schedule.objects.get()
    assert (schedule.name, schedule.team) == ("Nights", team)
    assert response.url == _page(schedule)


def test_a_manager_cannot_create_one_without_a_team(browser: Any, alice: User) -> None:
    facts = {"name": "Nights", "slug": "nights", "team": "", "timezone": "Europe/Berlin"}

    response = browser(alice).post(f"{LIST}add/", facts)

    assert response.status_code == 200
    assert not Schedule.objects.exists()


def test_a_manager_changes_a_schedule_of_the_team(
    browser: Any, schedule: Schedule, alice: User
) -> None:
    facts = {"name": "Renamed", "slug": "payments", "team": schedule.team_id, "timezone": "UTC"}

    browser(alice).post(_page(schedule), facts)

    schedule.refresh_from_db()
    assert (schedule.name, schedule.timezone) == ("Renamed", "UTC")


def test_an_unknown_zone_is_shown_at_its_field(
    browser: Any, schedule: Schedule, alice: User
) -> None:
    facts = {"name": "x", "slug": "payments", "team": schedule.team_id, "timezone": "Berlin"}

    html = browser(alice).post(_page(schedule), facts).content.decode()

    assert "write one like Europe/Berlin" in html
    schedule.refresh_from_db()
    assert schedule.timezone == "Europe/Berlin"


def test_a_manager_sets_the_rotation(
    browser: Any, schedule: Schedule, alice: User, bob: User, charlie: User
) -> None:
    client = browser(alice)
    form = client.get(_verb(schedule, "rotation")).content.decode()
    assert 'name="person_6"' in form
    assert 'name="person_7"' not in form
    assert "(optional)" not in form
    assert 'value="09:00"' in form
    # From the next hand-over on, which is Bob's: who agrees to everything changes nothing.
    assert 'value="2026-03-09"' in form
    places = re.findall(r'<option value="(\d+)" selected>(Alice|Bob)</option>', form)
    assert [name for _, name in places] == ["Bob", "Alice"]

    facts = {"kind": "daily", "handover_weekday": "0", "handover_time": "08:30"}
    places = {**_places(charlie, bob, alice), "person_1": "", "person_3": str(bob.pk)}
    response = client.post(
        _verb(schedule, "rotation"), {**facts, "starts_on": "2026-03-01", **places}
    )

    assert response.url == _page(schedule)
    people = schedule.rotations.get().participants.order_by("position")
    assert [place.user for place in people] == [charlie, alice, bob]


def test_the_page_tells_the_rotation_that_is_to_come(
    browser: Any, schedule: Schedule, alice: User, bob: User
) -> None:
    client = browser(alice)
    facts = {"kind": "daily", "handover_weekday": "0", "handover_time": "08:30"}

    client.post(_verb(schedule, "rotation"), {**facts, "starts_on": "2026-03-04", **_places(bob)})

    said = " ".join(re.sub(r"<[^>]+>", "", client.get(_page(schedule)).text).split())
    assert "Every Monday at 09:00 Europe/Berlin, until Wed 04 Mar 08:30 CET. In this" in said
    assert "Every day at 08:30 Europe/Berlin, from Wed 04 Mar 08:30 CET on. In this" in said


def test_a_turn_of_somebody_deactivated_is_not_dropped_unseen(
    browser: Any, schedule: Schedule, alice: User, bob: User
) -> None:
    client = browser(alice)
    User.objects.filter(pk=bob.pk).update(is_active=False)

    form = client.get(_verb(schedule, "rotation")).content.decode()
    facts = {"kind": "daily", "handover_weekday": "0", "handover_time": "08:30"}
    facts |= {"starts_on": "2026-03-01", **_places(alice, bob)}
    refused = client.post(_verb(schedule, "rotation"), facts).content.decode()

    assert f'value="{bob.pk}" selected>Bob (deactivated: choose somebody else)' in form
    assert "Bob is deactivated; choose somebody else" in refused
    assert schedule.rotations.get().kind == "weekly"


def test_a_person_named_twice_is_told_on_the_form(
    browser: Any, schedule: Schedule, alice: User, bob: User
) -> None:
    facts = {"kind": "daily", "handover_weekday": "0", "handover_time": "08:30"}
    facts |= {"starts_on": "2026-03-01", **_places(bob, bob)}

    html = browser(alice).post(_verb(schedule, "rotation"), facts).content.decode()

    assert "Bob is named twice" in html
    assert schedule.rotations.get().kind == "weekly"


def test_an_administrator_sets_the_rotation_of_any_schedule(browser: Any, clock: Any) -> None:
    root = UserFactory(username="root", is_superuser=True, is_staff=True)
    schedule = services.create_schedule(name="Nobody's", timezone="UTC")
    facts = {"kind": "daily", "handover_weekday": "0", "handover_time": "08:30"}
    facts |= {"starts_on": "2026-03-01", **_places(root)}

    browser(root).post(_verb(schedule, "rotation"), facts)

    assert services.on_call_now(schedule) == root


@pytest.mark.parametrize("stranger", ["bob", "charlie"])
def test_nobody_else_changes_the_rotation(
    browser: Any, schedule: Schedule, stranger: str, request: pytest.FixtureRequest
) -> None:
    user = request.getfixturevalue(stranger)
    facts = {"kind": "daily", "handover_weekday": "0", "handover_time": "08:30"}
    facts |= {"starts_on": "2026-03-01", **_places(user)}
    client = browser(user)

    client.post(_verb(schedule, "rotation"), facts)
    renamed = client.post(_page(schedule), {"name": "Mine", "slug": "mine", "timezone": "UTC"})

    assert "Set the rotation" not in client.get(_page(schedule)).content.decode()
    assert renamed.status_code == 403
    schedule.refresh_from_db()
    assert schedule.name == "Payments"
    assert schedule.rotations.get().kind == "weekly"


def test_a_responder_of_the_team_adds_an_override_in_local_time_and_ends_it(
    browser: Any, schedule: Schedule, alice: User, bob: User, clock: VirtualClock
) -> None:
    client = browser(bob)
    facts = {"user": bob.pk, "reason": "swap", "starts_at_0": "2026-03-02"}
    facts |= {"starts_at_1": "12:00", "ends_at_0": "2026-03-02", "ends_at_1": "18:00"}

    asked = client.get(_verb(schedule, "override")).text
    assert re.findall(r' value="([\d:-]{5,})"', asked) == ["2026-03-02", "11:00:00"]  # now

    client.post(_verb(schedule, "override"), facts)

    override = schedule.overrides.get()
    assert override.created_by == bob
    assert (override.starts_at - clock.at, override.ends_at - clock.at) == (
        timedelta(hours=1),  # 12:00 in Berlin is 11:00 UTC
        timedelta(hours=7),
    )
    form = client.get(_verb(schedule, "end-override")).content.decode()
    assert "Bob, Mon 02 Mar 12:00 CET – Mon 02 Mar 18:00 CET" in form
    client.post(_verb(schedule, "end-override"), {"override": override.pk})
    assert not schedule.overrides.exists()


def test_a_refused_override_is_told_at_its_field(
    browser: Any, schedule: Schedule, bob: User
) -> None:
    facts = {"user": bob.pk, "starts_at_0": "2026-03-02", "starts_at_1": "12:00"}
    facts |= {"ends_at_0": "2026-03-02", "ends_at_1": "12:00"}

    html = browser(bob).post(_verb(schedule, "override"), facts).content.decode()

    assert "must end after it starts" in html
    assert not schedule.overrides.exists()


def test_somebody_of_another_team_adds_no_override(
    browser: Any, schedule: Schedule, charlie: User
) -> None:
    facts = {"user": charlie.pk, "starts_at_0": "2026-03-02", "starts_at_1": "12:00"}
    facts |= {"ends_at_0": "2026-03-03", "ends_at_1": "12:00"}

    browser(charlie).post(_verb(schedule, "override"), facts)

    assert not schedule.overrides.exists()


def test_a_manager_has_it_answer_for_the_team_and_no_longer(
    browser: Any, schedule: Schedule, alice: User, team: Team
) -> None:
    client = browser(alice)

    client.post(_verb(schedule, "assign"), {"team": team.pk})
    assert TeamSchedule.objects.get().schedule == schedule

    client.post(_verb(schedule, "unassign"), {"team": team.pk})
    assert not TeamSchedule.objects.exists()


def test_a_manager_assigns_no_schedule_to_a_team_of_others(
    browser: Any, schedule: Schedule, alice: User, charlie: User
) -> None:
    search = Team.objects.get(slug="search")

    browser(alice).post(_verb(schedule, "assign"), {"team": search.pk})

    assert not TeamSchedule.objects.exists()


def test_the_team_s_page_names_who_is_in_no_rotation(
    browser: Any, schedule: Schedule, alice: User, bob: User, team: Team
) -> None:
    services.assign_schedule(team, schedule=schedule, actor=alice)
    url = reverse("admin:incidents_team_change", args=[team.pk])
    client = browser(alice)
    assert "Not in any rotation" not in client.get(url).text
    for name, role in [("eva", "responder"), ("dan", "manager"), ("vic", "viewer")]:
        MembershipFactory(user=UserFactory(username=name, first_name=name), team=team, role=role)

    said = client.get(url).text

    assert "Not in any rotation: dan, eva." in said
    assert _verb(schedule, "rotation") in said
    assert _verb(schedule, "rotation") not in browser(bob).get(url).text
