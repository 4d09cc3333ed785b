"""What a document is composed of: all that is known of an incident, as plain values. Pure."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Entry:
    """An entry of the timeline as it was recorded."""

    id: int
    kind: str
    at: datetime
    by: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Mark:
    """What people say of an entry; without `entry`, one that they added themselves."""

    id: int
    entry: int | None
    belongs: bool
    at: datetime | None
    text: str
    by: str


@dataclass(frozen=True)
class Phase:
    """How long one phase took. `name` as in `core.figures`; None: not known, or not asked for."""

    name: str
    seconds: float | None
    target: float | None
    met: bool | None


@dataclass(frozen=True)
class Asked:
    """Somebody was paged. `level` None: outside the ladder."""

    at: datetime
    who: str
    level: int | None
    reason: str
    answered_at: datetime | None


@dataclass(frozen=True)
class Held:
    """Who had which role, from when until when."""

    role: str
    who: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Why:
    id: int
    parent: int | None
    ask: str
    answer: str
    position: int = 0


@dataclass(frozen=True)
class Action:
    """An action item; empty: not known. `why`: the answer that it comes from."""

    id: int
    title: str
    detail: str
    owner: str
    priority: str
    kind: str
    due_on: date | None
    state: str
    required: bool
    why: int | None = None
    evidence: str = ""


@dataclass(frozen=True)
class Step:
    """A post-incident step."""

    title: str
    due_at: datetime | None
    who: str
    done_at: datetime | None
    note: str = ""
    link: str = ""


@dataclass(frozen=True)
class Written:
    """What people wrote into a section."""

    key: str
    text: str


@dataclass(frozen=True)
class Slo:
    """The promise to customers, as the runbook gives it: a share in per cent of each window."""

    availability: Decimal
    window: timedelta

    @property
    def budget(self) -> timedelta:
        return self.window * float(100 - self.availability) / 100


@dataclass(frozen=True)
class Facts:
    """One incident, its review, and the sections that its runbook asks for."""

    reference: str
    title: str
    severity: str
    severity_label: str
    severity_meaning: str
    incident_type: str
    service: str
    team: str
    services: tuple[str, ...]
    runbook: str
    outcome: str
    is_drill: bool
    noticed_by: str
    milestones: dict[str, datetime]
    mitigation: str
    mitigation_kind: str
    resolution: str
    suspected_cause: str
    root_cause: str
    contributing_factors: str
    impact: str
    users_affected: int | None
    revenue_lost: Decimal | None
    currency: str
    data_lost: str
    downtime_minutes: int | None
    budget_minutes: Decimal | None
    slo: Slo | None
    entries: tuple[Entry, ...]
    marks: tuple[Mark, ...]
    phases: tuple[Phase, ...]
    asked: tuple[Asked, ...]
    roles: tuple[Held, ...]
    whys: tuple[Why, ...]
    actions: tuple[Action, ...]
    no_actions_reason: str
    steps: tuple[Step, ...]
    written: tuple[Written, ...]
    sections: tuple[str, ...]
    held_at: datetime | None
    facilitator: str
    attendees: tuple[str, ...]

    @property
    def began_at(self) -> datetime:
        """When it began; where that is not known, when it was noticed."""
        known = self.milestones
        return known.get("started") or known.get("detected") or known["declared"]

    @property
    def ended_at(self) -> datetime | None:
        """When it worked again; where nobody said, when it was resolved."""
        return self.milestones.get("recovered") or self.milestones.get("resolved")

    @property
    def minutes_down(self) -> float | None:
        """As somebody said; else for as long as it lasted."""
        if self.downtime_minutes is not None:
            return float(self.downtime_minutes)
        return None if self.lasted is None else self.lasted.total_seconds() / 60

    @property
    def lasted(self) -> timedelta | None:
        return None if self.ended_at is None else max(self.ended_at - self.began_at, timedelta())
