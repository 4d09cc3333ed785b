"""The doors of this room: schedules, who is on call, rotations, and taking shifts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Prefetch
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.core.access import Rule, may_take_shifts, require_manages
from incidents.core.api.asks import known_person, known_team
from incidents.core.api.base import HouseViewSet, Instant, Nothing, Strict, named_by
from incidents.core.api.shapes import PersonOut
from incidents.core.errors import Forbidden
from incidents.oncall import services
from incidents.oncall.models import Override, Participant, Rotation, Schedule
from incidents.timers import clock

ROSTER_BY_DEFAULT, LONGEST_ROSTER = timedelta(days=14), timedelta(days=366)


class RotationOut(serializers.ModelSerializer):
    people = serializers.SerializerMethodField(help_text="In the order of their turns.")

    class Meta:
        model = Rotation
        fields = ["layer", "kind", "handover_weekday", "handover_time", "starts_on"]
        fields += ["begins_at", "ends_at", "people"]
        read_only_fields = fields

    @extend_schema_field(PersonOut(many=True))
    def get_people(self, rotation: Rotation) -> Any:
        return PersonOut([place.user for place in rotation.participants.all()], many=True).data


class OverrideOut(serializers.ModelSerializer):
    user = PersonOut()

    class Meta:
        model = Override
        fields = ["id", "user", "starts_at", "ends_at", "reason"]
        read_only_fields = fields


class ScheduleOut(serializers.ModelSerializer):
    team = named_by()
    on_call = serializers.SerializerMethodField(help_text="Who is on call now; null: nobody.")
    rotations = RotationOut(
        many=True, help_text="That count now, and those that follow them at their `ends_at`."
    )
    overrides = OverrideOut(
        source="upcoming", many=True, help_text="In force now or later, soonest first."
    )

    class Meta:
        model = Schedule
        fields = ["slug", "name", "team", "timezone", "on_call", "rotations", "overrides"]
        read_only_fields = fields

    @extend_schema_field(PersonOut(allow_null=True))
    def get_on_call(self, schedule: Schedule) -> Any:
        person = self.context["on_call"].get(schedule.pk)
        return PersonOut(person).data if person else None


class TurnOut(serializers.Serializer):
    user = PersonOut(allow_null=True, help_text="null: nobody is on call.")
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    is_override = serializers.BooleanField()


class CreateSchedule(Strict):
    name = serializers.CharField(max_length=120)
    slug = serializers.SlugField(max_length=64, required=False)
    timezone = serializers.CharField(max_length=64, help_text="e.g. Europe/Berlin")
    team = known_team(allow_null=True, default=None)


class SetRotation(Strict):
    kind = serializers.ChoiceField(choices=Rotation.Kind.choices)
    handover_weekday = serializers.IntegerField(
        min_value=0, max_value=6, required=False, help_text="0 is Monday; of a weekly rotation."
    )
    handover_time = serializers.TimeField(help_text="In the schedule's time zone.")
    starts_on = serializers.DateField()
    people = known_person(many=True)


class AddOverride(Strict):
    user = known_person()
    starts_at = Instant()
    ends_at = Instant()
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True)


class AssignSchedule(Strict):
    team = known_team()


class RosterPeriod(serializers.Serializer):
    start = Instant(required=False)
    end = Instant(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        start = attrs.get("start") or clock.now()
        end = attrs.get("end") or start + ROSTER_BY_DEFAULT
        if not start < end <= start + LONGEST_ROSTER:
            raise serializers.ValidationError({"end": "Ask for a year at most, start before end."})
        return {"start": start, "end": end}


class ScheduleViewSet(mixins.ListModelMixin, HouseViewSet):
    """Who is on call, by rotations and overrides."""

    rules = {
        **dict.fromkeys(["list", "retrieve", "roster"], Rule.READ),
        **dict.fromkeys(["create", "set_rotation", "assign"], Rule.MANAGE),
        # Of which team is judged by the schedule: people swap turns by themselves.
        **dict.fromkeys(["add_override", "remove_override"], Rule.RESPOND),
    }
    queryset = Schedule.objects.all()
    serializer_class = ScheduleOut
    filterset_fields = ["team__slug"]
    lookup_field = "slug"
    lookup_value_regex = "[-a-zA-Z0-9_]+"

    def get_queryset(self) -> Any:
        places = Participant.objects.select_related("user").order_by("position")
        now = clock.now()
        rotations = Rotation.objects.not_over(now).prefetch_related(
            Prefetch("participants", places)
        )
        upcoming = Override.objects.upcoming(now).select_related("user")
        return Schedule.objects.select_related("team").prefetch_related(
            Prefetch("rotations", rotations),
            Prefetch("overrides", upcoming, to_attr="upcoming"),
        )

    @extend_schema(responses=ScheduleOut(many=True))
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self._shape(page or [], many=True))

    def retrieve(self, request: Request, slug: str) -> Response:
        return self._shown(slug)

    @extend_schema(request=CreateSchedule, responses={201: ScheduleOut})
    def create(self, request: Request) -> Response:
        asked = CreateSchedule(data=request.data)
        asked.is_valid(raise_exception=True)
        team = asked.validated_data["team"]
        require_manages(self.actor, team.pk if team else None)
        schedule = services.create_schedule(**asked.validated_data, actor=self.actor)
        response = self._shown(schedule.slug)
        response.status_code = status.HTTP_201_CREATED
        return response

    @extend_schema(request=SetRotation, responses={200: ScheduleOut})
    @action(detail=True, methods=["post"], url_path="set-rotation", serializer_class=SetRotation)
    def set_rotation(self, request: Request, slug: str) -> Response:
        """Have these people take turns in this order, from the first turn on, never in the past."""
        schedule = self.get_object()
        require_manages(self.actor, schedule.team_id)
        services.set_rotation(schedule, actor=self.actor, **self.facts())
        return self._shown(slug)

    @extend_schema(request=AssignSchedule, responses={200: ScheduleOut})
    @action(detail=True, methods=["post"], serializer_class=AssignSchedule)
    def assign(self, request: Request, slug: str) -> Response:
        """Have this schedule answer for a team that you manage."""
        schedule, team = self.get_object(), self.facts()["team"]
        require_manages(self.actor, team.pk)
        services.assign_schedule(team, schedule=schedule, actor=self.actor)
        return self._shown(slug)

    @extend_schema(request=AddOverride, responses={201: OverrideOut})
    @action(
        detail=True,
        methods=["post"],
        url_path="overrides",
        url_name="overrides",
        serializer_class=AddOverride,
    )
    def add_override(self, request: Request, slug: str) -> Response:
        """Put somebody of the schedule's team on call for a while; it wins over the rotation."""
        schedule = self._shared()
        override = services.add_override(schedule, actor=self.actor, **self.facts())
        return Response(OverrideOut(override).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    @action(
        detail=True,
        methods=["delete"],
        url_path="overrides/(?P<override>[0-9]+)",
        url_name="override",
        serializer_class=Nothing,
    )
    def remove_override(self, request: Request, slug: str, override: str) -> Response:
        """The rotation counts again from now on."""
        schedule = self._shared()
        row = Override.objects.filter(pk=override, schedule=schedule).select_related("schedule")
        found = row.first()
        if found is None:
            raise Http404("There is no such override.")
        services.remove_override(found, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        responses=TurnOut(many=True),
        filters=False,
        parameters=[
            OpenApiParameter("start", type=datetime, description="Default: now."),
            OpenApiParameter("end", type=datetime, description="Default: two weeks later."),
        ],
    )
    @action(detail=True, serializer_class=TurnOut, pagination_class=None, filter_backends=[])
    def roster(self, request: Request, slug: str) -> Response:
        """The turns of a period, without a hole: what nobody covers is there as well."""
        asked = RosterPeriod(data=request.query_params)
        asked.is_valid(raise_exception=True)
        schedule = self.get_object()
        turns = services.roster([schedule], **asked.validated_data)[schedule.pk]
        return Response(TurnOut(turns, many=True).data)

    def _shared(self) -> Schedule:
        schedule = self.get_object()
        if not may_take_shifts(self.actor, schedule.team_id):
            raise Forbidden("Only responders and managers of the schedule's team swap its shifts.")
        return schedule

    def _shown(self, slug: str) -> Response:
        schedule = self.get_queryset().filter(slug=slug).first()
        if schedule is None:
            raise Http404("There is no such schedule.")
        return Response(self._shape([schedule], many=False))

    def _shape(self, schedules: Sequence[Schedule], *, many: bool) -> Any:
        on_call = services.people_on_call(schedules, clock.now())
        context = {**self.get_serializer_context(), "on_call": on_call}
        shown = ScheduleOut(schedules if many else schedules[0], many=many, context=context)
        return shown.data
