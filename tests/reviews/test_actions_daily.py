"""Who is told what today: the pure decision, by table. March 2026: the 2nd is a Monday."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.core.calendar import WorkingCalendar
from incidents.reviews.daily import (
    Crew,
    Duty,
    Occasion,
    Round,
    is_overdue,
    on_or_after,
    week_of,
    working_days_later,
)

PAYMENTS, SEARCH = 1, 2
ANA, BOB, MEG, SAM, ROOT = 10, 11, 20, 21, 99
CREW = Crew(
    managers={PAYMENTS: (MEG,), SEARCH: (SAM,)},
    members={PAYMENTS: (BOB, MEG), SEARCH: (ANA, SAM)},
    administrators=(ROOT,),
    teams={
        BOB: frozenset({PAYMENTS}),
        MEG: frozenset({PAYMENTS}),
        ANA: frozenset({SEARCH}),
        SAM: frozenset({SEARCH}),
    },
)
PLAIN = WorkingCalendar()
GERMAN = WorkingCalendar(country="DE")  # Good Friday: 3 April 2026; Easter Monday: 6 April


def march(day: int) -> date:
    return date(2026, 3, day)


def told(duty: Duty, today: date, calendar: WorkingCalendar = PLAIN, crew: Crew = CREW):
    """(occasion, person) of what is told today."""
    found = Round(PAYMENTS, today, calendar, crew).tellings(duty)
    return [(occasion.value, person) for occasion, _, person in found]


def lived(duty: Duty, first: date, days: int, calendar: WorkingCalendar = PLAIN, crew: Crew = CREW):
    """(day of the month, occasion, person) of everything told on working days, each remembered."""
    found = []
    for offset in range(days):
        today = first + timedelta(days=offset)
        if not calendar.is_working_day(today):
            continue
        new = Round(PAYMENTS, today, calendar, crew).tellings(duty)
        found += [(today.day, occasion.value, person) for occasion, _, person in new]
        duty = replace(duty, told=duty.told | set(new))
    return found


def test_it_reminds_two_days_before_on_the_day_and_then_tells_the_manager_once() -> None:
    duty = Duty(pk=1, due_on=march(11), owner=BOB)

    assert lived(duty, march(2), 40) == [
        (9, "soon", BOB),
        (11, "due", BOB),
        (16, "overdue", MEG),  # Thursday and Friday are the grace
    ]


def test_a_weekend_is_no_time_to_do_anything() -> None:
    duty = Duty(pk=1, due_on=march(7), owner=BOB)  # a Saturday: due on Monday the 9th

    assert lived(duty, march(2), 20) == [(5, "soon", BOB), (9, "due", BOB), (12, "overdue", MEG)]


def test_public_holidays_do_not_count() -> None:
    duty = Duty(pk=1, due_on=date(2026, 4, 3), owner=BOB)  # Good Friday: due on Tuesday the 7th

    assert lived(duty, march(30), 20, GERMAN) == [
        (1, "soon", BOB),
        (7, "due", BOB),
        (10, "overdue", MEG),
    ]


def test_what_was_missed_while_nothing_ran_is_told_late_but_not_twice() -> None:
    duty = Duty(pk=1, due_on=march(3), owner=BOB)

    assert lived(duty, march(20), 20) == [(20, "due", BOB), (20, "overdue", MEG)]


def test_another_day_is_something_new_to_tell() -> None:
    duty = Duty(pk=1, due_on=march(4), owner=BOB)
    known = frozenset(Round(PAYMENTS, march(4), PLAIN, CREW).tellings(duty))

    assert told(replace(duty, told=known), march(4)) == []
    assert told(replace(duty, due_on=march(6), told=known), march(4)) == [("soon", BOB)]


def test_who_gets_it_from_somebody_is_told_as_well() -> None:
    duty = Duty(pk=1, due_on=march(4), owner=BOB)
    known = frozenset(Round(PAYMENTS, march(4), PLAIN, CREW).tellings(duty))

    assert told(replace(duty, owner=ANA, told=known), march(4)) == [("due", ANA)]


@pytest.mark.parametrize(
    ("owner", "boss"),
    [(BOB, MEG), (ANA, SAM), (MEG, ROOT), (77, MEG)],
    ids=["of the team", "of another team", "its own manager", "of no team"],
)
def test_overdue_goes_to_the_owners_manager(owner: int, boss: int) -> None:
    late = Duty(pk=1, due_on=march(2), owner=owner)

    assert told(late, march(20)) == [("due", owner), ("overdue", boss)]


def test_where_there_is_no_manager_the_administrators_hear_of_it() -> None:
    nobody = replace(CREW, managers={})

    assert told(Duty(pk=1, due_on=march(2), owner=BOB), march(20), crew=nobody) == [
        ("due", BOB),
        ("overdue", ROOT),
    ]


def test_what_a_team_owns_is_told_to_everybody_in_it() -> None:
    duty = Duty(pk=1, due_on=march(4), owning_team=SEARCH)

    assert told(duty, march(4)) == [("due", ANA), ("due", SAM)]
    assert ("overdue", SAM) in told(duty, march(20))


def test_without_an_owner_it_is_overdue_from_the_first_day_on() -> None:
    duty = Duty(pk=1, due_on=march(30), waits_since=march(2))

    assert is_overdue(duty, PLAIN, march(2))
    assert lived(duty, march(2), 20) == [(2, "unowned", MEG), (5, "unclaimed", ROOT)]


def test_after_the_action_review_its_owner_is_asked_whether_it_helped() -> None:
    duty = Duty(pk=1, due_on=march(2), owner=BOB, is_pending=False, prove_on=march(9))

    assert lived(duty, march(2), 20) == [(9, "evidence", BOB), (12, "unproven", MEG)]


def test_owner_and_manager_are_asked_when_it_happened_again() -> None:
    duty = Duty(pk=1, due_on=march(2), owner=BOB, is_pending=False, suspected_on=march(9))

    assert told(duty, march(10)) == [("suspected", BOB), ("suspected", MEG)]


def test_what_is_done_and_shown_to_help_is_nobodys_business_any_more() -> None:
    assert told(Duty(pk=1, due_on=march(2), owner=BOB, is_pending=False), march(30)) == []


def test_of_a_private_incident_only_those_hear_who_may() -> None:
    duty = Duty(pk=1, due_on=march(2), owner=BOB, audience=frozenset({BOB}))

    assert told(duty, march(20)) == [("due", BOB), ("overdue", ROOT)]


def test_a_calendar_without_any_working_day_does_not_search_for_ever() -> None:
    never = WorkingCalendar(days=frozenset())

    assert on_or_after(never, march(2)) == march(3)
    assert working_days_later(never, march(2), -2) == date(2026, 2, 28)


def test_a_week_has_its_iso_name() -> None:
    assert week_of(date(2027, 1, 1)) == "2026-W53"


duties = st.builds(
    Duty,
    pk=st.just(1),
    due_on=st.dates(march(1), date(2026, 5, 31)),
    owner=st.sampled_from([None, BOB, MEG, ANA, 77]),
    waits_since=st.none() | st.dates(march(1), march(31)),
    prove_on=st.none() | st.dates(march(1), march(31)),
    is_pending=st.booleans(),
    suspected_on=st.none() | st.dates(march(1), march(31)),
    audience=st.none() | st.just(frozenset({BOB})),
)


@given(duty=duties, calendar=st.sampled_from([PLAIN, GERMAN]))
def test_nobody_is_ever_told_the_same_thing_twice(duty: Duty, calendar: WorkingCalendar) -> None:
    heard = [(occasion, person) for _, occasion, person in lived(duty, march(1), 120, calendar)]

    assert len(heard) == len(set(heard))
    if duty.audience is not None:
        assert {person for _, person in heard} <= {BOB, ROOT}


@given(duty=duties)
def test_what_is_to_be_done_is_never_left_to_silence(duty: Duty) -> None:
    heard = {occasion for _, occasion, _ in lived(duty, march(1), 120)}

    if duty.is_pending:
        assert heard & {Occasion.OVERDUE, Occasion.UNCLAIMED}
