"""When am I next, who is on call, and taking a shift, on a phone."""

import re
from datetime import UTC, date, datetime, time, timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.oncall import services

pytestmark = pytest.mark.django_db


@pytest.fixture
def shifts(client, bob, alice, team, clock):
    """Bob and Alice take weekly turns from Monday 09:00 UTC on; it is Monday 10:00."""
    schedule = services.create_schedule(name="Payments", team=team, timezone="UTC", actor=None)
    services.set_rotation(
        schedule,
        kind="weekly",
        handover_weekday=0,
        handover_time=time(9),
        starts_on=date(2026, 3, 2),
        people=[bob, alice],
        actor=None,
    )
    return schedule


def on_call(client, person):
    client.force_login(person)
    html = client.get("/me/").text
    section = re.search(r'id="on-call".*?</section>', html, re.DOTALL).group()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", section))


def test_it_says_until_when_and_when_again(client, shifts, bob, alice):
    assert "You are on call for Payments until Mon 9 Mar, 09:00." in on_call(client, bob)
    assert "Mon 16 Mar, 09:00 to Mon 23 Mar, 09:00" in on_call(client, bob)
    assert "You are on call" not in on_call(client, alice)
    assert "Mon 9 Mar, 09:00 to Mon 16 Mar, 09:00" in on_call(client, alice)


def test_it_knows_who_stands_in(client, shifts, charlie):
    services.add_override(
        shifts,
        user=charlie,
        starts_at=datetime(2026, 3, 3, 18, tzinfo=UTC),
        ends_at=datetime(2026, 3, 3, 22, tzinfo=UTC),
        actor=charlie,
    )

    assert "Tue 3 Mar, 18:00 to Tue 3 Mar, 22:00 Payments, standing in" in on_call(client, charlie)


def test_times_are_those_of_the_reader(client, shifts, alice):
    alice.timezone = "Europe/Berlin"
    alice.save()

    assert "Mon 9 Mar, 10:00" in on_call(client, alice)


def test_who_has_no_shift_is_told_so(client, shifts, charlie):
    assert "You have no shift in the next 4 weeks." in on_call(client, charlie)


# --- The page -------------------------------------------------------------------------------------

PAGE = "/i/on-call/"


def words(html):
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html[html.index("<main") :]))
    return re.sub(r" ([,.])", r"\1", said)


def links(html):
    return [unescape(link) for link in re.findall(r'href="([^"]*/take/[^"]*)"', html)]


def test_anybody_sees_who_is_on_call_now_and_next(client, shifts, charlie):
    client.force_login(charlie)

    html = client.get(PAGE).text

    assert "Bob, until Mon 9 Mar, 09:00 Then Alice, until Mon 16 Mar, 09:00." in words(html)
    assert "You have no shift" in words(html)
    assert '<a href="/i/on-call/" aria-current="page">On call</a>' in html
    assert links(html) == []  # of another team


def test_what_nobody_covers_is_told_and_can_be_taken(client, team, bob, clock):
    schedule = services.create_schedule(name="Nights", team=team, timezone="UTC", actor=None)
    at = datetime(2026, 3, 4, 18, tzinfo=UTC)
    services.add_override(schedule, user=bob, starts_at=clock.at, ends_at=at)
    services.add_override(
        schedule, user=bob, starts_at=at + timedelta(hours=4), ends_at=at + timedelta(weeks=8)
    )
    client.force_login(bob)

    html = client.get(PAGE).text
    form = client.get(next(link for link in links(html) if "T18:00:00Z" in link)).text

    assert "Nobody is on call Wed 4 Mar, 18:00 to Wed 4 Mar, 22:00 Take it" in words(html)
    assert re.findall(r' value="([\d:-]{5,})"', form) == [
        *("2026-03-04", "18:00:00", "2026-03-04", "22:00:00")
    ]


def test_the_next_shift_of_another_is_taken_in_the_reader_s_time(client, shifts, bob, alice):
    alice.timezone = "Europe/Berlin"
    alice.save()
    client.force_login(alice)
    form = client.get(f"{PAGE}payments/take/").text
    assert f'<option value="{alice.pk}" selected>' in form
    assert re.findall(r' value="([\d:-]{5,})"', form) == [
        *("2026-03-02", "11:00:00", "2026-03-09", "10:00:00")
    ]

    facts = {"user": alice.pk, "starts_at_0": "2026-03-02", "starts_at_1": "11:00:00"}
    facts |= {"ends_at_0": "2026-03-09", "ends_at_1": "10:00:00"}
    said = words(client.post(f"{PAGE}payments/take/", facts, follow=True).text)

    assert "You are on call for Payments in that time." in said
    assert services.on_call_now(shifts) == alice
    taken = shifts.overrides.get()
    assert (taken.created_by, taken.ends_at) == (alice, datetime(2026, 3, 9, 9, tzinfo=UTC))


def test_one_s_own_shift_is_given_away(client, shifts, bob, alice):
    client.force_login(bob)
    give = next(link for link in links(client.get(PAGE).text) if "give" in link)
    assert "selected>Bob" not in client.get(give).text

    facts = {"user": alice.pk, "starts_at_0": "2026-03-16", "starts_at_1": "09:00:00"}
    facts |= {"ends_at_0": "2026-03-23", "ends_at_1": "09:00:00"}
    said = words(client.post(give, facts, follow=True).text)

    assert "Alice is on call for Payments in that time." in said
    assert services.on_call_now(shifts, datetime(2026, 3, 17, tzinfo=UTC)) == alice


def test_a_wrong_time_is_told_at_its_field(client, shifts, bob):
    client.force_login(bob)
    facts = {"user": bob.pk, "starts_at_0": "2026-03-16", "starts_at_1": "09:00"}
    facts |= {"ends_at_0": "2026-03-16", "ends_at_1": "09:00"}

    refused = client.post(f"{PAGE}payments/take/", facts)

    assert refused.status_code == 400
    assert "must end after it starts" in words(refused.text)
    assert not shifts.overrides.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_of_another_team_takes_a_shift(client, shifts, charlie, method):
    client.force_login(charlie)

    assert getattr(client, method)(f"{PAGE}payments/take/").status_code == 403
    assert not shifts.overrides.exists()


def test_an_address_that_names_no_time_asks_for_it(client, shifts, bob):
    client.force_login(bob)

    form = client.get(f"{PAGE}payments/take/?from=yesterday&until=2026").text

    assert 'value="2026-03-02"' in form


def test_the_page_takes_the_same_queries_for_many_schedules(client, shifts, team, bob, alice):
    client.force_login(bob)
    client.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        client.get(PAGE)
    for number in range(5):
        schedule = services.create_schedule(name=f"S{number}", team=team, timezone="UTC")
        services.set_rotation(
            schedule,
            kind="daily",
            handover_time=time(9),
            starts_on=date(2026, 3, 1),
            people=[alice, bob],
        )
    with CaptureQueriesContext(connection) as many:
        client.get(PAGE)

    assert len(many) == len(few)
