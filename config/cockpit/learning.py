"""What was learned and is not done yet: reviews that are due, overdue items, what holds."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from incidents.core.models import Incident
from incidents.reviews import services as reviews
from incidents.reviews.models import ActionItem, Review, ReviewState

MOST = 10
WAITING = [ReviewState.DUE, ReviewState.SCHEDULED, ReviewState.HELD, ReviewState.PUBLISHED]


@dataclass(frozen=True)
class Line:
    """A team: what it has to do, and how much of what it did holds."""

    team: str
    team_id: int | None
    open: int
    overdue: int
    unowned: int
    age: int
    prevention: reviews.Prevention | None

    @property
    def share(self) -> str:
        """Of what was to prevent something: how much holds, e.g. "92 %"; empty: nothing yet."""
        found = self.prevention.share if self.prevention else None
        return "" if found is None else f"{round(found * 100)} %"


@dataclass(frozen=True)
class Learning:
    """`reviews`: those that are not over, the first due first. `has_more`: there are others."""

    reviews: list[Review]
    has_more: bool
    lines: list[Line]
    suspected: int
    now: datetime

    @property
    def is_empty(self) -> bool:
        return not self.reviews and not self.lines


def learning(user: Any, now: datetime) -> Learning:
    """What this person may see of it; four queries. Drills do not count."""
    waiting = Review.objects.visible_to(user).real().filter(state__in=WAITING, suspended_at=None)
    rows = list(waiting.with_context().order_by("latest_at", "pk")[: MOST + 1])
    items = ActionItem.objects.visible_to(user).real()
    return Learning(
        rows[:MOST],
        len(rows) > MOST,
        _lines(user, items, now.date()),
        items.filter(is_suspected=True).count(),
        now,
    )


def _lines(user: Any, items: Any, today: date) -> list[Line]:
    """Teams with something to do, the longest overdue first; then those with figures only."""
    held = reviews.prevention_by_team(Incident.objects.visible_to(user))
    lines = [
        Line(
            team=one.team,
            team_id=one.team_id,
            open=one.open,
            overdue=one.overdue,
            unowned=one.unowned,
            age=one.age(today),
            prevention=held.pop(one.team, None),
        )
        for one in reviews.backlog_by_team(items, today)
    ]
    return lines + [Line(team, None, 0, 0, 0, 0, prevention) for team, prevention in held.items()]
