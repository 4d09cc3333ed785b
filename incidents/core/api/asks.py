"""What each verb on an incident asks for."""

from typing import Any

from rest_framework import serializers

from incidents.core.api.base import Instant, Seconds, Strict
from incidents.core.models import Incident, IncidentRole, Service, Severity, Team, User
from incidents.core.services.facts import CORRECTABLE

LONGEST_TEXT = 10_000


def written(*, optional: bool = False, longest: int = LONGEST_TEXT) -> serializers.CharField:
    if optional:
        return serializers.CharField(required=False, allow_blank=True, max_length=longest)
    return serializers.CharField(max_length=longest)


def known_service(**options: Any) -> serializers.RelatedField:
    known = Service.objects.filter(is_active=True).select_related("team")
    return serializers.SlugRelatedField(slug_field="slug", queryset=known, **options)


def known_person(**options: Any) -> serializers.RelatedField:
    known = User.objects.filter(is_active=True)
    return serializers.SlugRelatedField(slug_field="username", queryset=known, **options)


def known_team(**options: Any) -> serializers.RelatedField:
    return serializers.SlugRelatedField(slug_field="slug", queryset=Team.objects.all(), **options)


class Declare(Strict):
    title = written(longest=300)
    service = known_service()
    severity = serializers.ChoiceField(
        choices=Severity.choices,
        required=False,
        help_text="Default: its type's, else its service's.",
    )
    description = written(optional=True)
    incident_type = serializers.SlugField(
        required=False,
        allow_blank=True,
        max_length=64,
        help_text="One that the service's runbook knows: see `incident_types` of the service.",
    )
    started_at = Instant(required=False, help_text="When it began, if that is known.")
    detected_at = Instant(required=False, help_text="When it was noticed. Default: now.")
    is_private = serializers.BooleanField(
        required=False, help_text="Seen by its audience, you among it, and administrators only."
    )
    audience = known_person(many=True, required=False)

    def validate(self, attrs: dict) -> dict:
        if attrs.get("audience") and not attrs.get("is_private"):
            raise serializers.ValidationError(
                {"audience": "Only a private incident has an audience."}
            )
        return attrs


class Document(Strict):
    """An incident as a document; what is in it that nobody knows is kept."""

    incident = serializers.DictField(
        help_text="id, severity, title, service, started_at, resolved_at, impact, timeline: "
        '[{"time": "14:15", "event": …}], action_items, and what else you keep.'
    )


class Reason(Strict):
    reason = written()


class Identify(Strict):
    suspected_cause = written()


class StartMitigating(Strict):
    mitigation = written()
    kind = serializers.ChoiceField(choices=Incident.MitigationKind.choices)


class MarkRecovered(Strict):
    at = Instant(required=False, help_text="Default: now.")
    summary = written(optional=True)


class Relapse(Strict):
    summary = written(optional=True)


class Attest(Strict):
    fact = serializers.SlugField(max_length=64, help_text="e.g. error_rate, latency_p95")
    value = serializers.DecimalField(max_digits=16, decimal_places=4)
    unit = written(optional=True, longest=16)
    window = Seconds(help_text="For how many seconds it has held.")
    link = serializers.URLField(required=False, allow_blank=True, max_length=1000)


class Resolve(Strict):
    """What was answered before need not be repeated; steps in between are walked."""

    root_cause = written(optional=True)
    resolution = written(optional=True)
    suspected_cause = written(optional=True)
    mitigation = written(optional=True)
    kind = serializers.ChoiceField(choices=Incident.MitigationKind.choices, required=False)
    override_reason = written(optional=True)


class Merge(Strict):
    into = serializers.CharField(max_length=120, help_text="The reference of the one that goes on.")
    reason = written(optional=True)


class ChangeSeverity(Strict):
    severity = serializers.ChoiceField(choices=Severity.choices)
    reason = written()


class ChangeType(Strict):
    incident_type = serializers.SlugField(
        max_length=64, help_text="One that the incident's own runbook knows."
    )
    reason = written(optional=True)


class FollowProcedure(Strict):
    procedure = serializers.SlugField(
        max_length=64, help_text="One that the incident's own runbook knows."
    )


class AssignRole(Strict):
    role = serializers.ChoiceField(choices=IncidentRole.choices)
    user = known_person(allow_null=True)


class RecordImpact(Strict):
    impact = written(optional=True)
    users_affected = serializers.IntegerField(required=False, min_value=0, max_value=2_147_483_647)
    affected_services = known_service(many=True, required=False)
    revenue_lost = serializers.DecimalField(
        max_digits=14, decimal_places=2, min_value=0, required=False
    )
    currency = written(optional=True, longest=3)
    data_loss = serializers.ChoiceField(choices=Incident.DataLoss.choices, required=False)


class Note(Strict):
    text = written()


class CorrectMilestone(Strict):
    milestone = serializers.ChoiceField(choices=CORRECTABLE)
    at = Instant()
    reason = written()


class Snooze(Strict):
    until = Instant()
    reason = written()


class AddChecklistItem(Strict):
    text = written(longest=300)
    phase = written(optional=True, longest=64)
    role = serializers.ChoiceField(choices=IncidentRole.choices, required=False, allow_blank=True)
    due_at = Instant(required=False)
