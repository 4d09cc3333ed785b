"""What the last weeks were like: how many incidents, and how long people took. Reads only."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from incidents.core.models import Incident, Severity
from incidents.core.models.incident import IncidentQuerySet
from incidents.insights.percentiles import percentile

DAYS = 30


@dataclass(frozen=True)
class Day:
    """How many incidents were declared on a day, by severity."""

    date: date
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Spread:
    """How long it took usually (p50) and on a bad day (p90), in seconds, of `count` incidents."""

    severity: str
    count: int
    p50: float
    p90: float


@dataclass(frozen=True)
class Recent:
    """What is pending is in no figure: `unanswered` and `unresolved` say of how many that is so."""

    days: list[Day]
    to_acknowledge: list[Spread]
    to_resolve: list[Spread]
    unanswered: int
    unresolved: int

    @property
    def total(self) -> int:
        return sum(day.total for day in self.days)

    @property
    def by_severity(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for day in self.days:
            counts.update(day.counts)
        return {severity: counts[severity] for severity in Severity.values if counts[severity]}


class _Row(NamedTuple):
    severity: str
    outcome: str
    declared_at: datetime
    detected_at: datetime | None
    acknowledged_at: datetime | None
    recovered_at: datetime | None
    resolved_at: datetime | None

    @property
    def begins_at(self) -> datetime:
        """From when core's figures count: detection."""
        return self.detected_at or self.declared_at

    @property
    def over_at(self) -> datetime | None:
        """Recovery ends the outage; until it is resolved it may relapse, and was not over."""
        return None if self.resolved_at is None else self.recovered_at or self.resolved_at


def recent(incidents: IncidentQuerySet, *, now: datetime, zone: tzinfo, days: int = DAYS) -> Recent:
    """Of the real ones among `incidents`, declared in the last `days` days of `zone`; one query.

    What turned out to be a false alarm or a duplicate counts as declared and as acknowledged;
    there was nothing to resolve.
    """
    today = now.astimezone(zone).date()
    first = today - timedelta(days=days - 1)
    since = datetime.combine(first, time(), tzinfo=zone)
    found = incidents.real().filter(declared_at__gte=since, declared_at__lte=now)
    rows = [_Row(*row) for row in found.values_list(*_Row._fields)]
    counts: dict[date, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row.declared_at.astimezone(zone).date()][row.severity] += 1
    calendar = [first + timedelta(days=number) for number in range(days)]
    real = [row for row in rows if row.outcome in {"", Incident.Outcome.RESOLVED}]
    return Recent(
        days=[Day(day, dict(counts[day])) for day in calendar],
        to_acknowledge=_spreads([(r.severity, r.begins_at, r.acknowledged_at) for r in rows]),
        to_resolve=_spreads([(r.severity, r.begins_at, r.over_at) for r in real]),
        unanswered=sum(row.acknowledged_at is None and row.resolved_at is None for row in rows),
        unresolved=sum(row.resolved_at is None for row in real),
    )


def _spreads(phases: Sequence[tuple[str, datetime, datetime | None]]) -> list[Spread]:
    """One for each severity of which at least one phase has ended."""
    lengths: dict[str, list[float]] = defaultdict(list)
    for severity, start, end in phases:
        if end is not None:
            lengths[severity].append(max((end - start).total_seconds(), 0.0))
    return [
        Spread(severity, len(known), percentile(known, 50) or 0.0, percentile(known, 90) or 0.0)
        for severity in Severity.values
        if (known := lengths.get(severity))
    ]
