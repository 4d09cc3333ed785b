"""What the API's views have in common: strict input, the rule of each route, one schema style."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.openapi import AutoSchema
from rest_framework import exceptions, serializers, viewsets
from rest_framework.request import Request
from rest_framework.settings import api_settings

from incidents.core.access import Rule
from incidents.core.models import Incident
from incidents.core.rest import AlwaysJSON

REFERENCE = r"[^/\x00-\x1f]+"


class FieldError(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class UnmetCriterion(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField(help_text="What would satisfy it.")


class Problem(serializers.Serializer):
    """RFC 9457: what went wrong and what to do about it."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="For programs; does not change with the wording.")
    errors = FieldError(many=True, required=False)
    state = serializers.CharField(required=False, help_text="409: where the incident stands.")
    allowed = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="409: what can be done instead."
    )
    unmet = UnmetCriterion(many=True, required=False)


class HouseSchema(AutoSchema):
    """Every operation may also answer with a problem."""

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)
        problem = self.resolve_serializer(Problem(), "response")
        responses["default"] = {
            "description": "A problem (RFC 9457).",
            "content": {"application/problem+json": {"schema": problem.ref}},
        }
        return responses


class Strict(serializers.Serializer):
    """Input that refuses fields it does not know, rather than dropping them silently."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            known = [name for name, field in self.fields.items() if not field.read_only]
            unknown = [str(name) for name in data if name not in known]
            if unknown:
                said = ", ".join(known) or "none"
                raise serializers.ValidationError(
                    {
                        name: exceptions.ErrorDetail(
                            f"Unknown field; known are: {said}.", code="unknown"
                        )
                        for name in unknown
                    }
                )
        return super().to_internal_value(data)


class Nothing(Strict):
    """A body without fields."""


class HouseView:
    """Mixed into every view: `rules` says for each action what it asks of the caller."""

    rules: ClassVar[dict[str, Rule]] = {}
    content_negotiation_class = AlwaysJSON
    metadata_class = None
    schema = HouseSchema()


class HouseViewSet(HouseView, viewsets.GenericViewSet):
    def facts(self) -> dict[str, Any]:
        """The request's body, judged by the serializer of this action."""
        serializer = self.get_serializer(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    @property
    def is_described(self) -> bool:
        """Whether the OpenAPI schema is being made of this view, without any request."""
        return getattr(self, "swagger_fake_view", False)


class IncidentDoor(HouseViewSet):
    """Base of all that is addressed as /incidents/{reference}/…; private ones answer 404."""

    queryset: QuerySet[Any] = Incident.objects.all()
    lookup_field = "reference"
    lookup_value_regex = REFERENCE
    pagination_class = api_settings.DEFAULT_PAGINATION_CLASS

    def incident(self) -> Incident:
        """The incident in the address, with its context; 404 also where it must stay unseen."""
        return find_incident(self.request, self.kwargs["reference"])


def find_incident(request: Request, reference: str) -> Incident:
    """The incident with this reference, if the caller may see it. Raises Http404."""
    visible = Incident.objects.visible_to(request.user).with_context()
    incident = visible.filter(reference=reference).first()
    if incident is None:
        raise Http404("There is no such incident.")
    return incident
