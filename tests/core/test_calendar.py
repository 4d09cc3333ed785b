"""Working time, by table. No database."""

from datetime import UTC, datetime, time, timedelta

import pytest

from incidents.core.calendar import WorkingCalendar

BERLIN = WorkingCalendar(zone="Europe/Berlin", country="DE", subdivision="BY")


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-03-02T10:00+01:00", 2, "2026-03-02T12:00+01:00"),  # within a day
        ("2026-03-02T16:00+01:00", 2, "2026-03-03T10:00+01:00"),  # over the night
        ("2026-03-06T16:00+01:00", 2, "2026-03-09T10:00+01:00"),  # over a weekend
        ("2026-03-07T12:00+01:00", 1, "2026-03-09T10:00+01:00"),  # from a Saturday
        ("2026-03-02T07:00+01:00", 8, "2026-03-02T17:00+01:00"),  # a whole day, to the second
        ("2026-03-02T17:00+01:00", 1, "2026-03-03T10:00+01:00"),  # at closing time
        ("2026-04-02T16:00+02:00", 2, "2026-04-07T10:00+02:00"),  # Good Friday to Easter Monday
        ("2026-03-27T16:00+01:00", 2, "2026-03-30T10:00+02:00"),  # over the change to summer time
    ],
)
def test_it_adds_working_time(start, hours, end):
    assert BERLIN.add(at(start), timedelta(hours=hours)) == at(end)


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-03-02T10:00+01:00", 1, "2026-03-03T17:00+01:00"),
        ("2026-03-06T23:00+01:00", 1, "2026-03-09T17:00+01:00"),
        ("2026-04-02T10:00+02:00", 1, "2026-04-07T17:00+02:00"),
        ("2026-03-02T10:00+01:00", 5, "2026-03-09T17:00+01:00"),
    ],
)
def test_it_finds_the_end_of_a_following_working_day(start, days, end):
    assert BERLIN.close_of_business(at(start), days=days) == at(end)


def test_a_calendar_without_working_days_falls_back_to_elapsed_time():
    never = WorkingCalendar(days=frozenset())
    start = at("2026-03-02T10:00+00:00")

    assert never.add(start, timedelta(hours=3)) == start + timedelta(hours=3)


def test_it_is_read_from_what_a_runbook_stores():
    stored = {"zone": "Asia/Kathmandu", "days": [6, 0, 1, 2, 3], "opens": "10:00"}

    calendar = WorkingCalendar.of(stored, country="NP", zone="UTC")

    assert calendar.zone == "Asia/Kathmandu"
    assert calendar.opens == time(10)
    assert calendar.country == "NP"


def test_an_unknown_country_has_no_holidays_and_stops_nobody():
    start = at("2026-03-02T10:00+00:00")

    assert WorkingCalendar(country="ZZ").add(start, timedelta(hours=3)) == at(
        "2026-03-02T13:00+00:00"
    )
    assert not WorkingCalendar(country="de").is_working_day(start.date().replace(month=1, day=1))


@pytest.mark.parametrize(
    "stored", [{"zone": "Mars/Olympus"}, {"opens": "nine"}, {"frobnicate": 1}, {"days": 5}]
)
def test_a_calendar_that_cannot_be_read_stops_nobody(stored):
    assert WorkingCalendar.of(stored) == WorkingCalendar()
