"""The timeline of a document: what belongs, corrected times, added entries, gaps. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from incidents.core.models import Kind
from incidents.reviews.document.facts import Entry, Facts, Mark
from incidents.timers.wording import span

# What belongs unless somebody says otherwise: what people did and learned, what went wrong.
BELONG = frozenset(
    {
        *(Kind.DECLARED, Kind.ACKNOWLEDGED, Kind.UNACKNOWLEDGED, Kind.ACKNOWLEDGEMENT_EXPIRED),
        *(Kind.IDENTIFIED, Kind.MITIGATING, Kind.RECOVERED, Kind.RELAPSED, Kind.RESOLVED),
        *(Kind.DISMISSED, Kind.REOPENED, Kind.MERGED, Kind.OVERRIDDEN, Kind.SEVERITY_CHANGED),
        *(Kind.NOTE, Kind.TARGET_MISSED, Kind.PAGE_FAILED, Kind.ESCALATED, Kind.EXHAUSTED),
        *(Kind.UPDATE_PUBLISHED, Kind.UPDATE_MISSED, Kind.CUSTOMERS_DECLINED, Kind.ATTESTED),
        *(Kind.IMPACT_RECORDED, Kind.ROLE_ASSIGNED, Kind.JOINED, Kind.IMPORTED),
    }
)
# The milestone that an entry of each kind is about: corrected later, its entry moves with it.
MILESTONES = {
    Kind.ACKNOWLEDGED: "acknowledged",
    Kind.IDENTIFIED: "identified",
    Kind.MITIGATING: "mitigating",
    Kind.RECOVERED: "recovered",
    Kind.RESOLVED: "resolved",
}
# Longer than this without a word is pointed out, while it lasts.
SILENCE = {
    "SEV1": timedelta(minutes=15),
    "SEV2": timedelta(minutes=30),
    "SEV3": timedelta(hours=2),
    "SEV4": timedelta(hours=8),
}
SAME = timedelta(seconds=1)


@dataclass(frozen=True)
class Row:
    """An entry as the document has it. `was`: the recorded time, where it was corrected.

    `entry` None and `mark` None: from a milestone that no entry tells of.
    """

    at: datetime
    kind: str
    text: str
    by: str
    belongs: bool
    entry: int | None = None
    mark: int | None = None
    was: datetime | None = None


@dataclass(frozen=True)
class Gap:
    """Nothing is written down from `after` to `until`."""

    after: datetime
    until: datetime

    @property
    def lasted(self) -> timedelta:
        return self.until - self.after


def rows_of(facts: Facts) -> list[Row]:
    """Every entry in the order of the (corrected) times, also those that do not belong."""
    marks = {mark.entry: mark for mark in facts.marks if mark.entry is not None}
    moved = _moved(facts)
    rows = [
        _row(entry, marks.get(entry.id), moved.get(entry.id, entry.at), facts)
        for entry in facts.entries
    ]
    added = [
        Row(mark.at, Kind.NOTE, mark.text, mark.by, mark.belongs, mark=mark.id)
        for mark in facts.marks
        if mark.entry is None and mark.at is not None
    ]
    beginning = _beginning(facts, rows)
    return sorted([*beginning, *rows, *added], key=lambda row: row.at)


def told(facts: Facts) -> list[Row]:
    """What the document tells."""
    return [row for row in rows_of(facts) if row.belongs]


def _row(entry: Entry, mark: Mark | None, at: datetime, facts: Facts) -> Row:
    resolved = facts.milestones.get("resolved")
    over = resolved is not None and at > resolved + SAME
    belongs = entry.kind in BELONG and not over
    # What the cause was is told in a section of its own.
    text = "Resolved." if entry.kind == Kind.RESOLVED else entry.text
    if mark is not None:
        belongs, at, text = mark.belongs, mark.at or at, mark.text or text
    was = entry.at if abs(at - entry.at) >= SAME else None
    mark_id = mark.id if mark else None
    return Row(at, entry.kind, text, entry.by, belongs, entry.id, mark_id, was)


def _moved(facts: Facts) -> dict[int, datetime]:
    """Entry → where its milestone was put afterwards; the last entry of a kind is the one meant."""
    last = {entry.kind: entry for entry in facts.entries if entry.kind in MILESTONES}
    corrected = {
        entry.data.get("milestone")
        for entry in facts.entries
        if entry.kind == Kind.MILESTONE_CORRECTED
    }
    return {
        entry.id: facts.milestones[name]
        for kind, entry in last.items()
        if (name := MILESTONES[Kind(kind)]) in corrected and name in facts.milestones
    }


def _beginning(facts: Facts, rows: Sequence[Row]) -> list[Row]:
    """It began, it was noticed: nobody was there to write that down."""
    known, first = facts.milestones, min((row.at for row in rows), default=None)
    found = []
    if "started" in known:
        found.append(Row(known["started"], "started", "It began.", "", belongs=True))
    if "detected" in known and (first is None or abs(known["detected"] - first) >= SAME):
        by = f" by {facts.noticed_by}" if facts.noticed_by else ""
        found.append(Row(known["detected"], "detected", f"Noticed{by}.", "", belongs=True))
    return found


def gaps(rows: Iterable[Row], facts: Facts) -> list[Gap]:
    """Silences of what is told that are too long for the severity, from beginning to end."""
    begin, end = facts.began_at, facts.ended_at
    if end is None:
        return []
    inside = [row.at for row in rows if begin <= row.at <= end]
    moments = sorted({begin, *inside, end})
    longest = SILENCE[facts.severity]
    return [Gap(one, other) for one, other in pairwise(moments) if other - one > longest]


def missing(facts: Facts) -> list[str]:
    """What the timeline should say and nobody has written down."""
    known = facts.milestones
    said = {
        "started": "It is not known when it began: the graphs show it; correct the milestone.",
        "acknowledged": "Nobody acknowledged it.",
        "identified": "It is not known when the cause was found.",
        "mitigating": "It is not known when the mitigation began.",
        "recovered": "It is not known when it worked again.",
    }
    return [text for name, text in said.items() if name not in known]


def gap_text(gap: Gap) -> str:
    return f"Nothing is written down for {span(gap.lasted)}."
