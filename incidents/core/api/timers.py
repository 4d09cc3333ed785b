"""What happens next by itself. Here and not with the timers, which know nothing of incidents."""

from typing import Any

import django_filters
from django.db.models import Case, OuterRef, Q, Subquery, When
from rest_framework import mixins, serializers

from incidents.core.access import Rule
from incidents.core.api.base import HouseViewSet
from incidents.core.models import Incident
from incidents.timers.models import Timer

OF_INCIDENT = Incident._meta.label_lower


class TimerOut(serializers.ModelSerializer):
    incident = serializers.CharField(
        source="reference", allow_null=True, help_text="null: it is about something else."
    )

    class Meta:
        model = Timer
        fields = ["id", "kind", "key", "incident", "due_at", "failures", "scheduled_at"]
        read_only_fields = fields


class TimerFilter(django_filters.FilterSet):
    incident = django_filters.CharFilter(field_name="reference")

    class Meta:
        model = Timer
        fields = ["kind", "incident"]


class TimerViewSet(mixins.ListModelMixin, HouseViewSet):
    """What will happen to incidents by itself, the next first."""

    rules = {"list": Rule.RESPOND}
    queryset = Timer.objects.none()
    serializer_class = TimerOut
    filterset_class = TimerFilter
    newest_by = ("due_at", "pk")

    def get_queryset(self) -> Any:
        if self.is_described:
            return Timer.objects.none()
        user = self.actor
        visible = Incident.objects.visible_to(user)
        reference = visible.filter(pk=OuterRef("subject_id")).values("reference")[:1]
        seen = Q(subject_type=OF_INCIDENT, subject_id__in=visible.values("pk"))
        if user.is_superuser:
            seen |= ~Q(subject_type=OF_INCIDENT)
        found = Timer.objects.pending().filter(seen)
        return found.annotate(
            reference=Case(When(subject_type=OF_INCIDENT, then=Subquery(reference)))
        )
