"""What is open: each incident with its age, who has it, what happens next, what was missed."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from incidents.core.models import (
    Incident,
    IncidentRole,
    Kind,
    RoleAssignment,
    Severity,
    TimelineEntry,
    User,
)
from incidents.timers import engine
from incidents.timers.models import Timer

MOST = 50
TARGET = "core.target"
# What asks people, or begins to ask them again: an incident that nobody has always has one.
STEPS = ("escalation.", "core.snooze_end")
INCIDENT = Incident._meta.label_lower


@dataclass(frozen=True)
class Coming:
    """Something that will happen by itself."""

    what: str
    due_at: datetime

    @classmethod
    def of(cls, timer: Timer) -> "Coming":
        return cls(engine.describe(timer), timer.due_at)


@dataclass
class Line:
    """One open incident as the cockpit shows it."""

    incident: Incident
    commander: User | None = None
    step: Coming | None = None
    target: Coming | None = None
    missed: list[str] = field(default_factory=list)

    @property
    def is_stranded(self) -> bool:
        """Nobody has it and nothing will happen: the one thing that must never be."""
        return not self.incident.is_acknowledged and self.step is None

    @property
    def is_exhausted(self) -> bool:
        escalation = getattr(self.incident, "escalation", None)
        return escalation is not None and escalation.state == escalation.State.EXHAUSTED


@dataclass(frozen=True)
class Overview:
    """The open incidents, worst and oldest first; `last`: the latest, where none is open."""

    lines: list[Line]
    has_more: bool
    last: Incident | None

    @property
    def unacknowledged(self) -> int:
        return sum(not line.incident.is_acknowledged for line in self.lines)

    @property
    def by_severity(self) -> list[tuple[str, int]]:
        found = [line.incident.severity for line in self.lines]
        return [(name, found.count(name)) for name in Severity.values if name in found]


def overview(user: Any) -> Overview:
    """What this person may see of what is open; five queries."""
    visible = Incident.objects.visible_to(user)
    wanted = visible.open().with_context().select_related("escalation")
    rows = list(wanted.order_by("severity", "declared_at", "pk")[: MOST + 1])
    if not rows:
        return Overview([], False, visible.real().order_by("-declared_at", "-pk").first())
    lines = {incident.pk: Line(incident) for incident in rows[:MOST]}
    _add_commanders(lines)
    _add_what_comes(lines)
    _add_what_was_missed(lines)
    return Overview(list(lines.values()), len(rows) > MOST, None)


def _add_commanders(lines: dict[int, Line]) -> None:
    held = RoleAssignment.objects.filter(
        incident__in=lines, role=IncidentRole.COMMANDER, until=None
    )
    for assignment in held.select_related("user"):
        lines[assignment.incident_id].commander = assignment.user


def _add_what_comes(lines: dict[int, Line]) -> None:
    pending = Timer.objects.pending().filter(subject_type=INCIDENT, subject_id__in=lines)
    for timer in pending.order_by("due_at", "pk"):
        line = lines[timer.subject_id]
        if timer.kind == TARGET:
            line.target = line.target or Coming.of(timer)
        elif timer.kind.startswith(STEPS):
            line.step = line.step or Coming.of(timer)


def _add_what_was_missed(lines: dict[int, Line]) -> None:
    told = TimelineEntry.objects.filter(incident__in=lines, kind=Kind.TARGET_MISSED)
    missed: dict[int, dict[str, None]] = defaultdict(dict)
    for incident, data in told.order_by("pk").values_list("incident_id", "data"):
        missed[incident][data.get("target", "a target")] = None
    for incident, names in missed.items():
        lines[incident].missed = list(names)
