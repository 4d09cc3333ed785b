"""Action items over the API: one's own and everybody's, progress, evidence, comments, imports."""

from datetime import date
from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.core.access import Rule
from incidents.core.api.asks import Reason, known_person, known_team, written
from incidents.core.api.base import HouseViewSet, IncidentDoor, Nothing, Strict, named_by
from incidents.core.api.shapes import PersonOut
from incidents.core.errors import DomainError
from incidents.core.models import Incident, User
from incidents.core.rest import NewestFirst
from incidents.reviews import services
from incidents.reviews.models import ActionItem, ItemEntry, Suspicion, Why
from incidents.reviews.services.actions import EARLIEST, LATEST
from incidents.timers import clock


class ActionItemOut(serializers.ModelSerializer):
    incident = serializers.CharField(source="incident.reference")
    team = named_by()
    service = named_by()
    owner = PersonOut(allow_null=True)
    owning_team = named_by()
    is_overdue = serializers.SerializerMethodField(
        help_text="Past its day; or nobody owns it, which is overdue from the first day on."
    )

    class Meta:
        model = ActionItem
        fields = [
            *("id", "incident", "team", "service", "incident_type", "title", "detail", "kind"),
            *("priority", "is_required", "state", "owner", "owning_team", "waits_since", "due_on"),
            *("is_overdue", "why", "source", "created_at", "started_at", "done_at", "evidence"),
            *("prove_on", "watched_until", "verified_at", "proof", "declined_at"),
            *("decline_reason", "is_suspected", "failures"),
        ]
        read_only_fields = fields

    def get_is_overdue(self, item: ActionItem) -> bool:
        return item.is_overdue(clock.now().date())


class ItemEntryOut(serializers.ModelSerializer):
    actor = PersonOut(allow_null=True)

    class Meta:
        model = ItemEntry
        fields = ["id", "kind", "at", "actor", "text"]
        read_only_fields = fields


class SuspicionOut(serializers.ModelSerializer):
    incident = serializers.SerializerMethodField(help_text="null: a private one, not for you.")
    decided_by = PersonOut(allow_null=True)

    class Meta:
        model = Suspicion
        fields = ["id", "incident", "at", "verdict", "decided_at", "decided_by", "note"]
        read_only_fields = fields

    def get_incident(self, suspicion: Suspicion) -> str | None:
        seen: set[int] | None = self.context.get("seen")
        known = seen is None or suspicion.incident_id in seen
        return suspicion.incident.reference if known else None


class ActionItemDetail(ActionItemOut):
    entries = ItemEntryOut(many=True)
    suspicions = SuspicionOut(many=True)

    class Meta(ActionItemOut.Meta):
        fields = [*ActionItemOut.Meta.fields, "entries", "suspicions"]
        read_only_fields = fields


class Day(serializers.DateField):
    """A day between 2000 and 2200, as instants are."""

    def to_internal_value(self, value: Any) -> date:
        day: date = super().to_internal_value(value)
        if not EARLIEST <= day < LATEST:
            raise serializers.ValidationError("Write a day between 2000 and 2200.", code="range")
        return day


class NewItem(Strict):
    title = written(longest=300)
    detail = written(optional=True)
    kind = serializers.ChoiceField(choices=ActionItem.Kind.choices, required=False)
    priority = serializers.ChoiceField(choices=ActionItem.Priority.choices, required=False)
    owner = known_person(required=False, allow_null=True)
    owning_team = known_team(required=False, allow_null=True)
    due_on = Day(required=False, help_text="Default: by the runbook and the priority.")
    is_required = serializers.BooleanField(
        required=False, help_text="Default: where the priority is high."
    )
    why = serializers.PrimaryKeyRelatedField(
        queryset=Why.objects.select_related("review"), required=False, allow_null=True
    )


class ItemChange(Strict):
    title = written(longest=300)
    detail = written(optional=True)
    kind = serializers.ChoiceField(choices=ActionItem.Kind.choices)
    priority = serializers.ChoiceField(choices=ActionItem.Priority.choices)
    due_on = Day()
    is_required = serializers.BooleanField()

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        for field in fields.values():
            field.required = False
        return fields


class Owner(Strict):
    """A person or a team; neither: it waits for an owner."""

    owner = known_person(required=False, allow_null=True)
    owning_team = known_team(required=False, allow_null=True)


class Evidence(Strict):
    evidence = written()


class Proof(Strict):
    proof = written()


class Comment(Strict):
    text = written()


class Judgement(Strict):
    suspicion = serializers.IntegerField(min_value=1, max_value=2_147_483_647)
    note = written()


class Imported(Strict):
    title = written(longest=300)
    detail = written(optional=True)
    owner = written(optional=True, longest=254)
    priority = written(optional=True, longest=32)
    kind = written(optional=True, longest=32)
    due = Day(required=False)


class Import(Strict):
    source = written(longest=120)  # type: ignore[assignment]
    items = Imported(many=True)


class Proposal(Strict):
    section = written(longest=120)
    text = written()
    priority = serializers.ChoiceField(choices=ActionItem.Priority.choices, required=False)


class DueFirst(NewestFirst):
    """What is due first comes first."""

    def get_ordering(self, request: Any, queryset: Any, view: Any) -> tuple[str, ...]:
        return ("due_on", "pk")


class ActionItemFilter(django_filters.FilterSet):
    owner = django_filters.CharFilter(method="by_owner", help_text="A username, or: me, nobody.")
    team = django_filters.CharFilter(field_name="team__slug")
    service = django_filters.CharFilter(field_name="service__slug")
    incident = django_filters.CharFilter(field_name="incident__reference")
    is_pending = django_filters.BooleanFilter(method="by_pending", help_text="Still to be done.")
    is_overdue = django_filters.BooleanFilter(method="by_overdue")

    class Meta:
        model = ActionItem
        fields = ["state", "kind", "priority", "is_required", "is_suspected"]

    def by_owner(self, items: QuerySet, _name: str, value: str) -> QuerySet:
        if value == "me":
            return items.filter(owner=self.request.user)
        if value == "nobody":
            return items.filter(owner=None, owning_team=None)
        return items.filter(owner__username=value)

    def by_pending(self, items: Any, _name: str, value: bool) -> QuerySet:
        pending = ActionItem.objects.pending()
        return items.filter(pk__in=pending) if value else items.exclude(pk__in=pending)

    def by_overdue(self, items: Any, _name: str, value: bool) -> QuerySet:
        late = ActionItem.objects.overdue(clock.now().date())
        return items.filter(pk__in=late) if value else items.exclude(pk__in=late)


def verb(ask: type[Strict], name: str) -> Any:
    """POST /action-items/{id}/<name>/: takes `ask`, answers with the item."""

    def decorate(method: Any) -> Any:
        route = action(detail=True, methods=["post"], url_path=name, serializer_class=ask)
        described = extend_schema(
            operation_id=f"action_items_{method.__name__}",
            request=None if ask is Nothing else ask,
            responses={200: ActionItemDetail},
        )
        return described(route(method))

    return decorate


class ActionItemViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, HouseViewSet):
    """What was agreed after incidents; `?owner=me` gives one's own, what is due first."""

    rules = {
        **dict.fromkeys(["list", "retrieve"], Rule.READ),
        **dict.fromkeys(
            ["partial_update", "assign", "start", "finish", "verify", "reopen", "comment"],
            Rule.RESPOND,
        ),
        **dict.fromkeys(["confirm", "reject"], Rule.RESPOND),
        "decline": Rule.MANAGE,
    }
    queryset = ActionItem.objects.all()
    serializer_class = ActionItemOut
    filterset_class = ActionItemFilter
    pagination_class = DueFirst
    lookup_value_regex = "[0-9]{1,15}"

    def get_queryset(self) -> QuerySet[ActionItem]:
        if self.is_described:
            return ActionItem.objects.none()
        seen = ActionItem.objects.visible_to(self.actor).with_context()
        return seen

    def get_serializer_class(self) -> Any:
        if self.action == "retrieve":
            return ActionItemDetail
        return ItemChange if self.action == "partial_update" else super().get_serializer_class()

    @extend_schema(responses=ActionItemDetail)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._shown(self.get_object())

    @extend_schema(request=ItemChange, responses=ActionItemDetail)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Other words, another day, kind or priority; what is left out stays."""
        return self._done(services.change_item, **self.facts())

    @verb(Owner, "assign")
    def assign(self, request: Request, pk: str) -> Response:
        """Give it to a person or a team; its new owner is told."""
        return self._done(services.assign_item, **self.facts())

    @verb(Nothing, "start")
    def start(self, request: Request, pk: str) -> Response:
        """You work on it; what nobody owns is yours by that."""
        return self._done(services.start_item)

    @verb(Evidence, "finish")
    def finish(self, request: Request, pk: str) -> Response:
        """It is done, and this shows it: a link, or words."""
        return self._done(services.finish_item, **self.facts())

    @verb(Proof, "verify")
    def verify(self, request: Request, pk: str) -> Response:
        """It helped, and this shows it."""
        return self._done(services.verify_item, **self.facts())

    @verb(Reason, "decline")
    def decline(self, request: Request, pk: str) -> Response:
        """It will not be done, says a manager of its team."""
        return self._done(services.decline_item, **self.facts())

    @verb(Reason, "reopen")
    def reopen(self, request: Request, pk: str) -> Response:
        """It was not done, or did not help."""
        return self._done(services.reopen_item, **self.facts())

    @verb(Comment, "comment")
    def comment(self, request: Request, pk: str) -> Response:
        """A word about it, in Markdown."""
        return self._done(services.comment_item, **self.facts())

    @verb(Judgement, "confirm-suspicion")
    def confirm(self, request: Request, pk: str) -> Response:
        """It happened again because this failed: it is to be done anew."""
        return self._judge(services.confirm_suspicion)

    @verb(Judgement, "reject-suspicion")
    def reject(self, request: Request, pk: str) -> Response:
        """It happened again for another reason."""
        return self._judge(services.reject_suspicion)

    def _judge(self, judge: Any) -> Response:
        item, facts = self.get_object(), self.facts()
        suspicion = item.suspicions.select_related("item").filter(pk=facts["suspicion"]).first()
        if suspicion is None:
            raise DomainError("This item is not suspected by that.", field="suspicion")
        judge(suspicion, actor=self.actor, note=facts["note"])
        return self._shown(item)

    def _done(self, do: Any, **facts: Any) -> Response:
        item = self.get_object()
        do(item, actor=self.actor, **facts)
        return self._shown(item)

    def _shown(self, item: ActionItem) -> Response:
        return Response(shown(item.pk, self.actor))


class IncidentItemsViewSet(IncidentDoor):
    """What is agreed after one incident."""

    pagination_class = DueFirst

    rules = {
        "action_items": Rule.READ,
        **dict.fromkeys(["add", "take_in", "propose"], Rule.RESPOND),
    }
    serializer_class = ActionItemOut

    def get_serializer_class(self) -> Any:
        asked = {"add": NewItem, "take_in": Import, "propose": Proposal}
        return asked.get(self.action, ActionItemOut)

    @extend_schema(
        responses=ActionItemOut(many=True), filters=False, operation_id="incident_items_list"
    )
    @action(detail=True, filter_backends=[], url_path="action-items")
    def action_items(self, request: Request, reference: str) -> Response:
        """What is due first comes first."""
        items = ActionItem.objects.filter(incident=self.incident()).with_context()
        page = self.paginate_queryset(items)
        return self.get_paginated_response(ActionItemOut(page, many=True).data)

    @extend_schema(
        request=NewItem, responses={201: ActionItemDetail}, operation_id="incident_items_add"
    )
    @action_items.mapping.post
    def add(self, request: Request, reference: str) -> Response:
        """Agree on something to be done; its owner is told."""
        item = services.add_item(self.incident(), actor=self.actor, **self.facts())
        return Response(shown(item.pk, self.actor), status=status.HTTP_201_CREATED)

    @extend_schema(
        request=Import,
        responses={201: ActionItemOut(many=True)},
        filters=False,
        operation_id="incident_items_import",
    )
    @action(
        detail=True,
        methods=["post"],
        filter_backends=[],
        pagination_class=None,
        url_path="action-items/import",
    )
    def take_in(self, request: Request, reference: str) -> Response:
        """Take in what was agreed elsewhere, once; who is not known here does not own it."""
        facts = self.facts()
        made = services.import_items(
            self.incident(), facts["items"], actor=self.actor, source=facts["source"]
        )
        found = ActionItem.objects.filter(pk__in=[item.pk for item in made]).with_context()
        said = ActionItemOut(found.order_by("pk"), many=True).data
        return Response(said, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=Proposal,
        responses={201: ActionItemDetail},
        operation_id="incident_propose_runbook_change",
    )
    @action(detail=True, methods=["post"], url_path="propose-runbook-change")
    def propose(self, request: Request, reference: str) -> Response:
        """The runbook should say something else: an item for whoever keeps it."""
        made = services.propose_runbook_change(self.incident(), actor=self.actor, **self.facts())
        return Response(shown(made.item_id, self.actor), status=status.HTTP_201_CREATED)


def shown(pk: int, reader: User) -> Any:
    """One item with all that became of it; incidents that the reader may not see stay unnamed."""
    wanted = ["entries__actor", "suspicions__incident", "suspicions__decided_by"]
    item = ActionItem.objects.with_context().prefetch_related(*wanted).get(pk=pk)
    others = [one.incident_id for one in item.suspicions.all()]
    seen = Incident.objects.visible_to(reader).filter(pk__in=others)
    return ActionItemDetail(item, context={"seen": set(seen.values_list("pk", flat=True))}).data
