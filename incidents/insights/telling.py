"""How well each team kept its promises to tell people, in the last weeks. Reads only."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from incidents.comms import services as comms
from incidents.core.models.incident import IncidentQuerySet
from incidents.insights.recent import DAYS


@dataclass(frozen=True)
class Telling:
    """Of one team: the share of promised updates that came on time, 0 to 1, and how many did not.

    Late ones came after they were promised for, `missed` ones not before somebody was paged for it.
    """

    team: str
    share: float
    on_time: int
    late: int
    missed: int

    @property
    def promised(self) -> int:
        return self.on_time + self.late + self.missed


def telling(incidents: IncidentQuerySet, *, now: datetime) -> list[Telling]:
    """Of the real ones among `incidents` of the last 30 days; the worst team first; two queries."""
    found = incidents.real().filter(declared_at__gt=now - timedelta(days=DAYS))
    teams = [
        Telling(team, one.share or 0.0, one.on_time, one.late, one.missed)
        for team, one in comms.quality_by_team(found).items()
    ]
    return sorted(teams, key=lambda one: (one.share, one.team))
