"""Shifts and on_call() are two readings of one decision, in any zone and at any instant."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from incidents.oncall.resolver import OverridePlan, Plan, RotationPlan, on_call, shifts

# Zones that skip or repeat a day or midnight, or shift by half an hour, are worth more than others.
ODD = ["Pacific/Apia", "Australia/Lord_Howe", "America/St_Johns", "America/Sao_Paulo"]
ODD += ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Africa/Casablanca", "Asia/Gaza"]
ZONES = st.one_of(st.sampled_from(ODD), st.sampled_from(sorted(available_timezones())))
FIRST, LAST = datetime(1987, 1, 1), datetime(2040, 1, 1)
INSTANTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
PEOPLE = st.one_of(st.integers(1, 4), st.none())


@st.composite
def plans_and_windows(draw: st.DrawFn) -> tuple[Plan, datetime, datetime]:
    """A plan of which something happens in the window, which is up to six weeks long."""
    start = draw(INSTANTS)
    end = start + draw(st.timedeltas(timedelta(microseconds=1), timedelta(weeks=6)))
    near = st.timedeltas(timedelta(days=-20), timedelta(days=20))
    rotations = st.builds(
        RotationPlan,
        handover_time=st.times().map(lambda at: at.replace(microsecond=0)),
        starts_on=st.one_of(
            st.dates(FIRST.date(), LAST.date()), near.map(lambda by: (start + by).date())
        ),
        people=st.lists(PEOPLE, max_size=4).map(tuple),
        handover_weekday=st.one_of(st.none(), st.integers(0, 6)),
        begins_at=st.one_of(st.none(), near.map(lambda by: start + by)),
        ends_at=st.one_of(st.none(), near.map(lambda by: start + by)),
    )
    lengths = st.timedeltas(timedelta(seconds=1), timedelta(days=10))
    overrides = st.builds(
        lambda user, by, length: OverridePlan(user, start + by, start + by + length),
        *(st.integers(5, 8), near, lengths),
    )
    plan = Plan(
        zone=ZoneInfo(draw(ZONES)),
        rotations=tuple(draw(st.lists(rotations, max_size=2))),
        overrides=tuple(draw(st.lists(overrides, max_size=3))),
    )
    return plan, start, end


APIA = Plan(ZoneInfo("Pacific/Apia"), (RotationPlan(time(9), date(2011, 12, 20), (1, 2, 3), None),))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans_and_windows(), st.lists(st.floats(0, 1, exclude_max=True), max_size=5))
@example((APIA, datetime(2011, 12, 28, tzinfo=UTC), datetime(2012, 1, 2, tzinfo=UTC)), [0.5])
def test_shifts_tile_the_window_and_agree_with_on_call(
    case: tuple[Plan, datetime, datetime], points: list[float]
) -> None:
    plan, start, end = case

    tiles = shifts(plan, start, end)

    assert (tiles[0].start, tiles[-1].end) == (start, end)
    assert all(before.end == after.start for before, after in pairwise(tiles))
    assert all(tile.start < tile.end for tile in tiles)
    for tile in tiles:
        last_instant = tile.end - timedelta(microseconds=1)
        inside = [tile.start + (tile.end - tile.start) * point for point in points]
        for instant in [tile.start, last_instant, *(min(i, last_instant) for i in inside)]:
            assert on_call(plan, instant) == tile.user_id


def _days_of_change(zone: str) -> list[tuple[str, date]]:
    """The days around each change of the clocks, 1995 to 2029."""
    days = [datetime(1995, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(35 * 365)]
    offsets = [day.astimezone(ZoneInfo(zone)).utcoffset() for day in days]
    changed = [day for day, (one, two) in zip(days, pairwise(offsets), strict=False) if one != two]
    return [(zone, day.date() + timedelta(days=by)) for day in changed for by in (-1, 0, 1)]


CHANGES = [change for zone in ODD for change in _days_of_change(zone)]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CHANGES), st.integers(0, 24 * 60 - 1))
def test_a_turn_begins_when_the_wall_clock_first_shows_the_time_or_a_later_one(
    change: tuple[str, date], minute: int
) -> None:
    zone, day = ZoneInfo(change[0]), change[1]
    wall = datetime.combine(day, time(minute // 60, minute % 60))
    plan = Plan(zone, (RotationPlan(wall.time(), day, (1,)),))

    around = [wall.replace(tzinfo=UTC) + timedelta(minutes=n) for n in range(-26 * 60, 26 * 60)]
    first = next(i for i in around if i.astimezone(zone).replace(tzinfo=None) >= wall)

    assert on_call(plan, first) == 1
    assert on_call(plan, first - timedelta(microseconds=1)) is None
