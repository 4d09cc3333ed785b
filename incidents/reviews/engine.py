"""When people hear of what is due after an incident. Decides; knows no database and no clock.

Whoever is to do it is told beforehand and when it is due; a day later their managers, and then all
of them once a week, until it is done. People are told of it in working hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from incidents.core.calendar import WorkingCalendar
from incidents.reviews.section import Reviews

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
LEAD = DAY  # told before it is due; of what is due soon, after half of the time
GRACE = DAY
AGAIN = timedelta(weeks=1)
ON_REQUEST = timedelta(
    days=5
)  # for a review that somebody asks for, where the runbook says nothing
DAYS_TO_PUBLISH = 2
DAYS_TO_CLOSE = 5


class Stage(StrEnum):
    """What people are told when the moment has come."""

    SOON = "soon"
    DUE = "due"
    OVERDUE = "overdue"


@dataclass(frozen=True)
class Alarm:
    """What happens next about something that is due by `deadline`; `turn`: the how manieth time."""

    stage: Stage
    at: datetime
    deadline: datetime
    turn: int = 1


def reachable(calendar: WorkingCalendar, at: datetime) -> datetime:
    """`at`, or when people work again after it. The very end of a day is still in it."""
    for opens, closes in calendar.windows(at - MOMENT):
        return at if closes == at else max(opens, at)
    return at


def deadline(calendar: WorkingCalendar, start: datetime, within: timedelta) -> datetime:
    """`within` after `start`. Where that is no working day: the end of the next one.

    What is due within less than a day is for whoever has just been at work, whatever day it is.
    """
    at = start + within
    if within < DAY or calendar.is_working_day(calendar.day_of(at)):
        return at
    return calendar.close_of_business(at)


def window(
    section: Reviews, severity: str, calendar: WorkingCalendar, start: datetime
) -> tuple[datetime | None, datetime]:
    """From when, and until when, the review of an incident is to be held that ended at `start`."""
    rule = section.rule_for(severity)
    earliest = start + rule.earliest if rule and rule.earliest else None
    latest = rule.latest if rule else None
    return earliest, deadline(calendar, start, latest or ON_REQUEST)


def begin(calendar: WorkingCalendar, *, start: datetime, due_at: datetime, now: datetime) -> Alarm:
    """What happens first about something that was begun at `start` and is due by `due_at`."""
    if due_at - start < DAY:
        return Alarm(Stage.DUE, max(due_at, now), due_at)
    soon = reachable(calendar, due_at - min(LEAD, (due_at - start) / 2))
    if now < soon < due_at:
        return Alarm(Stage.SOON, soon, due_at)
    return Alarm(Stage.DUE, max(reachable(calendar, due_at), now), due_at)


def follow(calendar: WorkingCalendar, alarm: Alarm) -> Alarm:
    """What happens after `alarm`, as long as it is not done."""
    if alarm.stage == Stage.SOON:
        return Alarm(Stage.DUE, reachable(calendar, alarm.deadline), alarm.deadline)
    if alarm.stage == Stage.DUE:
        at = reachable(calendar, max(alarm.deadline, alarm.at) + GRACE)
        return Alarm(Stage.OVERDUE, at, alarm.deadline)
    at = reachable(calendar, alarm.at + AGAIN)
    return Alarm(Stage.OVERDUE, at, alarm.deadline, alarm.turn + 1)


def to_publish_by(calendar: WorkingCalendar, held_at: datetime) -> datetime:
    return calendar.close_of_business(held_at, days=DAYS_TO_PUBLISH)


def to_close_by(
    calendar: WorkingCalendar, published_at: datetime, waits_for: Sequence[datetime]
) -> datetime:
    """A working day after the last thing that it waits for; where there is none, within a week."""
    patient = calendar.close_of_business(published_at, days=DAYS_TO_CLOSE)
    last = max(waits_for, default=None)
    if last is None or last < published_at:
        return patient
    return calendar.close_of_business(last)
