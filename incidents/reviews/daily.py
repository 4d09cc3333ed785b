"""The daily work with action items: who is told what today. Pure: no rows, no clock.

Days are working days of the team. What falls due on a free day falls due on the next working day;
its owner hears of it two working days before, on the day, and after the grace the owner's manager
does. Everybody is told a thing once: what was told is given as `told`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from incidents.core.calendar import LONGEST_SEARCH, WorkingCalendar

REMIND_BEFORE = 2  # working days
GRACE = 2  # working days


class Occasion(StrEnum):
    """Why somebody is told; the values are those of `Telling.Occasion`."""

    SOON = "soon"
    DUE = "due"
    OVERDUE = "overdue"
    UNOWNED = "unowned"
    UNCLAIMED = "unclaimed"
    EVIDENCE = "evidence"
    UNPROVEN = "unproven"
    SUSPECTED = "suspected"


type Told = tuple[Occasion, date, int]


@dataclass(frozen=True)
class Duty:
    """What the decision needs to know about one item.

    `owner` is active, or None; then the people of `owning_team` have it, or nobody. `prove_on` is
    set once it is done and not yet shown to have helped; `suspected_on`: since it happened again.
    `audience`: of a private incident, who may know of it besides administrators; None: everybody.
    """

    pk: int
    due_on: date
    owner: int | None = None
    owning_team: int | None = None
    waits_since: date | None = None
    prove_on: date | None = None
    is_pending: bool = True
    suspected_on: date | None = None
    audience: frozenset[int] | None = None
    told: frozenset[Told] = frozenset()


@dataclass(frozen=True)
class Crew:
    """Active people, by id: who belongs to which team, who manages it, who administers all."""

    managers: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    members: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    administrators: tuple[int, ...] = ()
    # Person → the teams that he or she works in
    teams: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def owners(self, duty: Duty) -> tuple[int, ...]:
        """Who has it: a person, or everybody who works in a team."""
        if duty.owner is not None:
            return (duty.owner,)
        return self.members.get(duty.owning_team or 0, ())

    def managers_of(self, duty: Duty, team: int) -> tuple[int, ...]:
        """Who answers for its owner: the managers of the team; of the owner's own, if another's.

        Never the owner alone: a manager's own item goes to the other managers, or, where there is
        none, to the administrators.
        """
        owner = duty.owner
        home = [duty.owning_team] if duty.owning_team else []
        if owner is not None:
            theirs = self.teams.get(owner, frozenset())
            home = [team] if team in theirs else sorted(theirs)
        found = [one for place in home for one in self.managers.get(place, ())]
        others = [one for one in found or self.managers.get(team, ()) if one != owner]
        above = [one for one in self.administrators if one != owner]
        return tuple(dict.fromkeys(others or above or self.administrators))

    def allowed(self, duty: Duty, people: Iterable[int]) -> tuple[int, ...]:
        """Those of them who may know of it; the administrators, where none of them may."""
        if duty.audience is None:
            return tuple(people)
        may = duty.audience | set(self.administrators)
        return tuple(one for one in people if one in may) or self.administrators


def on_or_after(calendar: WorkingCalendar, day: date) -> date:
    """The day itself if people work on it, else the next on which they do."""
    return _walk(calendar, day, 1) if not calendar.is_working_day(day) else day


def working_days_later(calendar: WorkingCalendar, day: date, count: int) -> date:
    """The `count`-th working day after (negative: before) `day`; the day itself for 0."""
    for _ in range(abs(count)):
        day = _walk(calendar, day, 1 if count > 0 else -1)
    return day


def _walk(calendar: WorkingCalendar, day: date, step: int) -> date:
    """The next working day in that direction; the next day where nobody ever works."""
    found = day
    for _ in range(LONGEST_SEARCH):
        found += timedelta(days=step)
        if calendar.is_working_day(found):
            return found
    return day + timedelta(days=step)


@dataclass(frozen=True)
class Round:
    """One team's work of one day."""

    team: int
    today: date
    calendar: WorkingCalendar
    crew: Crew
    grace: int = GRACE

    def tellings(self, duty: Duty) -> list[Told]:
        """What is to be told about this item today, and to whom, and has not been told before."""
        wanted = dict.fromkeys(
            (occasion, day, person)
            for occasion, day, people in self._due(duty)
            for person in self.crew.allowed(duty, people)
        )
        return [one for one in wanted if one not in duty.told]

    def _due(self, duty: Duty) -> Iterator[tuple[Occasion, date, tuple[int, ...]]]:
        if duty.suspected_on is not None:
            bosses = self.crew.managers_of(duty, self.team)
            yield Occasion.SUSPECTED, duty.suspected_on, (*self.crew.owners(duty), *bosses)
        if not duty.is_pending:
            yield from self._to_be_proven(duty)
        elif not self.crew.owners(duty):
            yield from self._unowned(duty)
        else:
            yield from self._to_be_done(duty)

    def _to_be_done(self, duty: Duty) -> Iterator[tuple[Occasion, date, tuple[int, ...]]]:
        owners, due = self.crew.owners(duty), on_or_after(self.calendar, duty.due_on)
        if self.today >= due:
            yield Occasion.DUE, duty.due_on, owners
        elif self.today >= working_days_later(self.calendar, due, -REMIND_BEFORE):
            yield Occasion.SOON, duty.due_on, owners
        if self._is_past_grace(due):
            yield Occasion.OVERDUE, duty.due_on, self.crew.managers_of(duty, self.team)

    def _unowned(self, duty: Duty) -> Iterator[tuple[Occasion, date, tuple[int, ...]]]:
        since = duty.waits_since or duty.due_on
        yield Occasion.UNOWNED, since, self.crew.managers_of(duty, self.team)
        if self._is_past_grace(on_or_after(self.calendar, since)):
            yield Occasion.UNCLAIMED, since, self.crew.administrators

    def _to_be_proven(self, duty: Duty) -> Iterator[tuple[Occasion, date, tuple[int, ...]]]:
        if duty.prove_on is None or self.today < duty.prove_on:
            return
        bosses = self.crew.managers_of(duty, self.team)
        yield Occasion.EVIDENCE, duty.prove_on, self.crew.owners(duty) or bosses
        if self._is_past_grace(on_or_after(self.calendar, duty.prove_on)):
            yield Occasion.UNPROVEN, duty.prove_on, bosses

    def _is_past_grace(self, due: date) -> bool:
        return self.today > working_days_later(self.calendar, due, self.grace)


def is_overdue(duty: Duty, calendar: WorkingCalendar, today: date) -> bool:
    """Its day is over; or it has no owner, which is overdue from the first day on."""
    if not duty.is_pending:
        return False
    is_unowned = duty.owner is None and duty.owning_team is None
    return is_unowned or today > on_or_after(calendar, duty.due_on)


def week_of(day: date) -> str:
    """Its ISO week, e.g. 2026-W10."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"
