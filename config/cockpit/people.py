"""Who is on call now and next, and when nobody will be."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from incidents.core.models import Team, User
from incidents.notifications import services as notifications
from incidents.oncall import services as oncall
from incidents.oncall.models import Schedule
from incidents.oncall.services import Turn

AHEAD = timedelta(days=14)
MOST = 100


@dataclass(frozen=True)
class Watch:
    """One schedule: who has it until when, who then, and when nobody does."""

    schedule: Schedule
    teams: list[Team]
    now: Turn
    next: Turn | None
    gaps: list[Turn]
    is_unreachable: bool

    @property
    def gap(self) -> Turn | None:
        """The first time ahead that nobody covers."""
        return next((gap for gap in self.gaps if gap.start > self.now.start), None)


@dataclass(frozen=True)
class Roster:
    """Every schedule; `unwatched`: teams that own services and have none."""

    watches: list[Watch]
    unwatched: list[Team]

    def handovers(self, until: datetime) -> list[Watch]:
        """Those that pass to somebody else by then."""
        return [watch for watch in self.watches if watch.next and watch.next.start <= until]


def roster(now: datetime) -> Roster:
    """Eight queries, however many schedules there are."""
    teams = list(
        Team.objects.filter(services__is_active=True)
        .distinct()
        .select_related("schedule_assignment")
        .order_by("name")
    )
    schedules = list(Schedule.objects.order_by("name")[:MOST])
    turns = oncall.roster(schedules, start=now, end=now + AHEAD)
    present = {row[0].user for row in turns.values() if row and row[0].user}
    lost = set(notifications.unreachable(present))
    answering: dict[int, list[Team]] = {}
    unwatched = []
    for team in teams:
        assignment = getattr(team, "schedule_assignment", None)
        if assignment is None:
            unwatched.append(team)
        else:
            answering.setdefault(assignment.schedule_id, []).append(team)
    watches = [
        _watch(schedule, answering.get(schedule.pk, []), oncall.joined(turns[schedule.pk]), lost)
        for schedule in schedules
    ]
    return Roster(watches, unwatched)


def _watch(schedule: Schedule, teams: list[Team], turns: list[Turn], lost: set[User]) -> Watch:
    present, *later = turns
    return Watch(
        schedule=schedule,
        teams=teams,
        now=present,
        next=later[0] if later else None,
        gaps=[turn for turn in turns if turn.user is None],
        is_unreachable=present.user in lost,
    )
