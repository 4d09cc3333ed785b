"""The decision who is on call: pure, without database or clock, in whole people and aware instants.

A hand-over happens at a local wall-clock time. Where the clocks jump over that time, it happens at
the first instant after the gap; where they show it twice, the first time.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
ONE_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class RotationPlan:
    """People taking turns from `starts_on` on; `people` are user ids in order.

    None among them holds the place of somebody deactivated, so that the others keep their turns.
    `handover_weekday`: 0 (Monday) to 6; None: the hand-over is every day. It counts during
    [begins_at, ends_at) only, whatever turn that is in; None: without such a bound.
    """

    handover_time: time
    starts_on: date
    people: tuple[int | None, ...]
    handover_weekday: int | None = None
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    layer: int = 0

    def counts_at(self, at: datetime) -> bool:
        return (self.begins_at is None or self.begins_at <= at) and (
            self.ends_at is None or at < self.ends_at
        )


@dataclass(frozen=True)
class OverridePlan:
    """One person instead of any rotation during [starts_at, ends_at)."""

    user_id: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Plan:
    """All that decides who is on call.

    `rotations` from the lowest layer to the highest: the highest that has somebody wins. Those of
    one layer follow one another: what was changed stays as it was until the change.
    `overrides` of active people, in the order in which they were made: the latest in force wins.
    """

    zone: ZoneInfo
    rotations: tuple[RotationPlan, ...] = ()
    overrides: tuple[OverridePlan, ...] = ()


@dataclass(frozen=True)
class Shift:
    """One person, or nobody, on call during [start, end)."""

    user_id: int | None
    start: datetime
    end: datetime
    is_override: bool = False


@dataclass(frozen=True)
class _Cover:
    """Who covers an instant and by what: two instants of one turn have equal covers."""

    user_id: int | None
    turn: Hashable = None
    is_override: bool = False


_NOBODY = _Cover(None)


def on_call(plan: Plan, at: datetime) -> int | None:
    """The user id of the one person on call at `at`; None: nobody."""
    return _cover(plan, at.astimezone(UTC)).user_id


def shifts(plan: Plan, start: datetime, end: datetime) -> list[Shift]:
    """Tile [start, end) with shifts, in UTC, without hole or overlap; what nobody covers as well.

    The first and the last are cut at the window. A hand-over to oneself ends a shift.
    """
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end <= start:
        return []
    edges = [edge for edge in _edges(plan, start, end) if start < edge < end]
    marks = [start, *sorted(set(edges)), end]
    tiles: list[tuple[_Cover, datetime, datetime]] = []
    for begin, until in pairwise(marks):
        cover = _cover(plan, begin)
        if tiles and tiles[-1][0] == cover:
            tiles[-1] = (cover, tiles[-1][1], until)
        else:
            tiles.append((cover, begin, until))
    return [Shift(cover.user_id, begin, until, cover.is_override) for cover, begin, until in tiles]


def next_turn(rotation: RotationPlan, zone: ZoneInfo, at: datetime) -> tuple[int, date]:
    """The number and the day of the first turn that begins after `at`."""
    turn = _turn_at(rotation, at, zone)
    following = 0 if turn is None else turn + 1
    return following, _day_of(rotation, following)


def first_turn_begins(starts_on: date, at: time, zone: ZoneInfo) -> datetime:
    return _instant(starts_on, at, zone)


def _cover(plan: Plan, at: datetime) -> _Cover:
    for number, override in reversed(list(enumerate(plan.overrides))):
        if override.starts_at <= at < override.ends_at:
            return _Cover(override.user_id, ("override", number), is_override=True)
    for number, rotation in reversed(list(enumerate(plan.rotations))):
        if not rotation.people or not rotation.counts_at(at):
            continue
        turn = _turn_at(rotation, at, plan.zone)
        if turn is None:
            continue
        user_id = rotation.people[turn % len(rotation.people)]
        if user_id is not None:
            return _Cover(user_id, ("rotation", number, turn))
    return _NOBODY


def _edges(plan: Plan, start: datetime, end: datetime) -> list[datetime]:
    """Every instant of the window, and some around it, at which the cover may change."""
    edges = []
    for override in plan.overrides:
        edges += [override.starts_at.astimezone(UTC), override.ends_at.astimezone(UTC)]
    for rotation in plan.rotations:
        bounds = [rotation.begins_at, rotation.ends_at]
        edges += [bound.astimezone(UTC) for bound in bounds if bound]
        turn = _turn_at(rotation, start, plan.zone) or 0
        while (edge := _begin_of(rotation, turn, plan.zone)) < end:
            edges.append(edge)
            turn += 1
    return edges


def _turn_at(rotation: RotationPlan, at: datetime, zone: ZoneInfo) -> int | None:
    """The number of the turn that has begun last, from 0; None before the rotation starts."""
    # Tomorrow's hand-over may have happened already where the clocks go back over midnight, and
    # today's or yesterday's may yet come; so begin a day too far and step back.
    turn = _turn_by(rotation, at.astimezone(zone).date() + ONE_DAY)
    while turn >= 0 and _begin_of(rotation, turn, zone) > at:
        turn -= 1
    return turn if turn >= 0 else None


def _turn_by(rotation: RotationPlan, day: date) -> int:
    """The turn that begins on `day`, or last before it; negative before the rotation starts."""
    if day < rotation.starts_on:
        return -1
    if rotation.handover_weekday is None:
        return (day - rotation.starts_on).days
    # Floor division gives 0 for the days of the first turn, which may be a short one.
    return (day - _second_turn(rotation, rotation.handover_weekday)).days // 7 + 1


def _begin_of(rotation: RotationPlan, turn: int, zone: ZoneInfo) -> datetime:
    return _instant(_day_of(rotation, turn), rotation.handover_time, zone)


def _day_of(rotation: RotationPlan, turn: int) -> date:
    if turn == 0 or rotation.handover_weekday is None:
        return rotation.starts_on + turn * ONE_DAY
    return _second_turn(rotation, rotation.handover_weekday) + (turn - 1) * 7 * ONE_DAY


def _second_turn(rotation: RotationPlan, weekday: int) -> date:
    """The first hand-over day of a weekly rotation after the day on which it starts."""
    ahead = (weekday - rotation.starts_on.weekday()) % 7
    return rotation.starts_on + (ahead or 7) * ONE_DAY


def _instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """When the clocks of `zone` first show `at` on `day`, or have just jumped over it; in UTC."""
    wall = datetime.combine(day, at)
    after = wall.replace(tzinfo=zone).astimezone(UTC)
    if after.astimezone(zone).replace(tzinfo=None) == wall:
        return after
    # In a gap, fold=0 reads the time with the offset before it (an instant after the jump), fold=1
    # with the one after it (an instant before the jump). The jump, a whole second, is between.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC).replace(microsecond=0)
    after = after.replace(microsecond=0)
    jumped = after.astimezone(zone).utcoffset()
    while after - before > ONE_SECOND:
        middle = before + (after - before) // (2 * ONE_SECOND) * ONE_SECOND
        if middle.astimezone(zone).utcoffset() == jumped:
            after = middle
        else:
            before = middle
    return after
