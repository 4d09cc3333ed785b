"""Who is asked next. Decides from what it is given; knows no database and no clock."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

UNREACHABLE = "none of its people has a verified way to be reached"


@dataclass(frozen=True)
class Rung:
    """One level, with the ids of the people whom it means at this moment, in order.

    `people` None: nobody has looked yet. `absence` says why, where there are none.
    """

    level: int
    timeout: timedelta
    people: tuple[int, ...] | None = ()
    absence: str = ""


@dataclass(frozen=True)
class Ladder:
    """All levels of a policy in order. `fault`: why nobody can be asked by this policy at all."""

    rungs: tuple[Rung, ...] = ()
    repeats: int = 0
    fault: str = ""

    @property
    def cycles(self) -> int:
        """How often the whole ladder is climbed."""
        return self.repeats + 1


@dataclass(frozen=True)
class Place:
    """Where on the ladder an incident stands; level 0 is the ground before the first one."""

    cycle: int = 1
    level: int = 0


@dataclass(frozen=True)
class Skip:
    """A level that had nobody to ask."""

    place: Place
    why: str


@dataclass(frozen=True)
class Decision:
    """Ask `people` at `place` and come back at `due_at`; or, where `exhausted` says why, give up.

    `skipped`: the levels on the way that had nobody. `unknown`: it depends on a level of which
    nobody knows yet whom it means; nothing is decided.
    """

    place: Place
    people: tuple[int, ...] = ()
    due_at: datetime | None = None
    skipped: tuple[Skip, ...] = ()
    exhausted: str = ""
    unknown: bool = False


def decide(
    place: Place, ladder: Ladder, now: datetime, *, unreachable: Collection[int] = ()
) -> Decision:
    """The step after `place`: the next level that has somebody, skipping at once those without.

    The due time counts from `now`, the moment of the step itself, so that after an outage one
    step follows and not a burst of missed ones.
    """
    if ladder.fault:
        return Decision(place, exhausted=ladder.fault)
    skipped: list[Skip] = []
    for ahead, rung in _ahead(place, ladder):
        if rung.people is None:
            return Decision(place, unknown=True)
        people = tuple(person for person in rung.people if person not in unreachable)
        if people:
            return Decision(ahead, people, now + rung.timeout, tuple(skipped))
        skipped.append(Skip(ahead, rung.absence or UNREACHABLE))
    if len(skipped) == len(ladder.rungs):
        why = "nobody on any level of its escalation policy can be reached"
    else:
        times = "" if ladder.cycles == 1 else f" {ladder.cycles} times"
        why = f"every level was asked{times} and nobody acknowledged"
    return Decision(place, skipped=tuple(skipped), exhausted=why)


def next_level(place: Place, levels: Iterable[int]) -> int | None:
    """The level that comes after `place`, whoever may be on it; None where there are no levels."""
    ordered = sorted(levels)
    return next((level for level in ordered if level > place.level), next(iter(ordered), None))


def _ahead(place: Place, ladder: Ladder) -> Iterator[tuple[Place, Rung]]:
    """What comes after `place`: the rest of its cycle, then the next, one full lap at most."""
    for rung in ladder.rungs:
        if rung.level > place.level:
            yield Place(place.cycle, rung.level), rung
    if place.cycle < ladder.cycles:
        for rung in ladder.rungs:
            if rung.level <= place.level:
                yield Place(place.cycle + 1, rung.level), rung
