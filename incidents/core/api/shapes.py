"""How this room's things look from outside."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from incidents.core import plans
from incidents.core import services as core
from incidents.core.access import moves
from incidents.core.api.base import Seconds, UnmetCriterion, named_by
from incidents.core.criteria import following
from incidents.core.figures import phases
from incidents.core.models import (
    ChecklistItem,
    Incident,
    RoleAssignment,
    Service,
    SeverityPolicy,
    Status,
    TimelineEntry,
    User,
)
from incidents.timers import clock


class PersonOut(serializers.ModelSerializer):
    name = serializers.CharField(source="__str__")

    class Meta:
        model = User
        fields = ["id", "username", "name"]
        read_only_fields = fields


class ServiceBrief(serializers.ModelSerializer):
    team = serializers.CharField(source="team.slug")

    class Meta:
        model = Service
        fields = ["slug", "name", "team"]
        read_only_fields = fields


class IncidentOut(serializers.ModelSerializer):
    """An incident as lists show it."""

    service = ServiceBrief()
    acknowledged_by = PersonOut(allow_null=True)
    type_title = serializers.SerializerMethodField(help_text="As its runbook calls its type.")
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="The mark that messages about it carry, e.g. [DRILL]."
    )

    class Meta:
        model = Incident
        fields = [
            *("reference", "title", "service", "severity", "status", "outcome", "incident_type"),
            "type_title",
            *("is_acknowledged", "acknowledged_by", "snoozed_until", "is_private", "is_drill"),
            *("label", "declared_via", "started_at", "detected_at", "declared_at"),
            *("acknowledged_at", "identified_at", "mitigating_at", "recovered_at", "resolved_at"),
        ]
        read_only_fields = fields

    def get_type_title(self, incident: Incident) -> str:
        return plans.title_of_type(incident)


class RoleOut(serializers.ModelSerializer):
    user = PersonOut()

    class Meta:
        model = RoleAssignment
        fields = ["role", "user", "since"]
        read_only_fields = fields


class ChecklistItemOut(serializers.ModelSerializer):
    ticked_by = PersonOut(allow_null=True)

    class Meta:
        model = ChecklistItem
        fields = [
            *("id", "position", "checklist", "procedure", "part", "phase", "text", "command"),
            *("expect", "role", "opens_at", "due_at", "ticked_at", "ticked_by"),
        ]
        read_only_fields = fields


class PhaseOut(serializers.Serializer):
    name = serializers.CharField()
    seconds = serializers.FloatField(allow_null=True, help_text="null: not over yet.")
    target = serializers.FloatField(allow_null=True, help_text="Seconds; null: none is set.")
    due_at = serializers.DateTimeField(allow_null=True)
    met = serializers.BooleanField(allow_null=True)


class NextStep(serializers.Serializer):
    state = serializers.ChoiceField(choices=Status.choices)
    unmet = UnmetCriterion(many=True)


class RunbookBrief(serializers.Serializer):
    slug = serializers.CharField()
    version = serializers.IntegerField()
    title = serializers.CharField()


_parts: dict[str, type[serializers.Serializer]] = {}


def carry(name: str, shape: type[serializers.Serializer]) -> None:
    """Have an incident carry under `name` what a higher room knows of it; `shape` takes it."""
    _parts[name] = shape


class IncidentDetail(IncidentOut):
    """An incident with everything that whoever works on it needs."""

    severity_label = serializers.SerializerMethodField(help_text="As its runbook calls it.")
    runbook = RunbookBrief(source="revision")
    roles = serializers.SerializerMethodField()
    checklist = serializers.SerializerMethodField()
    phases = serializers.SerializerMethodField()
    next_step = serializers.SerializerMethodField(help_text="null once it is resolved.")
    moves = serializers.SerializerMethodField(help_text="The verbs that make sense now.")
    affected_services = named_by(many=True)
    duplicate_of = serializers.SerializerMethodField()
    recurrence_of = serializers.SerializerMethodField()
    timeline = serializers.SerializerMethodField(help_text="Address of its timeline.")

    class Meta(IncidentOut.Meta):
        fields = [
            *(*IncidentOut.Meta.fields, "severity_label", "runbook", "description"),
            *(
                "procedure",
                "suspected_cause",
                "mitigation",
                "mitigation_kind",
                "root_cause",
                "resolution",
            ),
            *("impact", "users_affected", "revenue_lost", "currency", "data_loss"),
            *("affected_services", "duplicate_of", "recurrence_of"),
            *("roles", "checklist", "phases", "next_step", "moves", "timeline"),
        ]
        read_only_fields = fields

    def get_fields(self) -> dict[str, serializers.Field]:
        parts = {name: shape(source="*", read_only=True) for name, shape in _parts.items()}
        return {**super().get_fields(), **parts}

    _known_policy: SeverityPolicy | None = None

    def _policy(self, incident: Incident) -> SeverityPolicy:
        if self._known_policy is None:
            self._known_policy = core.policy_of(incident)
        return self._known_policy

    def get_severity_label(self, incident: Incident) -> str:
        return self._policy(incident).label

    @extend_schema_field(RoleOut(many=True))
    def get_roles(self, incident: Incident) -> Any:
        held = incident.roles.filter(until=None).select_related("user").order_by("pk")
        return RoleOut(held, many=True).data

    @extend_schema_field(ChecklistItemOut(many=True))
    def get_checklist(self, incident: Incident) -> Any:
        items = incident.checklist.select_related("ticked_by").order_by("position")
        return ChecklistItemOut(items, many=True).data

    @extend_schema_field(PhaseOut(many=True))
    def get_phases(self, incident: Incident) -> Any:
        policy = self._policy(incident)
        calendar = core.calendar_for(incident, policy)
        return PhaseOut(phases(incident, policy, calendar), many=True).data

    @extend_schema_field(NextStep(allow_null=True))
    def get_next_step(self, incident: Incident) -> Any:
        step = following(incident.status)
        if step is None:
            return None
        missing = core.unmet_of(incident, clock.now(), target=step)
        return NextStep({"state": step, "unmet": missing}).data

    def get_moves(self, incident: Incident) -> list[str]:
        return moves(incident)

    def get_duplicate_of(self, incident: Incident) -> str | None:
        return self._reference(incident.duplicate_of)

    def get_recurrence_of(self, incident: Incident) -> str | None:
        return self._reference(incident.recurrence_of)

    def _reference(self, other: Incident | None) -> str | None:
        return other.reference if other else None

    def get_timeline(self, incident: Incident) -> str:
        return reverse(
            "incident-timeline", args=[incident.reference], request=self.context.get("request")
        )


class TimelineEntryOut(serializers.ModelSerializer):
    actor = PersonOut(allow_null=True, help_text="null: it happened by itself.")
    data = serializers.DictField()  # type: ignore[assignment]

    class Meta:
        model = TimelineEntry
        fields = ["id", "kind", "at", "actor", "summary", "data"]
        read_only_fields = fields


class SeverityPolicyOut(serializers.ModelSerializer):
    """Targets and cadences of one severity, in seconds; null: not measured."""

    detect_target = Seconds(allow_null=True)
    respond_target = Seconds(allow_null=True)
    identify_target = Seconds(allow_null=True)
    mitigate_target = Seconds(allow_null=True)
    resolve_target = Seconds(allow_null=True)
    update_cadence = Seconds(allow_null=True)
    monitoring_window = Seconds(allow_null=True)
    required_roles = serializers.ListField(child=serializers.CharField())
    resolution_criteria = serializers.ListField(child=serializers.CharField())
    required_attestations = serializers.ListField(child=serializers.DictField())

    class Meta:
        model = SeverityPolicy
        fields = [
            *("severity", "label", "definition", "response", "detect_target"),
            *("respond_target", "respond_ends"),
            *("identify_target", "mitigate_target", "resolve_target", "business_hours"),
            *("ticket_business_days", "update_cadence", "monitoring_window", "required_roles"),
            *("resolution_criteria", "required_attestations"),
        ]
        read_only_fields = fields
