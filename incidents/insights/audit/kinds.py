"""What an invariant is, what breaks it, and how far a look goes back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from incidents.core.models import Incident, Kind, TimelineEntry

MOST_OFFENCES = 200
STEPS = (Kind.PAGED, Kind.TICKETED, Kind.LEVEL_SKIPPED, Kind.EXHAUSTED)
LATE = timedelta(seconds=10)
_PLACE = ("data__epoch", "data__cycle", "data__level")
_HELPS = "data__helps"


@dataclass(frozen=True)
class Offence:
    """One row that breaks an invariant: what it is, e.g. "incident:7", and what is wrong."""

    subject: str
    what: str


@dataclass(frozen=True, slots=True)
class Told:
    """A step on a timeline: somebody was asked, passed over, or nobody was left.

    `place`: cycle and level; zeros where it is no level. `by_itself`: the time to answer had
    passed; nobody, and no rule, asked for help to whoever has it.
    """

    incident: int
    kind: str
    at: datetime
    by_itself: bool
    epoch: int
    place: tuple[int, int]


@dataclass
class Scope:
    """What one audit looks at: every open incident, and those whose story went on after `since`.

    `since` is the id of a timeline entry; None: everything there ever was. `late`: how long after
    its due moment something may still wait, beyond the lease of an engine that died.
    """

    now: datetime
    since: int | None = None
    late: timedelta = LATE

    @cached_property
    def touched(self) -> list[int] | None:
        """Ids of these incidents; None: all. Two queries, both answered by an index."""
        if self.since is None:
            return None
        going = Incident.objects.without_canary().open().values_list("pk", flat=True)
        told = TimelineEntry.objects.filter(pk__gt=self.since).values_list("incident_id", flat=True)
        # Not DISTINCT in the database, which would then read the index of all there ever was.
        return sorted({*going, *told})

    def of_touched(self, path: str = "incident") -> Q:
        """A condition on rows whose `path` leads to such an incident."""
        return Q() if self.touched is None else Q(**{f"{path}__in": self.touched})

    @property
    def incidents(self) -> QuerySet[Incident]:
        return Incident.objects.without_canary().filter(self.of_touched("pk"))

    @cached_property
    def steps(self) -> list[Told]:
        """Who was asked when, in the order in which it was written down."""
        rows = TimelineEntry.objects.filter(self.of_touched(), kind__in=STEPS).order_by("pk")
        facts = rows.values_list("incident_id", "kind", "at", "actor_id", _HELPS, *_PLACE)
        return [
            Told(pk, kind, at, not (actor or helps), epoch or 0, (cycle or 0, level or 0))
            for pk, kind, at, actor, helps, epoch, cycle, level in facts.iterator()
        ]

    @property
    def timers_due_before(self) -> datetime:
        """Whoever held them has had its lease, and the others their time."""
        return self.now - self.late - settings.TIMER_LEASE

    @property
    def deliveries_due_before(self) -> datetime:
        return self.now - self.late - settings.DELIVERY_LEASE


@dataclass(frozen=True)
class Invariant:
    """Something that always holds: its name, a sentence, how to find what breaks it, what to do.

    `find` gives at most about 200 offences. `is_queue`: many rows have one cause, e.g. a queue that
    stands still, and are told as one.
    """

    name: str
    title: str
    sentence: str
    advice: str
    find: Callable[[Scope], Iterable[Offence]]
    is_queue: bool = False


@dataclass(frozen=True)
class Finding:
    """An invariant that does not hold, or could not be looked at (`error`)."""

    name: str
    title: str
    sentence: str
    advice: str
    offences: list[Offence] = field(default_factory=list)
    error: str = ""
    is_queue: bool = False

    @property
    def keys(self) -> list[str]:
        """By which it is recognised when it is found again."""
        if self.error or self.is_queue:
            return [self.name]
        return [f"{self.name} {offence.subject}" for offence in self.offences]

    @property
    def count(self) -> str:
        many = len(self.offences)
        return f"{many} or more" if many >= MOST_OFFENCES else str(many)

    def as_dict(self, *, most: int = 20) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "sentence": self.sentence,
            "advice": self.advice,
            "error": self.error,
            "count": len(self.offences),
            "keys": self.keys[:MOST_OFFENCES],
            "offences": [[one.subject, one.what] for one in self.offences[:most]],
        }
