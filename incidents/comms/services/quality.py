"""How well promises to tell people were kept. Reads only."""

from collections import Counter
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from incidents.comms.engine import Quality
from incidents.comms.models import StatusUpdate
from incidents.core.models import Incident, Kind, TimelineEntry

ON_TIME = Count("pk", filter=Q(at__lte=F("due_at")))
LATE = Count("pk", filter=Q(at__gt=F("due_at")))


def quality_of(incident: Incident) -> Quality:
    """Of one incident; two queries."""
    told = StatusUpdate.objects.of(incident).aggregate(on_time=ON_TIME, late=LATE)
    missed = incident.timeline.filter(kind=Kind.UPDATE_MISSED).count()
    return Quality(**told, missed=missed)


def quality_by_team(incidents: QuerySet[Incident]) -> dict[str, Quality]:
    """By name of the team that owns the service, of those that promised something; two queries."""
    team: Any = "incident__service__team__name"
    promised = StatusUpdate.objects.filter(incident__in=incidents, due_at__isnull=False)
    broken = TimelineEntry.objects.filter(incident__in=incidents, kind=Kind.UPDATE_MISSED)
    told = {
        name: (on_time, late)
        for name, on_time, late in promised.order_by()
        .values(team)
        .annotate(on_time=ON_TIME, late=LATE)
        .values_list(team, "on_time", "late")
    }
    missed = Counter(
        dict(broken.order_by().values(team).annotate(n=Count("pk")).values_list(team, "n"))
    )
    return {
        name: Quality(*told.get(name, (0, 0)), missed=missed[name])
        for name in sorted({*told, *missed})
    }
