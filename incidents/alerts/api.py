"""The doors of this room: the intake for machines, and alerts and sources for people."""

import logging
from datetime import datetime
from typing import Any

import django_filters
from django.conf import settings
from django.db import InterfaceError, OperationalError
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import exceptions, mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.alerts import services
from incidents.alerts.models import Alert, Source
from incidents.alerts.payload import parse
from incidents.core.access import Rule, require_manages
from incidents.core.api.asks import known_service, known_team
from incidents.core.api.base import HouseView, HouseViewSet, Strict, named_by
from incidents.core.configuration import settled
from incidents.core.rest import SafeJSONParser, storable

logger = logging.getLogger(__name__)

KEPT_OF_BODY = 2_000  # bytes


class UnknownSource(exceptions.NotFound):
    default_detail = "No source has this key; copy the address from its page again."
    default_code = "unknown_source"


class InactiveSource(exceptions.PermissionDenied):
    default_detail = "This alert source is switched off; a manager can switch it on again."
    default_code = "inactive_source"


class Busy(exceptions.APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Too many signals of this alert at once; send it again."
    default_code = "busy"
    wait = 1


class LinkIn(serializers.Serializer):
    href = serializers.CharField()
    text = serializers.CharField(required=False)


def said(help_text: str = "") -> serializers.CharField:
    """A text that may as well be missing, null or empty."""
    return serializers.CharField(
        required=False, allow_null=True, allow_blank=True, help_text=help_text
    )


LINKS = {
    "type": ["array", "null"],
    "items": {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"href": {"type": "string"}, "text": {"type": ["string", "null"]}},
                "required": ["href"],
            },
        ]
    },
}


@extend_schema_field(LINKS)
class LinksIn(serializers.ListField):
    """Addresses, or objects of an address and its text."""


class SignalIn(serializers.Serializer):
    """Describes what `payload.parse` takes; one of summary and dedup_key is needed."""

    also = {
        "anyOf": [
            {"required": [name], "properties": {name: {"type": "string", "pattern": "[A-Za-z0-9]"}}}
            for name in ["summary", "dedup_key"]
        ]
    }

    dedup_key = said("Same key, same alert.")
    status = serializers.ChoiceField(
        choices=Alert.Status.choices, required=False, allow_null=True, allow_blank=True
    )
    service = said("The slug of a service.")
    severity = said("SEV1 to SEV4, P1 to P5, critical, error, warning, info.")
    summary = said("One line; cut at 300 characters.")
    description = said("Cut at 6,000 characters.")
    links = LinksIn(required=False)
    labels = serializers.DictField(required=False, allow_null=True)
    started_at = said("ISO 8601; what is none is told and passed over.")


class ReceiptOut(serializers.Serializer):
    status = serializers.CharField()
    action = serializers.ChoiceField(
        choices=[
            *("declared", "bundled", "counted", "recovered", "relapsed", "reopened", "ignored")
        ]
    )
    dedup_key = serializers.CharField()
    incident = serializers.CharField(allow_null=True, help_text="Its reference.")
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What was not understood and did no harm."
    )


class KeepingParser(SafeJSONParser):
    """Leaves the beginning of the body on the view, readable or not, for the source's page."""

    most_keys = 200

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        kept = _KeptStream(stream)
        try:
            return super().parse(kept, media_type, parser_context)
        finally:
            parser_context["view"].body = storable(kept.start.decode("utf-8", errors="replace"))


class _KeptStream:
    def __init__(self, stream: Any) -> None:
        self.stream, self.start = stream, b""

    def read(self, size: int) -> bytes:
        raw: bytes = self.stream.read(size)
        self.start = raw[:KEPT_OF_BODY]
        return raw


class Intake(HouseView):
    """Takes in what a monitor says. The 202 comes after the commit: accepted means durable."""

    authentication_classes = ()
    parser_classes = (KeepingParser,)
    rules = {"post": Rule.PUBLIC}
    now: datetime | None = None
    source: Source | None = None
    receipt: services.Receipt | None = None
    body = ""

    @extend_schema(
        operation_id="alerts_send", request=SignalIn, responses={202: ReceiptOut}, tags=["alerts"]
    )
    def post(self, request: Request, key: str) -> Response:
        """Send a signal. Repeating it is harmless: a repeat of the same dedup_key only counts."""
        with settled() as self.now:
            self.source = source = services.source_of(key)
            if source is None:
                raise UnknownSource
            if not source.is_active:
                raise InactiveSource
            try:
                signal = parse(request.data)
                self.receipt = receipt = services.ingest(source, signal, now=self.now)
            except services.Overtaken:
                raise Busy from None
        answer = {
            "status": "accepted",
            "action": receipt.action,
            "dedup_key": receipt.dedup_key,
            "incident": receipt.incident.reference if receipt.incident else None,
            "warnings": [*signal.notes, *receipt.notes],
        }
        return Response(answer, status=status.HTTP_202_ACCEPTED)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, InterfaceError | OperationalError):
            self.source = None  # The database is away: there is nothing to write to.
        try:
            return super().handle_exception(exc)
        except Exception:
            # Raised further, it would be logged by Django together with the key in the address.
            logger.exception("Unable to take in a signal")
            return super().handle_exception(exceptions.APIException())

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code >= 400:
            # Django would log the address of a refused request, and the key is part of it.
            response._has_been_logged = True  # type: ignore[attr-defined]
            logger.info("A signal was refused with %d", response.status_code)
        if self.source is not None:
            services.log_request(
                self.source,
                at=self.now,
                status=response.status_code,
                body=self.body,
                receipt=self.receipt,
                problem=told_by(response.data),
            )
        return response


def told_by(answer: dict[str, Any]) -> str:
    """What an answer says about what was wrong, or was not understood."""
    return " ".join([answer.get("detail", ""), *answer.get("warnings", [])]).strip()


class AlertOut(serializers.ModelSerializer):
    source = serializers.CharField(source="source.name")  # type: ignore[assignment]
    incident = serializers.CharField(source="incident.reference", allow_null=True, default=None)
    service = serializers.CharField(source="service.slug", allow_null=True, default=None)
    links = LinkIn(many=True)
    labels = serializers.DictField(child=serializers.CharField())

    class Meta:
        model = Alert
        fields = [
            *("id", "source", "dedup_key", "status", "incident", "service", "severity", "summary"),
            *("description", "links", "labels", "count", "first_at", "last_at", "started_at"),
            "resolved_at",
        ]
        read_only_fields = fields


class AlertFilter(django_filters.FilterSet):
    incident = django_filters.CharFilter(field_name="incident__reference")
    source = django_filters.CharFilter(field_name="source__name")
    service = django_filters.CharFilter(field_name="service__slug")
    status = django_filters.ChoiceFilter(choices=Alert.Status.choices)

    class Meta:
        model = Alert
        fields = ["incident", "source", "service", "status"]


class AlertViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, HouseViewSet):
    """Alerts, newest first."""

    rules = {"list": Rule.READ, "retrieve": Rule.READ}
    queryset = Alert.objects.all()
    serializer_class = AlertOut
    filterset_class = AlertFilter
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> Any:
        seen = Alert.objects.visible_to(self.actor)
        return seen.select_related("source", "incident", "service")


class SourceOut(serializers.ModelSerializer):
    team = named_by()
    service = named_by()
    prefix = serializers.CharField(
        read_only=True, help_text="How the key begins; the whole key is told once, when it is made."
    )

    class Meta:
        model = Source
        fields = [
            *("id", "name", "kind", "team", "service", "is_active", "created_at", "last_seen_at"),
            "prefix",
        ]
        read_only_fields = fields


class SourceWithKeyOut(SourceOut):
    """A source that was just given a key: the only answers in which the key is told."""

    key = serializers.CharField(read_only=True, help_text="Not told again.")
    address = serializers.SerializerMethodField(help_text="Where to send signals to.")

    class Meta(SourceOut.Meta):
        fields = [*SourceOut.Meta.fields, "key", "address"]
        read_only_fields = fields

    def get_address(self, source: Source) -> str:
        return address_of(source.key)


def address_of(key: str) -> str:
    """The whole address of the intake for this key."""
    return f"{settings.PUBLIC_URL}/api/v1/alerts/{key}/"


class SourceIn(Strict):
    name = serializers.CharField(max_length=100)
    team = known_team(allow_null=True, default=None)
    service = known_service(allow_null=True, default=None)


class SourceChange(Strict):
    service = known_service(allow_null=True, required=False)
    is_active = serializers.BooleanField(required=False)


class SourceViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, HouseViewSet):
    """Monitors that report alerts."""

    rules = {
        "list": Rule.READ,
        "retrieve": Rule.READ,
        "create": Rule.MANAGE,
        "partial_update": Rule.MANAGE,
        "rotate_key": Rule.MANAGE,
    }
    queryset = Source.objects.of_monitors().select_related("team", "service")
    serializer_class = SourceOut
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self) -> Any:
        asked = {"create": SourceIn, "partial_update": SourceChange}
        return asked.get(self.action, SourceOut)

    @extend_schema(request=SourceIn, responses={201: SourceWithKeyOut})
    def create(self, request: Request) -> Response:
        """Make a source. This answer is the only one that tells its key."""
        facts = self.facts()
        require_manages(self.actor, facts["team"].pk if facts["team"] else None)
        source = services.create_source(**facts, actor=self.actor)
        return Response(SourceWithKeyOut(source).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=SourceChange, responses=SourceOut)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Switch it on or off, or have its alerts go to another service."""
        source = self._managed()
        changed = services.change_source(source, actor=self.actor, **self.facts())
        return Response(SourceOut(changed).data)

    @extend_schema(request=None, responses=SourceWithKeyOut)
    @action(detail=True, methods=["post"], url_path="rotate-key")
    def rotate_key(self, request: Request, pk: int) -> Response:
        """Give it another key, told here once; the old address opens nothing any more."""
        source = services.rotate_key(self._managed(), actor=self.actor)
        return Response(SourceWithKeyOut(source).data)

    def _managed(self) -> Source:
        source = self.get_object()
        require_manages(self.actor, source.team_id)
        return source
