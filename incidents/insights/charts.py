"""The last weeks as pictures: figures in, shapes out. Every picture says in words what it shows.

Shapes are in percent of a picture that is stretched to the width it gets; words stay outside of
it, so that they are as large on a phone as anywhere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from incidents.core.models import Severity
from incidents.insights.recent import Day, Recent, Spread
from incidents.insights.telling import Telling
from incidents.timers.wording import span

BAR = 0.72  # of a day's place
# Where the scale of durations has its marks: powers make minutes and days readable side by side.
SHORTEST, LONGEST = 10.0, 7 * 86_400.0
MARKS = [(60.0, "1 min"), (3_600.0, "1 h"), (86_400.0, "1 d")]


@dataclass(frozen=True)
class Box:
    """A piece of a bar: where it stands, and what a pointer or screen reader is told."""

    severity: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Column:
    """One day: its boxes from the bottom up, and what it says."""

    label: str
    boxes: list[Box]


@dataclass(frozen=True)
class Range:
    """One severity's row: from nothing to p50, and on to p90."""

    spread: Spread
    p50: float
    p90: float
    usually: str
    badly: str


def render(recent: Recent, teams: Sequence[Telling] = ()) -> SafeString:
    """The section of the cockpit; `teams`: how each kept its promises to tell people."""
    context = {
        "recent": recent,
        "teams": [(team, f"{team.share:.0%}") for team in teams],
        "columns": columns(recent.days),
        "most": most(recent.days),
        "said": bars_said(recent),
        "marks": [(round(place(seconds), 2), label) for seconds, label in MARKS],
        "tables": [
            ("Time to acknowledge", ranges(recent.to_acknowledge), recent.unanswered, "answer"),
            ("Time to resolve", ranges(recent.to_resolve), recent.unresolved, "end"),
        ],
        "first": recent.days[0].date,
        "middle": recent.days[len(recent.days) // 2].date,
        "last": recent.days[-1].date,
    }
    return render_to_string("insights/recent.html", context)


def most(days: Sequence[Day]) -> int:
    return max((day.total for day in days), default=0)


def columns(days: Sequence[Day]) -> list[Column]:
    """Stacked bars, the worst severity at the bottom; days without incidents have no boxes."""
    step, unit = 100 / max(len(days), 1), 100 / max(most(days), 1)
    found = []
    for number, day in enumerate(days):
        boxes, top = [], 100.0
        for severity in Severity.values:
            if count := day.counts.get(severity, 0):
                top -= count * unit
                x = step * (number + (1 - BAR) / 2)
                boxes.append(Box(severity, *_rounded(x, top, step * BAR, count * unit)))
        found.append(Column(f"{_day(day.date)}: {_counts(day.counts)}", boxes))
    return found


def ranges(spreads: Sequence[Spread]) -> list[Range]:
    return [
        Range(
            spread,
            p50=round(place(spread.p50), 2),
            p90=round(place(spread.p90), 2),
            usually=span(spread.p50, seconds=True),
            badly=span(spread.p90, seconds=True),
        )
        for spread in spreads
    ]


def place(seconds: float) -> float:
    """Where a duration stands on the scale, in percent; each mark is a power away."""
    clamped = min(max(seconds, SHORTEST), LONGEST)
    return 100 * math.log(clamped / SHORTEST) / math.log(LONGEST / SHORTEST)


def bars_said(recent: Recent) -> str:
    """The bars in one sentence, for whoever cannot see them."""
    if not recent.total:
        return f"No incidents in {len(recent.days)} days."
    worst = max(recent.days, key=lambda day: day.total)
    return (
        f"{_counts(recent.by_severity)} in {len(recent.days)} days; "
        f"most on {_day(worst.date)}, {worst.total}."
    )


def _counts(counts: dict[str, int]) -> str:
    told = [f"{counts[severity]} {severity}" for severity in Severity.values if severity in counts]
    return ", ".join(told) or "none"


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


def _rounded(*values: float) -> list[float]:
    return [round(value, 2) for value in values]
