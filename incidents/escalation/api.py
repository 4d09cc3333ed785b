"""The doors of this room: asking somebody now, pages, policies and where they apply."""

from collections.abc import Callable
from typing import Any

import django_filters
from django.db.models import Q
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.core.access import Rule, require_manages
from incidents.core.api.asks import known_person, known_service, known_team
from incidents.core.api.base import HouseViewSet, IncidentDoor, Seconds, Strict, named_by
from incidents.core.api.shapes import IncidentDetail, PersonOut
from incidents.core.models import Incident, Severity
from incidents.escalation import outlook, rules, services
from incidents.escalation.models import (
    EscalationPolicy,
    Level,
    LevelTarget,
    Page,
    PolicyAssignment,
)
from incidents.notifications.models import Delivery
from incidents.oncall.models import Schedule
from incidents.timers import clock

LONGEST_REASON = 1_000


# --- Asking somebody, now -------------------------------------------------------------------------


class Escalate(Strict):
    reason = serializers.CharField(max_length=LONGEST_REASON)
    role = serializers.SlugField(
        max_length=64,
        required=False,
        help_text="Whoever has this role now, e.g. on_call, manager, or a function such as "
        "director. Left out: the next level.",
    )
    fact = serializers.ChoiceField(
        choices=list(rules.FACTS.items()),
        required=False,
        help_text="Whom its runbook calls for this. Not together with role.",
    )


class ProspectOut(serializers.Serializer):
    """Something its runbook escalates by itself."""

    id = serializers.CharField()
    title = serializers.CharField(help_text="The reason, as the timeline and the page give it.")
    occasion = serializers.CharField(help_text="When, in words.")
    standing = serializers.ChoiceField(choices=[str(one) for one in outlook.Standing])
    due_at = serializers.DateTimeField(allow_null=True)
    aim = serializers.CharField(help_text="At whom: a role, the next level, a severity.")
    people = PersonOut(many=True)
    absence = serializers.CharField(help_text="Why nobody has that role now; empty: somebody has.")
    is_page = serializers.BooleanField(help_text="false: they are told, not paged.")
    stopped_by = serializers.CharField(help_text="What keeps it from happening, in words.")


class RulesOut(serializers.Serializer):
    """What its runbook holds ready for an incident."""

    triggers = ProspectOut(many=True, source="prospects")
    vacant_roles = serializers.ListField(child=serializers.CharField(), source="vacant")
    calls_at = serializers.DateTimeField(
        allow_null=True, help_text="When those are called who wait for it to recover by itself."
    )


class PagePerson(Strict):
    user = known_person()
    reason = serializers.CharField(max_length=LONGEST_REASON)


class Reroute(Strict):
    policy: serializers.RelatedField = serializers.SlugRelatedField(
        slug_field="slug", queryset=EscalationPolicy.objects.all()
    )
    reason = serializers.CharField(max_length=LONGEST_REASON)


class IncidentPagingViewSet(IncidentDoor):
    rules = {
        **dict.fromkeys(["escalate", "page", "reroute"], Rule.RESPOND),
        "escalation_rules": Rule.READ,
    }
    serializer_class = IncidentDetail

    @extend_schema(request=Escalate, responses={200: IncidentDetail}, operation_id="escalate")
    @action(detail=True, methods=["post"], serializer_class=Escalate)
    def escalate(self, request: Request, reference: str) -> Response:
        """Ask the next level now, or a role, or whom the runbook calls for a fact."""
        return self._do(services.escalate)

    @extend_schema(responses=RulesOut, operation_id="escalation_rules", filters=False)
    @action(detail=True, url_path="escalation-rules", serializer_class=RulesOut, filter_backends=[])
    def escalation_rules(self, request: Request, reference: str) -> Response:
        """What escalates by itself: when, at whom, and what stops it."""
        found = outlook.outlook_of(self.incident(), now=clock.now())
        return Response(RulesOut(found).data)

    @extend_schema(request=PagePerson, responses={200: IncidentDetail}, operation_id="page")
    @action(detail=True, methods=["post"], serializer_class=PagePerson)
    def page(self, request: Request, reference: str) -> Response:
        """Page one person now, whoever else is being asked."""
        return self._do(services.page_person)

    @extend_schema(request=Reroute, responses={200: IncidentDetail}, operation_id="reroute")
    @action(detail=True, methods=["post"], serializer_class=Reroute)
    def reroute(self, request: Request, reference: str) -> Response:
        """Hand it to the people of another policy, from its first level on."""
        return self._do(services.reroute)

    def _do(self, call: Callable[..., Incident]) -> Response:
        incident = call(self.incident(), actor=self.actor, **self.facts())
        return Response(IncidentDetail(incident, context=self.get_serializer_context()).data)


# --- Pages ----------------------------------------------------------------------------------------


class FateOut(serializers.ModelSerializer):
    address = serializers.CharField(source="masked_address")

    class Meta:
        model = Delivery
        fields = [
            *("id", "transport", "address", "state", "attempts", "due_at", "sent_at"),
            *("waits_since", "bundle"),
        ]
        read_only_fields = fields


class PageOut(serializers.ModelSerializer):
    incident = serializers.CharField(source="incident.reference")
    user = PersonOut()
    requested_by = PersonOut(allow_null=True)
    deliveries = serializers.SerializerMethodField(help_text="What became of it, by address.")

    class Meta:
        model = Page
        fields = [
            *("id", "incident", "user", "at", "cycle", "level", "reason", "requested_by"),
            *("acknowledged_at", "deliveries"),
        ]
        read_only_fields = fields

    @extend_schema_field(FateOut(many=True))
    def get_deliveries(self, page: Page) -> Any:
        return FateOut(self.context["fates"].get((page.cause, page.user_id), []), many=True).data


class PageFilter(django_filters.FilterSet):
    incident = django_filters.CharFilter(field_name="incident__reference")
    user = django_filters.CharFilter(field_name="user__username")

    class Meta:
        model = Page
        fields = ["incident", "user"]


class PageViewSet(mixins.ListModelMixin, HouseViewSet):
    """Who was asked for what, and what became of it."""

    rules = {"list": Rule.READ}
    queryset = Page.objects.all()
    serializer_class = PageOut
    filterset_class = PageFilter

    def get_queryset(self) -> Any:
        seen = Incident.objects.visible_to(self.actor)
        pages = Page.objects.filter(incident__in=seen)
        return pages.select_related("incident", "user", "requested_by")

    @extend_schema(responses=PageOut(many=True))
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        pages = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        fates: dict[tuple[str, int | None], list[Delivery]] = {}
        sent = Delivery.objects.filter(cause__in={page.cause for page in pages})
        for delivery in sent.order_by("created_at"):
            fates.setdefault((delivery.cause, delivery.recipient_id), []).append(delivery)
        context = {**self.get_serializer_context(), "fates": fates}
        return self.get_paginated_response(PageOut(pages, many=True, context=context).data)


# --- Policies -------------------------------------------------------------------------------------


class TargetOut(serializers.ModelSerializer):
    schedule = named_by()
    user = named_by("username")
    team = named_by()

    class Meta:
        model = LevelTarget
        fields = ["kind", "schedule", "user", "team", "function"]
        read_only_fields = fields


class LevelOut(serializers.ModelSerializer):
    timeout = Seconds()
    targets = TargetOut(many=True)

    class Meta:
        model = Level
        fields = ["position", "timeout", "targets"]
        read_only_fields = fields


class PolicyOut(serializers.ModelSerializer):
    team = named_by()
    acknowledgement_expiry = Seconds(allow_null=True)
    levels = LevelOut(many=True)

    class Meta:
        model = EscalationPolicy
        fields = [
            *("slug", "name", "team", "repeats", "acknowledgement_expiry", "is_active"),
            "levels",
        ]
        read_only_fields = fields


class TargetIn(Strict):
    kind = serializers.ChoiceField(choices=LevelTarget.Kind.choices)
    schedule: serializers.RelatedField = serializers.SlugRelatedField(
        slug_field="slug", queryset=Schedule.objects.all(), required=False, allow_null=True
    )
    user = known_person(required=False, allow_null=True)
    team = known_team(required=False, allow_null=True)
    function = serializers.SlugField(max_length=64, required=False, allow_blank=True)


class LevelIn(Strict):
    timeout = Seconds(help_text="Seconds until the next level is asked.")
    targets = TargetIn(many=True, max_length=20)  # type: ignore[call-arg]


class ReplacePolicy(Strict):
    repeats = serializers.IntegerField(min_value=0, max_value=20, required=False)
    acknowledgement_expiry = Seconds(min_value=1, allow_null=True, default=None)
    levels = LevelIn(many=True, max_length=20)  # type: ignore[call-arg]


class CreatePolicy(ReplacePolicy):
    name = serializers.CharField(max_length=120)
    slug = serializers.SlugField(max_length=64, required=False)
    team = known_team(allow_null=True, default=None)


class SwitchPolicy(Strict):
    is_active = serializers.BooleanField()


class AssignPolicy(Strict):
    """Name a service or a team; neither means everything."""

    service = known_service(required=False, allow_null=True)
    team = known_team(required=False, allow_null=True)
    severity = serializers.ChoiceField(choices=Severity.choices, required=False, allow_blank=True)


class AssignmentOut(serializers.ModelSerializer):
    policy = serializers.CharField(source="policy.slug")
    service = named_by()
    team = named_by()

    class Meta:
        model = PolicyAssignment
        fields = ["id", "policy", "service", "team", "severity"]
        read_only_fields = fields


class PolicyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, HouseViewSet):
    """In which order people are asked, and how long each may take."""

    rules = {
        **dict.fromkeys(["list", "retrieve"], Rule.READ),
        **dict.fromkeys(["create", "update", "switch", "assign"], Rule.MANAGE),
    }
    queryset = EscalationPolicy.objects.with_ladder()
    serializer_class = PolicyOut
    lookup_field = "slug"
    lookup_value_regex = "[-a-zA-Z0-9_]+"

    @extend_schema(request=CreatePolicy, responses={201: PolicyOut})
    def create(self, request: Request) -> Response:
        """Write a policy. It does nothing before it is assigned."""
        asked = CreatePolicy(data=request.data)
        asked.is_valid(raise_exception=True)
        facts = asked.validated_data
        require_manages(self.actor, facts["team"].pk if facts["team"] else None)
        policy = services.create_policy(**facts, actor=self.actor)
        return Response(self._shown(policy), status=status.HTTP_201_CREATED)

    @extend_schema(request=ReplacePolicy, responses=PolicyOut)
    def update(self, request: Request, slug: str) -> Response:
        """Replace its levels and figures; running escalations follow from their next step on."""
        policy = self._managed()
        asked = ReplacePolicy(data=request.data)
        asked.is_valid(raise_exception=True)
        facts = dict(asked.validated_data)
        services.set_levels(policy, levels=facts.pop("levels"), actor=self.actor)
        return Response(self._shown(services.update_policy(policy, **facts, actor=self.actor)))

    @extend_schema(request=SwitchPolicy, responses=PolicyOut)
    @action(detail=True, methods=["post"], serializer_class=SwitchPolicy)
    def switch(self, request: Request, slug: str) -> Response:
        """Switch it on or off. Off, its incidents go to the last resort at once."""
        policy = services.set_active(self._managed(), actor=self.actor, **self.facts())
        return Response(self._shown(policy))

    @extend_schema(request=AssignPolicy, responses={201: AssignmentOut})
    @action(detail=True, methods=["post"], serializer_class=AssignPolicy)
    def assign(self, request: Request, slug: str) -> Response:
        """Have it apply to a service or team that you manage; to everything: administrators."""
        policy, facts = self.get_object(), self.facts()
        service, team = facts.get("service"), facts.get("team")
        require_manages(self.actor, _team_of(service, team))
        assignment = services.assign_policy(policy, **facts, actor=self.actor)
        return Response(AssignmentOut(assignment).data, status=status.HTTP_201_CREATED)

    def _managed(self) -> EscalationPolicy:
        policy = self.get_object()
        require_manages(self.actor, policy.team_id)
        return policy

    def _shown(self, policy: EscalationPolicy) -> dict[str, Any]:
        return PolicyOut(EscalationPolicy.objects.with_ladder().get(pk=policy.pk)).data


class AssignmentFilter(django_filters.FilterSet):
    service = django_filters.CharFilter(field_name="service__slug")
    team = django_filters.CharFilter(method="by_team", help_text="The team's and its services'.")

    class Meta:
        model = PolicyAssignment
        fields = ["service", "team", "severity"]

    def by_team(self, found: Any, _name: str, value: str) -> Any:
        return found.filter(Q(team__slug=value) | Q(service__team__slug=value))


class AssignmentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, HouseViewSet):
    """Where policies apply. The most specific assignment wins."""

    rules = {"list": Rule.READ, "retrieve": Rule.READ, "destroy": Rule.MANAGE}
    queryset = PolicyAssignment.objects.select_related("policy", "service", "team")
    serializer_class = AssignmentOut
    filterset_class = AssignmentFilter
    lookup_value_regex = "[0-9]+"

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """The next most specific assignment applies instead, or none."""
        assignment = self.get_object()
        require_manages(self.actor, _team_of(assignment.service, assignment.team))
        services.unassign_policy(assignment, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _team_of(service: Any, team: Any) -> int | None:
    if service is not None:
        return service.team_id
    return team.pk if team is not None else None
