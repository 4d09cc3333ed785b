"""How people narrow the list of incidents."""

from datetime import timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from incidents.core.models import Incident, RoleAssignment, Severity, Status
from incidents.timers import clock

type Incidents = QuerySet[Incident]
PERIODS = {"1": "24 hours", "7": "7 days", "30": "30 days", "90": "90 days", "365": "year"}


class StateFilter(SimpleListFilter):
    title = "state"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), *((str(s.value), str(s.label)) for s in Status)]

    def queryset(self, request: HttpRequest, queryset: Incidents) -> Incidents:
        if self.value() == "open":
            return queryset.exclude(status=Status.RESOLVED)
        return queryset.filter(status=self.value()) if self.value() in Status.values else queryset


class WhoseFilter(SimpleListFilter):
    """Mine: acknowledged by me, or I hold a role in it."""

    title = "whose"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", "Mine"), ("team", "My teams'"), ("nobody", "Nobody's")]

    def queryset(self, request: HttpRequest, queryset: Incidents) -> Incidents:
        user: Any = request.user
        if self.value() == "me":
            held = RoleAssignment.objects.filter(incident=OuterRef("pk"), user=user, until=None)
            return queryset.filter(Q(acknowledged_by=user) | Exists(held))
        if self.value() == "team":
            return queryset.filter(service__team__in=list(user.roles))
        return queryset.filter(is_acknowledged=False) if self.value() == "nobody" else queryset


class SeverityFilter(SimpleListFilter):
    title = "severity"
    parameter_name = "severity"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("high", "SEV1 and SEV2"), *((str(s.value), str(s.label)) for s in Severity)]

    def queryset(self, request: HttpRequest, queryset: Incidents) -> Incidents:
        if self.value() == "high":
            return queryset.filter(severity__in=[Severity.SEV1, Severity.SEV2])
        known = self.value() in Severity.values
        return queryset.filter(severity=self.value()) if known else queryset


class PeriodFilter(SimpleListFilter):
    title = "declared in the last"
    parameter_name = "declared"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(PERIODS.items())

    def queryset(self, request: HttpRequest, queryset: Incidents) -> Incidents:
        if self.value() not in PERIODS:
            return queryset
        since = clock.now() - timedelta(days=int(str(self.value())))
        return queryset.filter(declared_at__gte=since)
