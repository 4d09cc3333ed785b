"""When people hear of what is due after an incident: a table of moments, without a database."""

from datetime import UTC, datetime, timedelta

import pytest

from incidents.core.calendar import WorkingCalendar
from incidents.reviews import engine
from incidents.reviews.engine import Alarm, Stage
from incidents.reviews.section import Reviews

BERLIN = WorkingCalendar(zone="Europe/Berlin", country="DE", subdivision="BE")
UTC_WEEK = WorkingCalendar()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "within", "due"),
    [
        ("2026-03-02 10:00", 48, "2026-03-04 10:00"),  # Monday → Wednesday
        ("2026-03-04 03:00", 24, "2026-03-05 03:00"),  # by night, on a working day
        ("2026-03-05 10:00", 48, "2026-03-09 16:00"),  # → Saturday → the end of Monday
        ("2026-03-06 10:00", 48, "2026-03-09 16:00"),  # → Sunday
        ("2026-04-01 10:00", 48, "2026-04-07 15:00"),  # → Good Friday, Easter, → Tuesday
        ("2026-04-30 10:00", 24, "2026-05-04 15:00"),  # → 1 May, a Friday, → Monday
        ("2026-03-07 10:00", 2, "2026-03-07 12:00"),  # at once, whatever day it is
    ],
)
def test_a_deadline_on_a_free_day_is_the_end_of_the_next_working_day(start, within, due):
    assert engine.deadline(BERLIN, at(start), timedelta(hours=within)) == at(due)


def test_a_calendar_without_working_days_leaves_deadlines_and_moments_as_they_are():
    never = WorkingCalendar(days=frozenset())

    assert engine.reachable(never, at("2026-03-07 10:00")) == at("2026-03-07 10:00")
    assert engine.deadline(never, at("2026-03-06 10:00"), timedelta(days=1)) > at("2026-03-06")


def begun(start: str, due: str, now: str = "") -> Alarm:
    return engine.begin(UTC_WEEK, start=at(start), due_at=at(due), now=at(now or start))


@pytest.mark.parametrize(
    ("start", "due", "stage", "moment"),
    [
        ("2026-03-02 10:00", "2026-03-05 10:00", Stage.SOON, "2026-03-04 10:00"),
        ("2026-03-02 10:00", "2026-03-03 10:00", Stage.SOON, "2026-03-03 09:00"),  # half, at night
        ("2026-03-06 12:00", "2026-03-09 17:00", Stage.SOON, "2026-03-09 09:00"),  # not on Sunday
        ("2026-03-02 10:00", "2026-03-02 12:00", Stage.DUE, "2026-03-02 12:00"),  # no time for it
        ("2026-03-07 10:00", "2026-03-07 11:00", Stage.DUE, "2026-03-07 11:00"),  # even on Saturday
    ],
)
def test_it_is_told_beforehand_in_working_hours(start, due, stage, moment):
    assert begun(start, due) == Alarm(stage, at(moment), at(due))


def test_where_the_time_for_a_reminder_has_passed_it_is_told_when_it_is_due():
    alarm = begun("2026-03-02 10:00", "2026-03-05 10:00", now="2026-03-05 09:00")

    assert (alarm.stage, alarm.at) == (Stage.DUE, at("2026-03-05 10:00"))


def test_it_goes_on_a_day_later_to_managers_and_then_every_week():
    alarm = begun("2026-03-02 10:00", "2026-03-05 10:00")
    told = [(alarm.stage, alarm.at, alarm.turn)]
    for _ in range(4):
        alarm = engine.follow(UTC_WEEK, alarm)
        told.append((alarm.stage, alarm.at, alarm.turn))

    assert told == [
        (Stage.SOON, at("2026-03-04 10:00"), 1),
        (Stage.DUE, at("2026-03-05 10:00"), 1),
        (Stage.OVERDUE, at("2026-03-06 10:00"), 1),
        (Stage.OVERDUE, at("2026-03-13 10:00"), 2),
        (Stage.OVERDUE, at("2026-03-20 10:00"), 3),
    ]


def test_what_is_due_at_the_end_of_a_week_is_overdue_on_monday():
    due = Alarm(Stage.DUE, at("2026-03-06 17:00"), at("2026-03-06 17:00"))

    assert engine.follow(UTC_WEEK, due).at == at("2026-03-09 09:00")


def test_a_review_that_is_asked_for_where_the_runbook_is_silent_has_five_days():
    earliest, latest = engine.window(Reviews(), "SEV4", UTC_WEEK, at("2026-03-02 10:00"))

    assert (earliest, latest) == (None, at("2026-03-09 17:00"))


def test_it_is_to_be_closed_a_day_after_the_last_thing_that_it_waits_for():
    published, last = at("2026-03-04 10:00"), at("2026-03-16 10:00")

    assert engine.to_close_by(UTC_WEEK, published, [last]) == at("2026-03-17 17:00")
    assert engine.to_close_by(UTC_WEEK, published, []) == at("2026-03-11 17:00")
