"""The week of a schedule as a picture, and the same in words."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.core.models import User
from incidents.oncall import picture, services
from incidents.oncall.models import Schedule
from incidents.oncall.picture import Week
from incidents.timers.clock import VirtualClock
from tests.factories import UserFactory

BERLIN = ZoneInfo("Europe/Berlin")


def drawn(schedule: Schedule, week: Week, now: datetime) -> picture.Picture:
    rows = services.rows(schedule, start=week.start, end=week.end)
    return picture.draw(week, rows, order=[], now=now)


def who(bar: picture.Bar) -> str:
    return bar.title.partition(":")[0]


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def page(client: Client, schedule: Schedule, week: str = "") -> str:
    url = reverse("admin:oncall_schedule_change", args=[schedule.pk])
    return client.get(url, {"week": week} if week else {}).text


# --- Weeks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("monday", "day", "hours"),
    [
        (date(2026, 3, 23), 6, 23),  # Sunday, 29 March: the clocks go forward
        (date(2026, 10, 19), 6, 25),
        (date(2026, 3, 2), 0, 24),
    ],
)
def test_a_day_has_the_hours_that_it_has(monday: date, day: int, hours: int) -> None:
    edges = Week(monday, BERLIN).edges

    assert edges[day + 1] - edges[day] == timedelta(hours=hours)
    assert len(edges) == 8


def test_where_midnight_is_jumped_over_the_day_begins_after_the_jump() -> None:
    # In Beirut the clocks went from 00:00 to 01:00 on 29 March 2026.
    edges = Week(date(2026, 3, 23), ZoneInfo("Asia/Beirut")).edges

    assert edges[6].astimezone(ZoneInfo("Asia/Beirut")).hour == 1
    assert edges[7] - edges[6] == timedelta(hours=23)


@pytest.mark.parametrize("name", ["", "2026", "2026-W54", "2026-W00", "x-Wy", "99999-W1", "1-W1"])
def test_what_names_no_week_is_none(name: str) -> None:
    assert Week.named(name, BERLIN) is None


def test_a_week_is_found_by_its_name() -> None:
    week = Week.of(datetime(2026, 12, 31, tzinfo=UTC), BERLIN)

    assert week.name == "2026-W53"
    assert Week.named(week.name, BERLIN) == week
    assert week.shifted(1).name == "2027-W01"


# --- The drawing ----------------------------------------------------------------------------------


def test_bars_cover_the_week_without_hole(schedule: Schedule, clock: VirtualClock) -> None:
    found = drawn(schedule, Week.of(clock.at, BERLIN), clock.at)

    rotation, result = found.lanes
    assert [who(bar) for bar in result.bars] == ["Nobody", "Alice"]
    assert [bar.label for bar in rotation.bars] == ["Alice"]
    assert result.bars[0].x == picture.LEFT
    assert result.bars[-1].x + result.bars[-1].width == pytest.approx(picture.WIDTH, abs=0.2)
    assert found.days[0].x < (found.now_x or 0) < found.days[1].x


def test_the_day_on_which_the_clocks_change_is_narrower(
    schedule: Schedule, clock: VirtualClock
) -> None:
    days = drawn(schedule, Week(date(2026, 3, 23), BERLIN), clock.at).days

    assert days[6].note == "23 h"
    assert days[6].width == pytest.approx(days[0].width * 23 / 24, abs=0.2)
    assert [day.note for day in days[:6]] == [""] * 6


def test_overrides_are_a_row_and_win(
    schedule: Schedule, charlie: User, clock: VirtualClock
) -> None:
    services.add_override(
        schedule,
        user=charlie,
        starts_at=clock.at + timedelta(days=1),
        ends_at=clock.at + timedelta(days=2),
    )

    found = drawn(schedule, Week.of(clock.at, BERLIN), clock.at)

    assert [lane.name for lane in found.lanes] == ["Rotation", "Overrides", "On call"]
    assert [bar.label for bar in found.lanes[1].bars] == ["Charlie"]
    assert [who(bar) for bar in found.lanes[2].bars] == ["Nobody", "Alice", "Charlie", "Alice"]
    assert "Tue 03 Mar 11:00 – Wed 04 Mar 11:00 CET" in found.lanes[1].bars[0].title


def test_people_keep_their_colours_from_week_to_week(
    schedule: Schedule, alice: User, bob: User, clock: VirtualClock
) -> None:
    colours = []
    for number in range(2):
        week = Week.of(clock.at, BERLIN).shifted(number)
        rows = services.rows(schedule, start=week.start, end=week.end)
        found = picture.draw(week, rows, order=[alice.pk, bob.pk], now=clock.at)
        colours.append({person.name: person.colour for person in found.people})

    assert colours == [{"Alice": 0}, {"Alice": 0, "Bob": 1}]


def test_a_short_turn_has_initials_and_a_shorter_one_nothing(
    schedule: Schedule, clock: VirtualClock
) -> None:
    person = UserFactory(username="maria", first_name="Maria", last_name="Vandenberghe")
    for start, length in [(24, 6), (48, 1)]:
        services.add_override(
            schedule,
            user=person,
            starts_at=clock.at + timedelta(hours=start),
            ends_at=clock.at + timedelta(hours=start + length),
        )

    bars = drawn(schedule, Week.of(clock.at, BERLIN), clock.at).lanes[1].bars

    assert [bar.label for bar in bars] == ["MV", ""]
    assert all(bar.title.startswith("Maria Vandenberghe: ") for bar in bars)


# --- The page -------------------------------------------------------------------------------------


def test_the_page_tells_the_week_in_words_too(browser: Client, schedule: Schedule) -> None:
    html = page(browser, schedule)

    assert "2026-W10" in html
    words = html[html.index("t-week-list") :]
    # The rotation was set at 11:00: it says nothing about the time before.
    assert re.search(r"00:00–11:00</span>\s*<span class=\"t-late\">Nobody", words)
    assert "11:00–24:00" in words
    assert "Mon 02 Mar 00:00 – Mon 02 Mar 11:00 CET" in html
    assert 'href="?week=2026-W09"' in html
    assert 'href="?week=2026-W11"' in html


def test_gaps_to_come_are_told_and_those_that_passed_are_not(
    schedule: Schedule, alice: User, clock: VirtualClock
) -> None:
    week = Week.of(clock.at, BERLIN)
    rows = services.rows(schedule, start=week.start, end=week.end)

    assert picture.gaps(week, rows[-1], now=week.start) == [
        "Mon 02 Mar 00:00 – Mon 02 Mar 11:00 CET"
    ]
    assert picture.gaps(week, rows[-1], now=clock.at) == []


def test_another_week_is_shown_when_asked_for(browser: Client, schedule: Schedule) -> None:
    html = page(browser, schedule, "2026-W13")

    assert "(23 h)" in html
    assert 'class="t-now"' not in html
    assert "This week" in html


def test_a_week_that_is_none_is_this_week(browser: Client, schedule: Schedule) -> None:
    assert "2026-W10" in page(browser, schedule, "nonsense")


def test_an_empty_schedule_says_what_to_do(browser: Client, empty_schedule: Schedule) -> None:
    assert "Set a rotation, or add an override" in page(browser, empty_schedule)


def test_names_in_the_picture_are_text(browser: Client, schedule: Schedule, alice: User) -> None:
    alice.first_name = "<script>alert(1)</script>"
    alice.save()

    assert "<script>alert(1)" not in page(browser, schedule)


def test_the_page_takes_the_same_queries_for_many_turns(
    browser: Client, schedule: Schedule, alice: User, bob: User, clock: VirtualClock
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(browser, schedule)
        return len(captured)

    services.add_override(
        schedule, user=bob, starts_at=clock.at, ends_at=clock.at + timedelta(hours=1)
    )
    queries()
    few = queries()
    people = UserFactory.create_batch(8)
    services.set_rotation(
        schedule,
        kind="daily",
        handover_time=time(9),
        people=[alice, bob, *people],
        starts_on=date(2026, 1, 5),
    )
    for number, person in enumerate(people):
        start = clock.at + timedelta(hours=3 * number)
        services.add_override(
            schedule, user=person, starts_at=start, ends_at=start + timedelta(hours=2)
        )

    assert queries() == few


def test_the_schedule_of_nobody_in_particular_is_drawn(browser: Any, db: None) -> None:
    schedule = services.create_schedule(name="Empty", timezone="Pacific/Kiritimati")

    assert "Empty" in page(browser, schedule)
