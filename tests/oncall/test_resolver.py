"""The decision who is on call, by table: no database, no clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from incidents.oncall.resolver import (
    OverridePlan,
    Plan,
    RotationPlan,
    Shift,
    next_turn,
    on_call,
    shifts,
)

ANN, BEN, CAT = 1, 2, 3
MONDAY, WEDNESDAY = 0, 2
TICK = timedelta(microseconds=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(zone: str, at: str, starts_on: str, people: tuple[int | None, ...] = (ANN, BEN)) -> Plan:
    turns = RotationPlan(time.fromisoformat(at), date.fromisoformat(starts_on), people)
    return Plan(ZoneInfo(zone), (turns,))


def weekly(
    zone: str,
    at: str,
    starts_on: str,
    weekday: int = MONDAY,
    people: tuple[int | None, ...] = (ANN, BEN),
) -> Plan:
    turns = RotationPlan(time.fromisoformat(at), date.fromisoformat(starts_on), people, weekday)
    return Plan(ZoneInfo(zone), (turns,))


def with_overrides(plan: Plan, *overrides: tuple[int, str, str]) -> Plan:
    made = tuple(OverridePlan(user, utc(start), utc(end)) for user, start, end in overrides)
    return Plan(plan.zone, plan.rotations, made)


# --- Hand-overs and daylight saving -------------------------------------------------------------

# zone, hand-over time, first day, the instant (UTC) at which the second person takes over
HANDOVERS = {
    "berlin, winter": ("Europe/Berlin", "09:00", "2026-01-12", "2026-01-13T08:00"),
    "berlin, summer": ("Europe/Berlin", "09:00", "2026-07-13", "2026-07-14T07:00"),
    "berlin, the day the clocks go forward": (
        *("Europe/Berlin", "09:00", "2026-03-28", "2026-03-29T07:00"),
    ),
    "berlin, in the gap: at its end": (
        *("Europe/Berlin", "02:30", "2026-03-28", "2026-03-29T01:00"),
    ),
    "berlin, at the start of the gap": (
        *("Europe/Berlin", "02:00", "2026-03-28", "2026-03-29T01:00"),
    ),
    "berlin, at the end of the gap": (
        *("Europe/Berlin", "03:00", "2026-03-28", "2026-03-29T01:00"),
    ),
    "berlin, just before the gap": (
        *("Europe/Berlin", "01:59:59", "2026-03-28", "2026-03-29T00:59:59"),
    ),
    "berlin, twice: the first time": (
        *("Europe/Berlin", "02:30", "2026-10-24", "2026-10-25T00:30"),
    ),
    "berlin, first instant of the repeated hour": (
        *("Europe/Berlin", "02:00", "2026-10-24", "2026-10-25T00:00"),
    ),
    "berlin, after the repeated hour": (
        *("Europe/Berlin", "03:00", "2026-10-24", "2026-10-25T02:00"),
    ),
    "new york, in the gap": ("America/New_York", "02:15", "2026-03-07", "2026-03-08T07:00"),
    "new york, twice": ("America/New_York", "01:30", "2026-10-31", "2026-11-01T05:30"),
    "lord howe, half an hour's gap": (
        *("Australia/Lord_Howe", "02:15", "2026-10-03", "2026-10-03T15:30"),
    ),
    "lord howe, half an hour twice": (
        *("Australia/Lord_Howe", "01:45", "2026-04-04", "2026-04-04T14:45"),
    ),
    "lord howe, after the half hour": (
        *("Australia/Lord_Howe", "02:00", "2026-04-04", "2026-04-04T15:30"),
    ),
    "sao paulo, midnight does not exist": (
        *("America/Sao_Paulo", "00:00", "2018-11-03", "2018-11-04T03:00"),
    ),
    "sao paulo, 23:30 twice": ("America/Sao_Paulo", "23:30", "2018-02-16", "2018-02-18T01:30"),
    "sao paulo, no daylight saving any more": (
        *("America/Sao_Paulo", "00:00", "2026-11-03", "2026-11-04T03:00"),
    ),
    "apia, a day that does not exist": (
        *("Pacific/Apia", "09:00", "2011-12-29", "2011-12-30T10:00"),
    ),
    "apia, the day after it": ("Pacific/Apia", "09:00", "2011-12-31", "2011-12-31T19:00"),
    "kathmandu, 5:45 ahead": ("Asia/Kathmandu", "09:00", "2026-03-01", "2026-03-02T03:15"),
    "st john's, clocks back over midnight": (
        *("America/St_Johns", "00:00", "2009-10-31", "2009-11-01T02:30"),
    ),
}


@pytest.mark.parametrize(
    ("zone", "at", "starts_on", "instant"), HANDOVERS.values(), ids=HANDOVERS.keys()
)
def test_it_hands_over_at_the_local_time(zone: str, at: str, starts_on: str, instant: str) -> None:
    plan, handover = daily(zone, at, starts_on), utc(instant)

    assert on_call(plan, handover - TICK) == ANN
    assert on_call(plan, handover) == BEN
    assert on_call(plan, handover + TICK) == BEN


def test_it_stays_with_the_next_person_when_the_clocks_go_back_over_midnight() -> None:
    # St. John's showed 00:00 on 1 November, and one minute later 23:01 on 31 October again.
    plan = daily("America/St_Johns", "00:00", "2009-10-31")

    second_evening = utc("2009-11-01T03:00")

    assert second_evening.astimezone(plan.zone).date() == date(2009, 10, 31)
    assert on_call(plan, second_evening) == BEN


def test_it_gives_no_turn_to_whose_day_does_not_exist_when_hands_change_at_midnight() -> None:
    plan = daily("Pacific/Apia", "00:00", "2011-12-29", people=(ANN, BEN, CAT))

    tiles = shifts(plan, utc("2011-12-29T12:00"), utc("2011-12-30T20:00"))

    assert [(tile.user_id, tile.start) for tile in tiles] == [
        (ANN, utc("2011-12-29T12:00")),
        (CAT, utc("2011-12-30T10:00")),
    ]


def test_it_gives_a_short_turn_to_whose_day_does_not_exist_when_hands_change_at_nine() -> None:
    plan = daily("Pacific/Apia", "09:00", "2011-12-29", people=(ANN, BEN, CAT))

    tiles = shifts(plan, utc("2011-12-30T00:00"), utc("2011-12-31T00:00"))

    assert [(tile.user_id, tile.start) for tile in tiles] == [
        (ANN, utc("2011-12-30T00:00")),
        (BEN, utc("2011-12-30T10:00")),
        (CAT, utc("2011-12-30T19:00")),
    ]


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-03-28T08:00", "2026-03-29T07:00", 23),
        ("2026-10-24T07:00", "2026-10-25T08:00", 25),
    ],
    ids=["spring", "autumn"],
)
def test_a_day_s_turn_is_as_long_as_the_day(start: str, end: str, hours: int) -> None:
    plan = daily("Europe/Berlin", "09:00", "2026-01-01")

    tiles = shifts(plan, utc("2026-03-01T00:00"), utc("2026-11-30T00:00"))

    assert (utc(start), utc(end)) in {(tile.start, tile.end) for tile in tiles}
    assert utc(end) - utc(start) == timedelta(hours=hours)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
def test_a_weekly_hand_over_keeps_its_local_time_all_year(zone: str) -> None:
    plan = weekly(zone, "09:00", "2026-01-05")

    tiles = shifts(plan, utc("2026-01-13T00:00"), utc("2027-01-12T00:00"))
    local = [tile.start.astimezone(plan.zone) for tile in tiles[1:]]

    assert len(tiles) == 53
    assert {(moment.weekday(), moment.time()) for moment in local} == {(MONDAY, time(9))}


# --- Where a rotation begins, and who is in it --------------------------------------------------


def test_nobody_is_on_call_before_the_rotation_starts() -> None:
    plan = weekly("Europe/Berlin", "09:00", "2026-03-02")
    start = utc("2026-03-02T08:00")

    assert on_call(plan, utc("2020-01-01T00:00")) is None
    assert on_call(plan, start - TICK) is None
    assert on_call(plan, start) == ANN


def test_the_first_turn_is_short_when_the_rotation_starts_on_another_weekday() -> None:
    plan = weekly("UTC", "09:00", "2026-03-04", weekday=MONDAY)

    assert on_call(plan, utc("2026-03-04T09:00")) == ANN
    assert on_call(plan, utc("2026-03-09T09:00") - TICK) == ANN
    assert on_call(plan, utc("2026-03-09T09:00")) == BEN
    assert on_call(plan, utc("2026-03-16T09:00")) == ANN


def test_the_first_turn_is_a_whole_week_when_it_starts_on_the_hand_over_day() -> None:
    plan = weekly("UTC", "09:00", "2026-03-04", weekday=WEDNESDAY)

    assert on_call(plan, utc("2026-03-11T09:00") - TICK) == ANN
    assert on_call(plan, utc("2026-03-11T09:00")) == BEN


def test_it_begins_again_with_the_first_person_after_the_last() -> None:
    plan = daily("UTC", "09:00", "2026-03-02", people=(ANN, BEN, CAT))

    days = [on_call(plan, utc("2026-03-02T09:00") + timedelta(days=n)) for n in range(7)]

    assert days == [ANN, BEN, CAT, ANN, BEN, CAT, ANN]


def test_nobody_is_on_call_in_an_empty_rotation() -> None:
    plan = weekly("Europe/Berlin", "09:00", "2026-03-02", people=())
    start, end = utc("2026-03-02T00:00"), utc("2026-03-30T00:00")

    assert on_call(plan, utc("2026-03-10T00:00")) is None
    assert shifts(plan, start, end) == [Shift(None, start, end)]


def test_nobody_is_on_call_without_a_rotation() -> None:
    assert on_call(Plan(ZoneInfo("UTC")), utc("2026-03-10T00:00")) is None


def test_a_deactivated_person_covers_nothing_and_the_others_keep_their_turns() -> None:
    plan = daily("UTC", "09:00", "2026-03-02", people=(ANN, None, CAT))

    days = [on_call(plan, utc("2026-03-02T09:00") + timedelta(days=n)) for n in range(4)]

    assert days == [ANN, None, CAT, ANN]


def test_the_highest_layer_that_has_somebody_wins() -> None:
    below = RotationPlan(time(9), date(2026, 3, 2), (ANN,))
    above = RotationPlan(time(9), date(2026, 3, 4), (BEN, None))
    plan = Plan(ZoneInfo("UTC"), (below, above))

    assert on_call(plan, utc("2026-03-03T12:00")) == ANN
    assert on_call(plan, utc("2026-03-04T12:00")) == BEN
    assert on_call(plan, utc("2026-03-05T12:00")) == ANN


def test_it_does_not_matter_in_which_zone_the_instant_is_given() -> None:
    plan = daily("Europe/Berlin", "09:00", "2026-03-02")
    handover = utc("2026-03-03T08:00").astimezone(ZoneInfo("Asia/Kathmandu"))

    assert on_call(plan, handover - TICK) == ANN
    assert on_call(plan, handover) == BEN


# --- Overrides ----------------------------------------------------------------------------------


def test_an_override_counts_from_its_start_until_just_before_its_end() -> None:
    plan = with_overrides(
        weekly("UTC", "09:00", "2026-03-02"), (CAT, "2026-03-03T10:00", "2026-03-03T12:00")
    )

    assert on_call(plan, utc("2026-03-03T10:00") - TICK) == ANN
    assert on_call(plan, utc("2026-03-03T10:00")) == CAT
    assert on_call(plan, utc("2026-03-03T12:00") - TICK) == CAT
    assert on_call(plan, utc("2026-03-03T12:00")) == ANN


def test_an_override_that_was_made_later_wins_over_an_earlier_one() -> None:
    plan = with_overrides(
        weekly("UTC", "09:00", "2026-03-02"),
        (BEN, "2026-03-03T10:00", "2026-03-03T16:00"),
        (CAT, "2026-03-03T12:00", "2026-03-03T14:00"),
    )

    tiles = shifts(plan, utc("2026-03-03T00:00"), utc("2026-03-04T00:00"))

    assert [(tile.user_id, f"{tile.start:%H}", f"{tile.end:%H}") for tile in tiles] == [
        (ANN, "00", "10"),
        (BEN, "10", "12"),
        (CAT, "12", "14"),
        (BEN, "14", "16"),
        (ANN, "16", "00"),
    ]
    assert [tile.is_override for tile in tiles] == [False, True, True, True, False]


def test_an_override_covers_where_no_rotation_does() -> None:
    plan = with_overrides(
        Plan(ZoneInfo("Europe/Berlin")), (CAT, "2026-03-03T10:00", "2026-03-03T12:00")
    )

    assert on_call(plan, utc("2026-03-03T09:00")) is None
    assert on_call(plan, utc("2026-03-03T11:00")) == CAT


def test_a_hand_over_under_an_override_does_not_cut_it() -> None:
    plan = with_overrides(
        daily("UTC", "09:00", "2026-03-01"), (CAT, "2026-03-03T06:00", "2026-03-05T06:00")
    )

    tiles = shifts(plan, utc("2026-03-03T07:00"), utc("2026-03-05T05:00"))

    assert tiles == [Shift(CAT, utc("2026-03-03T07:00"), utc("2026-03-05T05:00"), True)]


# --- One rotation after another -----------------------------------------------------------------


def test_a_rotation_counts_within_its_bounds_in_the_turn_that_it_is_in() -> None:
    plan = daily("Europe/Berlin", "09:00", "2026-03-25")
    change = utc("2026-03-29T01:30")  # the clocks went forward half an hour ago
    before = replace(plan.rotations[0], ends_at=change)
    after = replace(plan.rotations[0], people=(CAT,), begins_at=change)

    tiles = shifts(
        Plan(plan.zone, (before, after)), utc("2026-03-28T00:00"), utc("2026-03-29T12:00")
    )

    assert tiles == [
        Shift(ANN, utc("2026-03-28T00:00"), utc("2026-03-28T08:00")),
        Shift(BEN, utc("2026-03-28T08:00"), change),
        Shift(CAT, change, utc("2026-03-29T07:00")),
        Shift(CAT, utc("2026-03-29T07:00"), utc("2026-03-29T12:00")),
    ]


@pytest.mark.parametrize(
    ("at", "turn", "day"),
    [
        ("2026-03-01T00:00", 0, date(2026, 3, 4)),
        ("2026-03-05T00:00", 1, date(2026, 3, 9)),
        ("2026-03-23T07:59", 3, date(2026, 3, 23)),
        ("2026-03-23T08:00", 4, date(2026, 3, 30)),
    ],
)
def test_the_next_turn_begins_after_the_instant(at: str, turn: int, day: date) -> None:
    plan = weekly("Europe/Berlin", "09:00", "2026-03-04")

    assert next_turn(plan.rotations[0], plan.zone, utc(at)) == (turn, day)


# --- Shifts -------------------------------------------------------------------------------------


def test_shifts_are_cut_at_the_window() -> None:
    plan = daily("UTC", "09:00", "2026-03-01")

    tiles = shifts(plan, utc("2026-03-02T12:00"), utc("2026-03-03T12:00"))

    assert tiles == [
        Shift(BEN, utc("2026-03-02T12:00"), utc("2026-03-03T09:00")),
        Shift(ANN, utc("2026-03-03T09:00"), utc("2026-03-03T12:00")),
    ]


def test_shifts_tell_when_nobody_is_on_call() -> None:
    plan = daily("UTC", "09:00", "2026-03-02")

    tiles = shifts(plan, utc("2026-03-01T00:00"), utc("2026-03-02T10:00"))

    assert [tile.user_id for tile in tiles] == [None, ANN]


def test_a_hand_over_to_oneself_ends_a_shift() -> None:
    plan = daily("UTC", "09:00", "2026-03-01", people=(ANN,))

    tiles = shifts(plan, utc("2026-03-02T00:00"), utc("2026-03-03T00:00"))

    assert [(tile.user_id, tile.start.hour) for tile in tiles] == [(ANN, 0), (ANN, 9)]


@pytest.mark.parametrize("end", ["2026-03-02T00:00", "2026-03-01T00:00"])
def test_an_empty_window_has_no_shifts(end: str) -> None:
    plan = daily("UTC", "09:00", "2026-03-01")

    assert shifts(plan, utc("2026-03-02T00:00"), utc(end)) == []
