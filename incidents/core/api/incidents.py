"""Incidents: the list, the details, and every verb as POST /incidents/{reference}/{verb}/."""

from collections.abc import Callable
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.core import procedures
from incidents.core import services as core
from incidents.core.access import Rule
from incidents.core.api import asks
from incidents.core.api.base import IncidentDoor, Nothing, Strict
from incidents.core.api.procedures import ProcedureOut
from incidents.core.api.shapes import IncidentDetail, IncidentOut, TimelineEntryOut
from incidents.core.errors import DomainError
from incidents.core.models import Incident, Severity, Status, TimelineEntry

VIA = "API"


def verb(ask: type[Strict] = Nothing, *, path: str = "") -> Callable[[Any], Any]:
    """POST /incidents/{reference}/<name>/: takes `ask`, answers with the incident."""

    def decorate(method: Any) -> Any:
        route = action(
            detail=True,
            methods=["post"],
            url_path=path or method.__name__.replace("_", "-"),
            url_name=method.__name__.replace("_", "-"),
            serializer_class=ask,
        )
        asked = None if ask is Nothing else ask
        described = extend_schema(
            operation_id=f"incidents_{method.__name__}",
            request=asked,
            responses={200: IncidentDetail},
        )
        return described(route(method))

    return decorate


class InstantField(django_filters.fields.IsoDateTimeField):
    """Between 2000 and 2200: no zone of the world moves it out of what databases know."""

    def clean(self, value: Any) -> Any:
        at = super().clean(value)
        if at is not None and not 2000 <= at.year < 2200:
            raise ValidationError("Write a time between 2000 and 2200.", code="range")
        return at


class InstantFilter(django_filters.IsoDateTimeFilter):
    field_class = InstantField


class IncidentFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(
        choices=[("open", "open"), ("closed", "closed")], method="by_state"
    )
    status = django_filters.ChoiceFilter(choices=Status.choices)
    severity = django_filters.MultipleChoiceFilter(choices=Severity.choices)
    service = django_filters.CharFilter(field_name="service__slug")
    team = django_filters.CharFilter(field_name="service__team__slug")
    mine = django_filters.BooleanFilter(
        method="by_mine", help_text="Those that you acknowledged or hold a role in."
    )
    is_drill = django_filters.BooleanFilter()
    declared_after = InstantFilter("declared_at", lookup_expr="gte")
    declared_before = InstantFilter("declared_at", lookup_expr="lt")
    search = django_filters.CharFilter(
        method="by_words", help_text="In reference, title and description."
    )

    class Meta:
        model = Incident
        fields = ["state", "status", "severity", "service", "team", "is_drill"]

    def by_state(self, found: QuerySet, _name: str, value: str) -> QuerySet:
        closed = Q(status=Status.RESOLVED)
        return found.filter(closed if value == "closed" else ~closed)

    def by_mine(self, found: QuerySet, _name: str, value: bool) -> QuerySet:
        user = self.request.user
        held = Incident.objects.filter(roles__user=user, roles__until=None).values("pk")
        mine = Q(acknowledged_by=user) | Q(pk__in=held)
        return found.filter(mine if value else ~mine)

    def by_words(self, found: QuerySet, _name: str, value: str) -> QuerySet:
        for word in value.split()[:10]:
            found = found.filter(
                Q(reference__icontains=word)
                | Q(title__icontains=word)
                | Q(description__icontains=word)
            )
        return found


class IncidentViewSet(mixins.ListModelMixin, IncidentDoor):
    """Incidents, newest first. Private ones are seen by their audience only."""

    rules = {
        **dict.fromkeys(["list", "retrieve", "timeline", "procedure", "export"], Rule.READ),
        "import_past": Rule.MANAGE,
        **dict.fromkeys(
            [
                *("create", "acknowledge", "unacknowledge", "identify", "start_mitigating"),
                *("mark_recovered", "relapse", "attest", "resolve", "dismiss", "reopen", "merge"),
                *("change_type", "follow_procedure"),
                *("change_severity", "assign_role", "record_impact", "note", "correct_milestone"),
                *("snooze", "add_checklist_item", "tick", "untick"),
            ],
            Rule.RESPOND,
        ),
    }
    serializer_class = IncidentOut
    filterset_class = IncidentFilter

    def get_queryset(self) -> Any:
        if self.is_described:
            return Incident.objects.all()
        return Incident.objects.visible_to(self.actor).with_context()

    @extend_schema(responses=IncidentDetail)
    def retrieve(self, request: Request, reference: str) -> Response:
        return self._shown(self.incident())

    @extend_schema(
        request=asks.Declare,
        responses={200: IncidentDetail, 201: IncidentDetail},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                location="header",
                description="Any text of your own. A repeated request with the same key declares "
                "nothing, and is answered 200 with the header Idempotent-Replay: true.",
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """Declare an incident."""
        serializer = asks.Declare(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        facts: dict[str, Any] = {**serializer.validated_data, "via": VIA}
        if facts.get("is_private"):
            facts["audience"] = {self.actor, *facts.get("audience", ())}
        chosen = {name: facts.get(name, "") for name in ["incident_type", "severity"]}
        core.check_type(facts["service"], **chosen)
        key = request.headers.get("Idempotency-Key")
        if key is None:
            incident, is_new = core.declare(actor=self.actor, **facts), True
        else:
            incident, is_new = core.declare_once(
                key=key, request=dict(request.data), actor=self.actor, **facts
            )
        response = self._shown(incident)
        response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        if not is_new:
            response["Idempotent-Replay"] = "true"
        return response

    @extend_schema(responses=TimelineEntryOut(many=True), filters=False)
    @action(detail=True, serializer_class=TimelineEntryOut, filter_backends=[])
    def timeline(self, request: Request, reference: str) -> Response:
        """What happened, newest first."""
        entries = TimelineEntry.objects.filter(incident=self.incident()).select_related("actor")
        page = self.paginate_queryset(entries)
        return self.get_paginated_response(TimelineEntryOut(page, many=True).data)

    @extend_schema(responses=asks.Document, filters=False)
    @action(detail=True, serializer_class=asks.Document, filter_backends=[], pagination_class=None)
    def export(self, request: Request, reference: str) -> Response:
        """All of it as a document, in the shape that import takes."""
        return Response(core.export_incident(self.incident()))

    @extend_schema(
        operation_id="incidents_import",
        request=asks.Document,
        responses={200: IncidentDetail, 201: IncidentDetail},
    )
    @action(detail=False, methods=["post"], url_path="import", serializer_class=asks.Document)
    def import_past(self, request: Request) -> Response:
        """Take in an incident of the past: nobody is paged. The same one again is answered 200."""
        incident, is_new = core.import_incident(self.facts(), actor=self.actor)
        response = self._shown(Incident.objects.with_context().get(pk=incident.pk))
        response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return response

    @verb()
    def acknowledge(self, request: Request, reference: str) -> Response:
        """Take it on; nobody is paged any further. The second person joins."""
        return self._shown(core.acknowledge(self.incident(), actor=self.actor, via=VIA))

    @verb(asks.Reason)
    def unacknowledge(self, request: Request, reference: str) -> Response:
        """Give it back; paging starts again."""
        return self._do(core.unacknowledge)

    @verb(asks.Identify)
    def identify(self, request: Request, reference: str) -> Response:
        """Investigating → Identified."""
        return self._do(core.identify)

    @verb(asks.StartMitigating)
    def start_mitigating(self, request: Request, reference: str) -> Response:
        """Identified → Mitigating."""
        return self._do(core.start_mitigating)

    @verb(asks.MarkRecovered)
    def mark_recovered(self, request: Request, reference: str) -> Response:
        """It works again; the monitoring window starts."""
        return self._do(core.mark_recovered)

    @verb(asks.Relapse)
    def relapse(self, request: Request, reference: str) -> Response:
        """It broke again."""
        return self._do(core.relapse)

    @verb(asks.Attest)
    def attest(self, request: Request, reference: str) -> Response:
        """State a health fact that Tocsin cannot measure."""
        core.attest(self.incident(), actor=self.actor, **self.facts())
        return self._shown(self.incident())

    @verb(asks.Resolve)
    def resolve(self, request: Request, reference: str) -> Response:
        """Mitigating → Resolved, walking the steps before it whose answers are given."""
        return self._do(core.resolve)

    @verb(asks.Reason)
    def dismiss(self, request: Request, reference: str) -> Response:
        """A false alarm: resolved with that outcome."""
        return self._do(core.dismiss)

    @verb(asks.Reason)
    def reopen(self, request: Request, reference: str) -> Response:
        """Resolved → Investigating; paging starts again."""
        return self._do(core.reopen)

    @verb(asks.Merge)
    def merge(self, request: Request, reference: str) -> Response:
        """This is the same as another incident and ends as its duplicate."""
        incident, facts = self.incident(), self.facts()
        visible = Incident.objects.visible_to(self.actor)
        into = visible.filter(reference=facts["into"]).first()
        if into is None:
            raise DomainError("There is no such incident to merge into.", field="into")
        facts["into"] = into
        return self._shown(core.merge(incident, actor=self.actor, **facts))

    @verb(asks.ChangeSeverity)
    def change_severity(self, request: Request, reference: str) -> Response:
        """It is worse, or less bad, than was thought."""
        return self._do(core.change_severity)

    @verb(asks.ChangeType)
    def change_type(self, request: Request, reference: str) -> Response:
        """It is of another kind: with that one's checklist and procedure."""
        return self._do(core.change_type)

    @verb(asks.FollowProcedure)
    def follow_procedure(self, request: Request, reference: str) -> Response:
        """Work by a procedure of its runbook; its steps can be ticked off."""
        return self._do(core.follow_procedure)

    @extend_schema(responses=ProcedureOut, filters=False)
    @action(detail=True, serializer_class=ProcedureOut, filter_backends=[], pagination_class=None)
    def procedure(self, request: Request, reference: str) -> Response:
        """The procedure that is being followed, and what is ticked of it."""
        incident = self.incident()
        return Response(ProcedureOut(procedures.followed(incident)).data)

    @verb(asks.AssignRole)
    def assign_role(self, request: Request, reference: str) -> Response:
        """Give a role to a person (username), or to nobody (null)."""
        return self._do(core.assign_role)

    @verb(asks.RecordImpact)
    def record_impact(self, request: Request, reference: str) -> Response:
        """Say who and what is hurt, as far as known."""
        return self._do(core.record_impact)

    @verb(asks.Note)
    def note(self, request: Request, reference: str) -> Response:
        """Add to the story, in any state."""
        return self._do(core.note)

    @verb(asks.CorrectMilestone)
    def correct_milestone(self, request: Request, reference: str) -> Response:
        """Put a milestone where it really was. For the commander and the team's managers."""
        return self._do(core.correct_milestone)

    @verb(asks.Snooze)
    def snooze(self, request: Request, reference: str) -> Response:
        """Acknowledge it and leave it for a while."""
        return self._do(core.snooze)

    @verb(asks.AddChecklistItem, path="checklist")
    def add_checklist_item(self, request: Request, reference: str) -> Response:
        """Put one more thing to do on its checklist."""
        core.add_checklist_item(self.incident(), actor=self.actor, **self.facts())
        return self._shown(self.incident())

    @verb(path=r"checklist/(?P<item>[0-9]+)/tick")
    def tick(self, request: Request, reference: str, item: str) -> Response:
        """It is done."""
        return self._tick(core.tick, item)

    @verb(path=r"checklist/(?P<item>[0-9]+)/untick")
    def untick(self, request: Request, reference: str, item: str) -> Response:
        """It is not done after all."""
        return self._tick(core.untick, item)

    def _do(self, call: Callable[..., Incident]) -> Response:
        return self._shown(call(self.incident(), actor=self.actor, **self.facts()))

    def _tick(self, call: Callable[..., Any], item: str) -> Response:
        incident = self.incident()
        self.facts()
        row = incident.checklist.select_related("incident").filter(pk=item).first()
        if row is None:
            raise Http404("There is no such item on its checklist.")
        call(row, actor=self.actor)
        return self._shown(incident)

    def _shown(self, incident: Incident) -> Response:
        return Response(IncidentDetail(incident, context=self.get_serializer_context()).data)
