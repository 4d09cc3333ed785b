"""When the next update is due and what happens then. Decides; knows no database and no clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from incidents.comms.section import Communication, CustomerRule


class Stage(StrEnum):
    """What a timer of an update does when its moment comes."""

    REMIND = "remind"
    MISS = "miss"


@dataclass(frozen=True)
class Rhythm:
    """An update `every` so often; `remind` before it, and `missed` after it, somebody hears of it.

    `missed` None: nobody is paged for it, however late it is.
    """

    every: timedelta
    remind: timedelta = timedelta()
    missed: timedelta | None = None


@dataclass(frozen=True)
class Alarm:
    """What happens next about an update that is due at `due_at`."""

    stage: Stage
    at: datetime
    due_at: datetime


def rhythm_of(
    section: Communication,
    *,
    audience: str,
    severity: str,
    incident_type: str,
    of_type: timedelta | None = None,
    otherwise: timedelta | None = None,
) -> Rhythm | None:
    """The first entry that fits, one that names the type before one that does not.

    `of_type`: how often the type itself wants it, unless an entry names the type. `otherwise`: how
    often where the runbook has no entry; None: there is no rhythm then.
    """
    fitting = [
        entry
        for entry in section.cadence
        if entry.audience == audience
        and (not entry.severities or severity in entry.severities)
        and (not entry.types or incident_type in entry.types)
    ]
    fitting.sort(key=lambda entry: not entry.types)
    if not fitting:
        every = of_type or otherwise
        return Rhythm(every) if every else None
    entry = fitting[0]
    every = entry.every if entry.types else of_type or entry.every
    # Of a longer rhythm: told when it is due, then, rather than at once.
    remind = entry.remind if entry.remind < every else timedelta()
    return Rhythm(every, remind, entry.missed)


def customer_rule(
    section: Communication, *, severity: str, users_affected: int | None
) -> CustomerRule | None:
    """The rule by which customers are told of such an incident; None: none asks for it."""
    for rule in section.customers:
        if rule.severities and severity not in rule.severities:
            continue
        if rule.when == "always" or (users_affected or 0) > rule.when.users_over:
            return rule
    return None


def begin(rhythm: Rhythm, due_at: datetime, now: datetime) -> Alarm:
    """What happens first about an update that is due at `due_at`."""
    return Alarm(Stage.REMIND, max(due_at - rhythm.remind, now), due_at)


def follow(rhythm: Rhythm, alarm: Alarm, now: datetime) -> Alarm | None:
    """What happens after `alarm`. None: the promise was broken, and a new one is to be made.

    Where nobody is paged, the reminder comes again and again.
    """
    if alarm.stage == Stage.MISS:
        return None
    if rhythm.missed is None:
        return Alarm(Stage.REMIND, max(now, alarm.due_at) + rhythm.every, alarm.due_at)
    return Alarm(Stage.MISS, max(alarm.due_at + rhythm.missed, now), alarm.due_at)


def moved(rhythm: Rhythm, *, base: datetime, promised: datetime | None, now: datetime) -> datetime:
    """When an update is due after the rhythm changed. `base`: the last one, or the declaration.

    Never sooner than the new rhythm allows from now on, and not later than was promised, unless
    the new rhythm gives more time.
    """
    latest = now + rhythm.every
    return max(base + rhythm.every, min(promised, latest) if promised else latest)


@dataclass(frozen=True)
class Quality:
    """How well promises to tell people were kept: `share` of 0 to 1, None where none was made."""

    on_time: int = 0
    late: int = 0
    missed: int = 0

    @property
    def share(self) -> float | None:
        promised = self.on_time + self.late + self.missed
        return self.on_time / promised if promised else None


def quality(on_time: Iterable[bool | None], missed: int = 0) -> Quality:
    """Of the updates (each on time, late, or not promised at all) and how many never came."""
    told = list(on_time)
    return Quality(told.count(True), told.count(False), missed)
