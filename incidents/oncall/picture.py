"""A week of a schedule as a picture: where everything is drawn. No database, no clock.

Time runs from left to right as it passes: a day on which the clocks change is an hour narrower or
wider than the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from incidents.core.models import User
from incidents.oncall.services import Row, Turn

WIDTH, LEFT, TOP = 960, 96, 40
LANE, LANE_GAP = 34, 8
COLOURS = 8
LETTER = 7.2  # how wide a letter is, about
INITIALS_NEED = 24
ONE_DAY, FULL_DAY = timedelta(days=1), timedelta(hours=24)


@dataclass(frozen=True)
class Week:
    """From Monday 00:00 to the next one in `zone`; `edges` are the eight midnights, in UTC."""

    monday: date
    zone: ZoneInfo

    @property
    def edges(self) -> list[datetime]:
        days = [self.monday + number * ONE_DAY for number in range(8)]
        # In a zone whose clocks jump over midnight, this is the first instant of the day.
        return [datetime.combine(day, time(), self.zone).astimezone(UTC) for day in days]

    @property
    def start(self) -> datetime:
        return self.edges[0]

    @property
    def end(self) -> datetime:
        return self.edges[-1]

    @property
    def name(self) -> str:
        """As in the page's address: 2026-W10."""
        return f"{self.monday:%G-W%V}"

    @property
    def days(self) -> str:
        """E.g. 16 Nov – 22 Nov 2026."""
        return f"{self.monday:%-d %b} – {self.monday + 6 * ONE_DAY:%-d %b %Y}"

    def shifted(self, weeks: int) -> "Week":
        return Week(self.monday + 7 * weeks * ONE_DAY, self.zone)

    @classmethod
    def of(cls, now: datetime, zone: ZoneInfo) -> "Week":
        today = now.astimezone(zone).date()
        return cls(today - today.weekday() * ONE_DAY, zone)

    @classmethod
    def named(cls, name: str, zone: ZoneInfo) -> "Week | None":
        """The week that is called so; None for anything else."""
        year, _, number = name.partition("-W")
        try:
            monday = date.fromisocalendar(int(year), int(number), 1)
        except ValueError:
            return None
        return cls(monday, zone) if 2000 <= monday.year < 2200 else None


@dataclass(frozen=True)
class Day:
    """A column. `note` says how many hours it has where that is not 24."""

    x: float
    width: float
    name: str
    note: str
    is_today: bool

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True)
class Bar:
    """A turn as it is drawn; without a person it is a gap."""

    x: float
    width: float
    label: str
    title: str
    colour: int | None

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True)
class Lane:
    name: str
    y: float
    bars: list[Bar]
    is_result: bool

    @property
    def text_y(self) -> float:
        return self.y + LANE / 2 + 4


@dataclass(frozen=True)
class Person:
    pk: int
    name: str
    initials: str
    colour: int


@dataclass(frozen=True)
class Part:
    """Of one day in words: from when to when who."""

    hours: str
    turn: Turn
    initials: str
    colour: int | None


@dataclass(frozen=True)
class DayInWords:
    name: str
    note: str
    is_today: bool
    parts: list[Part]


@dataclass(frozen=True)
class Picture:
    days: list[Day]
    lanes: list[Lane]
    people: list[Person]
    now_x: float | None
    width: int = WIDTH
    left: int = LEFT
    top: int = TOP
    lane: int = LANE

    @property
    def height(self) -> float:
        return self.lanes[-1].y + LANE + 4


def draw(week: Week, rows: Sequence[Row], *, order: Sequence[int], now: datetime) -> Picture:
    """`order`: the ids of the people in the rotation, who keep their colours from week to week."""
    users = _people(rows, order)
    colours = {user.pk: number % COLOURS for number, user in enumerate(users)}
    scale = _Scale(week)
    lanes = [
        Lane(
            row.name,
            TOP + number * (LANE + LANE_GAP),
            [_bar(turn, scale, colours) for turn in row.turns if turn.user or row.is_result],
            row.is_result,
        )
        for number, row in enumerate(rows)
    ]
    return Picture(
        days=_days(week, scale, now),
        lanes=lanes,
        people=[Person(user.pk, str(user), initials(user), colours[user.pk]) for user in users],
        now_x=round(scale.x(now), 1) if week.start <= now < week.end else None,
    )


def tell(week: Week, result: Row, picture: Picture) -> list[DayInWords]:
    """The same day by day in words, for screen readers and phones."""
    colours = {person.pk: person.colour for person in picture.people}
    told = []
    for day, (start, end) in zip(picture.days, pairwise(week.edges), strict=True):
        parts = [
            Part(
                _hours(max(turn.start, start), min(turn.end, end), end, week.zone),
                turn,
                initials(turn.user) if turn.user else "",
                colours[turn.user.pk] if turn.user else None,
            )
            for turn in result.turns
            if turn.start < end and turn.end > start
        ]
        told.append(DayInWords(day.name, day.note, day.is_today, parts))
    return told


def gaps(week: Week, result: Row, *, now: datetime) -> list[str]:
    """When nobody is on call, in words; what has passed cannot be mended."""
    return [
        span(turn.start, turn.end, week.zone)
        for turn in result.turns
        if turn.user is None and turn.end > now
    ]


def _hours(start: datetime, end: datetime, midnight: datetime, zone: ZoneInfo) -> str:
    until = "24:00" if end == midnight else f"{end.astimezone(zone):%H:%M}"
    return f"{start.astimezone(zone):%H:%M}–{until}"


def initials(user: User) -> str:
    words = str(user).split()
    return "".join(word[0] for word in [words[0], *words[1:][-1:]]).upper() if words else "?"


def span(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """E.g. Mon 02 Mar 09:00 – Tue 03 Mar 12:00 CET."""
    return f"{start.astimezone(zone):%a %d %b %H:%M} – {end.astimezone(zone):%a %d %b %H:%M %Z}"


class _Scale:
    def __init__(self, week: Week) -> None:
        self.zone, self.start = week.zone, week.start
        self.each = (WIDTH - LEFT) / (week.end - week.start).total_seconds()

    def x(self, at: datetime) -> float:
        return LEFT + (at - self.start).total_seconds() * self.each


def _people(rows: Iterable[Row], order: Sequence[int]) -> list[User]:
    """Everybody in the picture: the rotation's people in their order, then the others by name."""
    found = {turn.user.pk: turn.user for row in rows for turn in row.turns if turn.user}
    place = {pk: number for number, pk in enumerate(order)}
    return sorted(found.values(), key=lambda user: (place.get(user.pk, len(place)), str(user)))


def _days(week: Week, scale: _Scale, now: datetime) -> list[Day]:
    today = now.astimezone(week.zone).date()
    days = []
    for number, (start, end) in enumerate(pairwise(week.edges)):
        day, length = week.monday + number * ONE_DAY, end - start
        note = "" if length == FULL_DAY else f"{length.total_seconds() / 3600:g} h"
        left, right = scale.x(start), scale.x(end)
        days.append(
            Day(round(left, 1), round(right - left, 1), f"{day:%a %d %b}", note, day == today)
        )
    return days


def _bar(turn: Turn, scale: _Scale, colours: dict[int, int]) -> Bar:
    left, right = scale.x(turn.start), scale.x(turn.end)
    name = str(turn.user) if turn.user else "Nobody"
    short = initials(turn.user) if turn.user else ""
    width = right - left
    label = name if width >= len(name) * LETTER + 10 else short if width >= INITIALS_NEED else ""
    return Bar(
        x=round(left, 1),
        width=round(width, 1),
        label=label,
        title=f"{name}: {span(turn.start, turn.end, scale.zone)}",
        colour=colours[turn.user.pk] if turn.user else None,
    )
