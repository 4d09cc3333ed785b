"""What the API's views have in common: strict input, the rule of each route, one schema style."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.openapi import AutoSchema
from rest_framework import exceptions, serializers, viewsets
from rest_framework.fields import empty
from rest_framework.views import APIView

from incidents.core.access import Rule
from incidents.core.models import Incident, User
from incidents.core.rest import AlwaysJSON, rule_of

LONGEST_LIST = 200
REFERENCE = r"[^/\x00-\x1f]+"
TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?$"


FOR_WHOM = {
    Rule.PUBLIC: "Needs no token.",
    Rule.OWN: "For anybody, about their own; a token needs the scope manage.",
    Rule.RESPOND: "For responders; a token needs the scope respond.",
    Rule.MANAGE: "For managers; a token needs the scope manage.",
    Rule.ADMIN: "For administrators; a token needs the scope manage.",
}


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
    errors = FieldError(many=True, required=False)  # type: ignore[assignment]
    state = serializers.CharField(required=False, help_text="409: where the incident stands.")
    allowed = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="409: what can be done instead."
    )
    unmet = UnmetCriterion(many=True, required=False)
    version = serializers.IntegerField(
        required=False, help_text="409: the version of what is stored now."
    )
    yours = serializers.DictField(required=False, help_text="409: what was sent.")
    theirs = serializers.DictField(required=False, help_text="409: what is stored instead.")


class HouseSchema(AutoSchema):
    """Every operation says whom it is for, and may also answer with a problem."""

    def get_description(self) -> str:  # type: ignore[override]
        rule = rule_of(self.view, self.method)
        whom = FOR_WHOM.get(rule) if rule else None
        return "\n\n".join(filter(None, [super().get_description(), whom]))

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)
        schema |= getattr(serializer, "also", {})
        if isinstance(serializer, Strict):
            schema["additionalProperties"] = False
            for described in schema.get("properties", {}).values():
                if described.get("type") == "array":
                    described.setdefault("maxItems", LONGEST_LIST)
        return schema

    def _get_request_body(self, direction: Any = "request") -> Any:
        body = super()._get_request_body(direction)
        if body is not None and hasattr(self.get_request_serializer(), "also"):
            body["required"] = True
        return body

    def _map_serializer_field(
        self, field: Any, direction: Any, bypass_extensions: bool = False
    ) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_serializer_field(field, direction, bypass_extensions)
        most = getattr(field, "max_length", None)
        if isinstance(field, serializers.ListSerializer) and most is not None:
            schema = {**schema, "maxItems": most}
        if schema.get("format") == "time":
            # RFC 3339 means one with an offset by that, and these are in a schedule's zone.
            schema = {name: value for name, value in schema.items() if name != "format"}
            schema["pattern"] = TIME_OF_DAY
        if schema.get("format") == "decimal" and "pattern" in schema:
            # What drf-spectacular writes allows the empty text, and a sign or a point alone.
            whole, places = field.max_digits - field.decimal_places, field.decimal_places
            fraction = f"[0-9]{{1,{places}}}"
            sign = "" if field.min_value is not None and field.min_value >= 0 else "-?"
            schema["pattern"] = f"^{sign}([0-9]{{1,{whole}}}(\\.{fraction})?|\\.{fraction})$"
        if "enum" in schema and _may_be_empty(field):
            schema = {**schema, "enum": list(dict.fromkeys([*schema["enum"], ""]))}
        return schema

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        super()._insert_field_validators(field, schema)
        if _may_be_empty(field):
            schema.pop("pattern", None)

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)
        problem = self.resolve_serializer(Problem(), "response")
        responses["default"] = {
            "description": "A problem (RFC 9457).",
            "content": {"application/problem+json": {"schema": problem.ref}},
        }
        return responses


def _may_be_empty(field: Any) -> bool:
    """Whether the column behind it may hold the empty text: REST framework forgets it on output."""
    model = getattr(getattr(field.parent, "Meta", None), "model", None)
    if model is None or not field.read_only or field.source not in _columns(model):
        return False
    return bool(model._meta.get_field(field.source).blank)


def _columns(model: Any) -> set[str]:
    return {field.name for field in model._meta.concrete_fields}


class Strict(serializers.Serializer):
    """Input that refuses fields it does not know, rather than dropping them silently."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            known = [name for name, field in self.fields.items() if not field.read_only]
            said = f"Unknown field; known are: {', '.join(known) or 'none'}."
            wrong = {
                str(name): exceptions.ErrorDetail(said, code="unknown")
                for name in data
                if name not in known
            }
            wrong |= {
                name: exceptions.ErrorDetail(f"At most {LONGEST_LIST} items.", code="max_length")
                for name, value in data.items()
                if isinstance(value, list) and len(value) > LONGEST_LIST
            }
            if wrong:
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


class Nothing(Strict):
    """A body without fields."""


class Instant(serializers.DateTimeField):
    """An ISO 8601 instant between 2000 and 2200: no zone of the world moves it out of bounds."""

    def to_internal_value(self, value: Any) -> datetime:
        at: datetime = super().to_internal_value(value)
        if not 2000 <= at.year < 2200:
            raise serializers.ValidationError("Write a time between 2000 and 2200.", code="range")
        return at


class Seconds(serializers.IntegerField):
    """A duration, as whole seconds."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"min_value": 0, "max_value": 366 * 86_400} | options))

    def run_validation(self, data: Any = empty) -> Any:
        seconds = super().run_validation(data)
        return timedelta(seconds=seconds) if isinstance(seconds, int) else seconds

    def to_representation(self, value: Any) -> int:
        return round(value.total_seconds())


def named_by(field: str = "slug", **options: Any) -> serializers.RelatedField:
    """A row of another table, shown by what people call it; null where there is none."""
    return serializers.SlugRelatedField(
        slug_field=field, **({"read_only": True, "allow_null": True} | options)
    )


class HouseView(APIView):
    """Every view of the API: `rules` says for each action what it asks of the caller."""

    rules: ClassVar[dict[str, Rule]] = {}
    content_negotiation_class = AlwaysJSON
    metadata_class = None
    schema = HouseSchema()

    @property
    def actor(self) -> User:
        """Who is calling; the route's rule has seen to it that it is a person."""
        return cast(User, self.request.user)


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

    def incident(self) -> Incident:
        """The incident in the address, with its context; 404 also where it must stay unseen."""
        visible = Incident.objects.visible_to(self.actor).with_context()
        incident = visible.filter(reference=self.kwargs["reference"]).first()
        if incident is None:
            raise Http404("There is no such incident.")
        return incident
