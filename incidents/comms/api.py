"""The doors of this room: updates of an incident, who is told, channels and components."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.comms import services
from incidents.comms.letters import DRAFTS
from incidents.comms.models import (
    Audience,
    Component,
    CustomerNotice,
    Occasion,
    StakeholderAddress,
    Stakeholders,
    StatusUpdate,
    TeamChannel,
)
from incidents.comms.services.publishing import LONGEST
from incidents.core.access import Rule, require_manages
from incidents.core.api.asks import Reason, known_person, known_service, known_team, written
from incidents.core.api.base import HouseViewSet, IncidentDoor, Strict, named_by
from incidents.core.api.shapes import PersonOut, carry
from incidents.core.models import Incident, Severity
from incidents.notifications.models import Channel
from incidents.notifications.services import Address

# --- Updates of an incident -----------------------------------------------------------------------


class UpdateOut(serializers.ModelSerializer):
    author = PersonOut(allow_null=True, help_text="null: Tocsin itself.")
    on_time = serializers.BooleanField(
        source="is_on_time", allow_null=True, help_text="null: none was promised."
    )

    class Meta:
        model = StatusUpdate
        fields = [
            *("id", "audience", "number", "occasion", "status", "known", "done", "next", "eta"),
            *("author", "at", "due_at", "on_time", "next_due_at", "subject", "text"),
            *("public_text", "recipients"),
        ]
        read_only_fields = fields


class Update(Strict):
    audience = serializers.ChoiceField(choices=Audience.choices)
    known = written(longest=LONGEST["known"])
    done = written(optional=True, longest=LONGEST["done"])
    next = written(optional=True, longest=LONGEST["next"])
    eta = written(optional=True, longest=LONGEST["eta"])
    headline = written(optional=True, longest=LONGEST["headline"])
    occasion = serializers.ChoiceField(
        choices=Occasion.choices, required=False, help_text="Default: what fits."
    )


class Preview(Strict):
    """The same, of which nothing but the audience is needed yet."""

    audience = serializers.ChoiceField(choices=Audience.choices)
    known = written(optional=True, longest=LONGEST["known"])
    done = written(optional=True, longest=LONGEST["done"])
    next = written(optional=True, longest=LONGEST["next"])
    eta = written(optional=True, longest=LONGEST["eta"])
    headline = written(optional=True, longest=LONGEST["headline"])
    occasion = serializers.ChoiceField(choices=[(one, one) for one in DRAFTS], required=False)
    reason = written(optional=True, longest=1_000)
    requesting = written(optional=True, longest=200)


class DraftOut(serializers.Serializer):
    occasion = serializers.CharField()
    number = serializers.IntegerField()
    status = serializers.CharField()
    subject = serializers.CharField()
    text = serializers.CharField()
    html = serializers.CharField()
    public_text = serializers.CharField()
    next_due_at = serializers.DateTimeField(allow_null=True)
    recipients = serializers.IntegerField(help_text="To how many people and addresses it goes.")


class CustomerNoticeOut(serializers.ModelSerializer):
    decided_by = PersonOut(allow_null=True)

    class Meta:
        model = CustomerNotice
        fields = ["state", "why", "reason", "asked_at", "decided_by", "decided_at"]
        fields += ["wants_all_clear", "all_clear_at"]
        read_only_fields = fields


class CommunicationOut(serializers.Serializer):
    """How well promises to tell people were kept so far, and what is promised."""

    share_on_time = serializers.FloatField(
        allow_null=True, help_text="0 to 1, of the promised updates; null: none has been due."
    )
    on_time = serializers.IntegerField()
    late = serializers.IntegerField()
    missed = serializers.IntegerField(help_text="They did not come, and somebody was paged for it.")
    next_due_at = serializers.DictField(
        child=serializers.DateTimeField(), help_text="By audience: when the next update is due."
    )

    def to_representation(self, incident: Incident) -> Any:
        quality = services.quality_of(incident)
        facts = {
            **vars(quality),
            "share_on_time": quality.share,
            "next_due_at": services.promises(incident),
        }
        return super().to_representation(facts)


carry("communication", CommunicationOut)


class IncidentUpdatesViewSet(IncidentDoor):
    rules = {
        "updates": Rule.READ,
        **dict.fromkeys(["publish", "preview", "decline_customer_notice"], Rule.RESPOND),
    }
    serializer_class = UpdateOut

    def get_serializer_class(self) -> Any:
        asked = {"publish": Update, "preview": Preview, "decline_customer_notice": Reason}
        return asked.get(self.action, UpdateOut)

    @extend_schema(responses=UpdateOut(many=True), filters=False, operation_id="updates_list")
    @action(detail=True, filter_backends=[])
    def updates(self, request: Request, reference: str) -> Response:
        """What was told to whom, newest first."""
        told = StatusUpdate.objects.of(self.incident()).select_related("author")
        page = self.paginate_queryset(told)
        return self.get_paginated_response(UpdateOut(page, many=True).data)

    @extend_schema(request=Update, responses={201: UpdateOut}, operation_id="updates_publish")
    @updates.mapping.post
    def publish(self, request: Request, reference: str) -> Response:
        """Tell an audience where it stands; the next update is due one turn later."""
        update = services.publish_update(self.incident(), actor=self.actor, **self.facts())
        return Response(UpdateOut(update).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=Preview, responses={200: DraftOut}, operation_id="updates_preview")
    @action(detail=True, methods=["post"], url_path="updates/preview")
    def preview(self, request: Request, reference: str) -> Response:
        """How an update would read. Nothing is sent or recorded."""
        draft = services.preview(self.incident(), actor=self.actor, **self.facts())
        facts = {**vars(draft), "recipients": len(draft.recipients)}
        return Response(DraftOut(facts).data)

    @extend_schema(
        request=Reason,
        responses={200: CustomerNoticeOut},
        operation_id="decline_customer_notice",
    )
    @action(detail=True, methods=["post"], url_path="decline-customer-notice")
    def decline_customer_notice(self, request: Request, reference: str) -> Response:
        """Customers are not told, and this is why."""
        notice = services.decline_customer_notice(self.incident(), actor=self.actor, **self.facts())
        return Response(CustomerNoticeOut(notice).data)


# --- Who is told ----------------------------------------------------------------------------------


class AddressIn(Strict):
    kind = serializers.ChoiceField(choices=Channel.choices)
    address = serializers.CharField(max_length=500)


class AddressOut(serializers.ModelSerializer):
    address = serializers.CharField(source="masked_address")

    class Meta:
        model = StakeholderAddress
        fields = ["kind", "address"]
        read_only_fields = fields


class StakeholdersOut(serializers.ModelSerializer):
    service = named_by()
    team = named_by()
    people = PersonOut(many=True)
    addresses = AddressOut(many=True)

    class Meta:
        model = Stakeholders
        fields = ["id", "name", "service", "team", "audience", "minimum_severity"]
        fields += ["people", "addresses", "is_active"]
        read_only_fields = fields


class StakeholdersIn(Strict):
    name = serializers.CharField(max_length=120)
    service = known_service(allow_null=True, default=None)
    team = known_team(allow_null=True, default=None)
    audience = serializers.ChoiceField(choices=Audience.choices, default=Audience.INTERNAL)
    minimum_severity = serializers.ChoiceField(choices=Severity.choices, default=Severity.SEV4)
    people = known_person(many=True, required=False)
    addresses = AddressIn(many=True, required=False)


class StakeholdersChange(Strict):
    name = serializers.CharField(max_length=120, required=False)
    audience = serializers.ChoiceField(choices=Audience.choices, required=False)
    minimum_severity = serializers.ChoiceField(choices=Severity.choices, required=False)
    people = known_person(many=True, required=False)
    addresses = AddressIn(many=True, required=False)
    is_active = serializers.BooleanField(required=False)


class StakeholdersViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, HouseViewSet):
    """Lists of people and addresses that are told of incidents; addresses are masked."""

    rules = {
        **dict.fromkeys(["list", "retrieve"], Rule.READ),
        **dict.fromkeys(["create", "partial_update"], Rule.MANAGE),
    }
    queryset = Stakeholders.objects.select_related("service", "team").prefetch_related(
        "people", "addresses"
    )
    serializer_class = StakeholdersOut
    filterset_fields = ["audience", "is_active", "service__slug", "team__slug"]
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self) -> Any:
        asked = {"create": StakeholdersIn, "partial_update": StakeholdersChange}
        return asked.get(self.action, StakeholdersOut)

    @extend_schema(request=StakeholdersIn, responses={201: StakeholdersOut})
    def create(self, request: Request) -> Response:
        """Make a list of a service, a team, or (administrators) the organisation."""
        facts = _with_addresses(self.facts())
        service, team = facts["service"], facts["team"]
        owner = service.team_id if service else team.pk if team else None
        require_manages(self.actor, owner)
        made = services.create_stakeholders(**facts, actor=self.actor)
        return self._shown(made.pk, status.HTTP_201_CREATED)

    @extend_schema(request=StakeholdersChange, responses=StakeholdersOut)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change who is on it, from which severity on they are told, or switch it off."""
        stakeholders = self.get_object()
        require_manages(self.actor, stakeholders.owner_id)
        facts = _with_addresses(self.facts())
        services.change_stakeholders(stakeholders, actor=self.actor, **facts)
        return self._shown(stakeholders.pk, status.HTTP_200_OK)

    def _shown(self, pk: int, code: int) -> Response:
        found: QuerySet[Stakeholders] = self.get_queryset()
        return Response(StakeholdersOut(found.get(pk=pk)).data, status=code)


def _with_addresses(facts: dict[str, Any]) -> dict[str, Any]:
    given = facts.get("addresses")
    if given is None:
        return {name: value for name, value in facts.items() if name != "addresses"}
    return {**facts, "addresses": [Address(one["kind"], one["address"]) for one in given]}


# --- Channels and components ----------------------------------------------------------------------


class ChannelOut(serializers.ModelSerializer):
    team = named_by()
    address = serializers.CharField(source="masked_address")

    class Meta:
        model = TeamChannel
        fields = ["id", "name", "team", "kind", "address", "is_active"]
        read_only_fields = fields


class ChannelIn(Strict):
    name = serializers.CharField(max_length=80)
    team = known_team(allow_null=True, default=None)
    kind = serializers.ChoiceField(choices=Channel.choices)
    address = serializers.CharField(max_length=500)


class ChannelChange(Strict):
    is_active = serializers.BooleanField(required=False)


class ChannelViewSet(mixins.ListModelMixin, HouseViewSet):
    """Where posts go when an incident is declared and when it is resolved."""

    rules = {"list": Rule.READ, "create": Rule.MANAGE, "partial_update": Rule.MANAGE}
    queryset = TeamChannel.objects.select_related("team")
    serializer_class = ChannelOut
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self) -> Any:
        asked = {"create": ChannelIn, "partial_update": ChannelChange}
        return asked.get(self.action, ChannelOut)

    @extend_schema(request=ChannelIn, responses={201: ChannelOut})
    def create(self, request: Request) -> Response:
        """Make a channel of a team that you manage, or (administrators) of every team."""
        facts = self.facts()
        require_manages(self.actor, facts["team"].pk if facts["team"] else None)
        made = services.create_channel(**facts, actor=self.actor)
        return Response(ChannelOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ChannelChange, responses=ChannelOut)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Switch it on or off; without a body it stays as it is."""
        channel = self.get_object()
        require_manages(self.actor, channel.team_id)
        changed = services.change_channel(channel, actor=self.actor, **self.facts())
        return Response(ChannelOut(changed).data)


class ComponentOut(serializers.ModelSerializer):
    service = named_by()

    class Meta:
        model = Component
        fields = ["id", "service", "name", "description", "group", "position", "is_active", "since"]
        read_only_fields = fields


class ComponentIn(Strict):
    service = known_service()
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    group = serializers.CharField(max_length=80, required=False, allow_blank=True)
    position = serializers.IntegerField(min_value=0, max_value=32_767, required=False)
    is_active = serializers.BooleanField(required=False)


class ComponentChange(Strict):
    name = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    group = serializers.CharField(max_length=80, required=False, allow_blank=True)
    position = serializers.IntegerField(min_value=0, max_value=32_767, required=False)
    is_active = serializers.BooleanField(required=False)


class ComponentViewSet(mixins.ListModelMixin, HouseViewSet):
    """Services as the public status page shows them."""

    rules = {"list": Rule.READ, "create": Rule.MANAGE, "partial_update": Rule.MANAGE}
    queryset = Component.objects.select_related("service")
    serializer_class = ComponentOut
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self) -> Any:
        asked = {"create": ComponentIn, "partial_update": ComponentChange}
        return asked.get(self.action, ComponentOut)

    @extend_schema(request=ComponentIn, responses={200: ComponentOut})
    def create(self, request: Request) -> Response:
        """Show a service on the status page, or change how it is shown there."""
        facts = self.facts()
        require_manages(self.actor, facts["service"].team_id)
        return Response(ComponentOut(services.set_component(actor=self.actor, **facts)).data)

    @extend_schema(request=ComponentChange, responses=ComponentOut)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change how it is shown, or take it off the page; what is left out stays."""
        component = self.get_object()
        require_manages(self.actor, component.service.team_id)
        changed = services.change_component(component, actor=self.actor, **self.facts())
        return Response(ComponentOut(changed).data)
