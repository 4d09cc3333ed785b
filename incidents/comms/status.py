"""The public page as facts: components, what is open, what is over, and 90 days of history.

Made of components and of what was written for outside, and of nothing else: no title, no timeline,
no person, no drill, nothing private. The same five queries, however much there is.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Exists, OuterRef, Prefetch, Q, Subquery

from incidents.comms.models import Component, Occasion, StatusUpdate
from incidents.comms.wording import spoken
from incidents.core.models import Incident, Kind, Severity, Status, TimelineEntry
from incidents.timers import clock

HISTORY_DAYS = 90
MOST_PAST = 50

# Worst first: the state's name, what it is called, and how it is shown.
STATES = {
    "major_outage": "Major outage",
    "partial_outage": "Partial outage",
    "degraded": "Degraded performance",
    "operational": "Operational",
}
_BY_SEVERITY = {
    Severity.SEV1: "major_outage",
    Severity.SEV2: "partial_outage",
    Severity.SEV3: "degraded",
    Severity.SEV4: "degraded",
}
_OVERALL = {
    "major_outage": "There is a major outage",
    "partial_outage": "Some systems are disrupted",
    "degraded": "Some systems are slow or faulty",
    "operational": "All systems operational",
}
_RANK = list(STATES)


@dataclass(frozen=True)
class Told:
    """One external update: the word for the state, the text, and when."""

    status: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Affair:
    """An incident as the public knows it. `updates` newest first; `ended_at` None: it is open."""

    public_id: str
    headline: str
    state: str
    components: tuple[str, ...]
    services: frozenset[int]
    started_at: datetime
    ended_at: datetime | None
    updates: tuple[Told, ...]

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    @property
    def state_name(self) -> str:
        return STATES[self.state]

    @property
    def duration(self) -> str:
        return spoken((self.ended_at or self.started_at) - self.started_at)


@dataclass(frozen=True)
class Day:
    """One day of one component: its worst state, "" before it was shown here."""

    date: date
    state: str
    affairs: int = 0

    @property
    def told(self) -> str:
        """E.g. "2 Mar 2026: Major outage (2 incidents)"."""
        day = f"{self.date.day} {self.date:%b %Y}"
        if not self.state:
            return f"{day}: no record"
        if not self.affairs:
            return f"{day}: no incident"
        return f"{day}: {STATES[self.state]} ({self.affairs} incident{'s'[: self.affairs - 1]})"


@dataclass(frozen=True)
class Shown:
    """A component with its present state and its history, oldest day first."""

    id: int
    name: str
    description: str
    group: str
    state: str
    days: tuple[Day, ...] = ()

    @property
    def state_name(self) -> str:
        return STATES[self.state]

    @property
    def summary(self) -> str:
        """The history in one sentence, for those who cannot see the bars."""
        bad = [day for day in self.days if day.affairs]
        recorded = sum(1 for day in self.days if day.state)
        if not bad:
            return f"No incidents in the last {recorded} days."
        days = f"{len(bad)} of the last {recorded} days"
        return f"Incidents on {days}: {'; '.join(day.told for day in bad)}."


@dataclass(frozen=True)
class Page:
    """Everything that is shown. `at`: when it was read."""

    at: datetime
    state: str
    components: Sequence[Shown] = ()
    open: Sequence[Affair] = ()
    past: Sequence[Affair] = ()

    @property
    def headline(self) -> str:
        return _OVERALL[self.state]

    @property
    def groups(self) -> list[tuple[str, list[Shown]]]:
        """Components under their headings, in the order of the first of each."""
        found: dict[str, list[Shown]] = defaultdict(list)
        for component in self.components:
            found[component.group].append(component)
        return list(found.items())

    @property
    def affairs(self) -> list[Affair]:
        return [*self.open, *self.past]

    def affair(self, public_id: str) -> Affair | None:
        return next((one for one in self.affairs if one.public_id == public_id), None)


def read() -> Page:
    """The page as it stands now."""
    now = clock.now()
    components = list(Component.objects.shown())
    names = {component.service_id: component.name for component in components}
    affairs = [_affair(incident, names) for incident in _incidents(now)]
    affairs.sort(key=lambda one: one.started_at, reverse=True)
    shown = tuple(_component(component, affairs, now) for component in components)
    ongoing = [one for one in affairs if one.is_open]
    states = [*(one.state for one in ongoing), "operational"]
    return Page(
        at=now,
        state=min(states, key=_RANK.index),
        components=shown,
        open=ongoing,
        past=[one for one in affairs if not one.is_open][:MOST_PAST],
    )


def _incidents(now: datetime) -> Iterable[Incident]:
    """Real ones that outside was told of, which are open or were in the last 90 days."""
    updates = StatusUpdate.objects.external().order_by("-at", "-pk")
    told = StatusUpdate.objects.external().filter(incident=OuterRef("pk"))
    reopened = TimelineEntry.objects.filter(incident=OuterRef("pk"), kind=Kind.REOPENED)
    since = now - timedelta(days=HISTORY_DAYS)
    return (
        Incident.objects.real()
        .without_canary()
        .filter(Exists(told), is_private=False, public__isnull=False)
        .filter(Q(resolved_at=None) | Q(resolved_at__gte=since))
        .annotate(reopened_at=Subquery(reopened.order_by("-at").values("at")[:1]))
        .select_related("public")
        .prefetch_related("affected_services", Prefetch("updates", updates, to_attr="told"))
    )


def _affair(incident: Incident, names: dict[int, str]) -> Affair:
    hurt = [incident.service_id, *(one.pk for one in incident.affected_services.all())]
    public = incident.public
    told: list[StatusUpdate] = incident.told  # type: ignore[attr-defined]
    updates = [Told(one.status, one.public_text, one.at) for one in told]
    ended = incident.resolved_at
    said_over = told[0].occasion in _OVER  # what was said before it was reopened counts no more
    again: datetime | None = incident.reopened_at  # type: ignore[attr-defined]
    if ended is not None and not said_over:
        updates.insert(0, Told("Resolved", "This incident has been resolved.", ended))
    elif ended is None and said_over and again is not None:
        text = "This incident is not over after all. We are looking into it again."
        updates.insert(0, Told(Status.INVESTIGATING.label, text, again))
    return Affair(
        public_id=public.public_id,
        headline=public.headline,
        state=_BY_SEVERITY[Severity(incident.severity)],
        components=tuple(names[pk] for pk in dict.fromkeys(hurt) if pk in names),
        services=frozenset(hurt),
        started_at=min(incident.started_at or incident.clock_starts_at, told[-1].at),
        ended_at=ended,
        updates=tuple(updates),
    )


_OVER = {Occasion.RESOLUTION, Occasion.ALL_CLEAR, Occasion.APOLOGY}


def _component(component: Component, affairs: Sequence[Affair], now: datetime) -> Shown:
    mine = [one for one in affairs if component.service_id in one.services]
    states = [one.state for one in mine if one.is_open]
    today, since = now.date(), component.since.date()
    days = [today - timedelta(days=back) for back in reversed(range(HISTORY_DAYS))]
    return Shown(
        id=component.pk,
        name=component.name,
        description=component.description,
        group=component.group,
        state=min([*states, "operational"], key=_RANK.index),
        days=tuple(_day(day, mine, day >= since, now) for day in days),
    )


def _day(day: date, affairs: Sequence[Affair], is_recorded: bool, now: datetime) -> Day:
    there = [one for one in affairs if one.started_at.date() <= day <= (one.ended_at or now).date()]
    if not there:
        return Day(day, "operational" if is_recorded else "")
    return Day(day, min((one.state for one in there), key=_RANK.index), len(there))
