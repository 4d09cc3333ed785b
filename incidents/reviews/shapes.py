"""How reviews look from outside, and what each of their verbs asks for."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from incidents.core.api.asks import known_person, written
from incidents.core.api.base import Instant, Nothing, Seconds, Strict, UnmetCriterion
from incidents.core.api.shapes import PersonOut, ServiceBrief
from incidents.core.models import Incident
from incidents.reviews import services
from incidents.reviews.models import Attendee, FollowUp, FollowUpStep, Review, ReviewState, Why
from incidents.reviews.services.stating import LONGEST

LONGEST_REASON = 2_000


# --- What is shown --------------------------------------------------------------------------------


class ReviewOut(serializers.ModelSerializer):
    """A review as lists show it."""

    incident = serializers.CharField(source="incident.reference")
    title = serializers.CharField(source="incident.title")
    service = ServiceBrief(source="incident.service")
    severity = serializers.CharField(source="incident.severity")
    is_drill = serializers.BooleanField(source="incident.is_drill")
    facilitator = PersonOut(allow_null=True)
    length = Seconds()

    class Meta:
        model = Review
        fields = [
            *("incident", "title", "service", "severity", "is_drill", "state", "is_required"),
            *("opened_at", "earliest_at", "latest_at", "scheduled_at", "length", "place"),
            *("facilitator", "held_at", "published_at", "closed_at", "waived_at", "suspended_at"),
        ]
        read_only_fields = fields


class AttendeeOut(serializers.ModelSerializer):
    user = PersonOut(allow_null=True, help_text="null: nobody is that yet.")

    class Meta:
        model = Attendee
        fields = ["id", "user", "role", "came"]
        read_only_fields = fields


class WhyOut(serializers.ModelSerializer):
    parent = serializers.IntegerField(  # type: ignore[assignment]
        source="parent_id", allow_null=True, help_text="The question that it asks behind."
    )
    by = PersonOut(allow_null=True, help_text="null: asked by itself.")

    class Meta:
        model = Why
        fields = ["id", "parent", "ask", "answer", "is_cause", "version", "by", "at"]
        read_only_fields = fields


class StepOut(serializers.ModelSerializer):
    done_by = PersonOut(allow_null=True)

    class Meta:
        model = FollowUpStep
        fields = ["id", "text", "done_by_state", "done_at", "done_by", "is_needed", "note", "link"]
        read_only_fields = fields


class FollowUpOut(serializers.ModelSerializer):
    owner = PersonOut(allow_null=True, help_text="null: whoever facilitates.")
    commands = serializers.ListField(child=serializers.CharField())
    steps = StepOut(many=True)

    class Meta:
        model = FollowUp
        fields = ["id", "title", "due_at", "role", "owner", "commands", "steps"]
        read_only_fields = fields


class AgendaPoint(serializers.Serializer):
    title = serializers.CharField()
    takes = Seconds(allow_null=True)
    topics = serializers.ListField(child=serializers.CharField())


class ReviewDetail(ReviewOut):
    """A review with everything that whoever runs it needs."""

    asked_by = PersonOut(allow_null=True)
    timeline_checked = serializers.SerializerMethodField()
    agenda = serializers.SerializerMethodField()
    ground_rules = serializers.SerializerMethodField()
    attendees = serializers.SerializerMethodField()
    whys = serializers.SerializerMethodField(help_text="A tree, by `parent`.")
    follow_ups = serializers.SerializerMethodField()
    moves = serializers.SerializerMethodField(help_text="The verbs that make sense now.")
    unmet = serializers.SerializerMethodField(
        help_text="What stands in the way of publishing; once published, of closing."
    )

    class Meta(ReviewOut.Meta):
        fields = [
            *(*ReviewOut.Meta.fields, "asked_by", "asked_reason", "waived_reason", "version"),
            *("impact", "users_affected", "revenue_lost", "currency", "data_lost"),
            *("downtime_minutes", "budget_minutes", "root_cause", "contributing_factors"),
            *("no_actions_reason", "timeline_checked", "agenda", "ground_rules", "attendees"),
            *("whys", "follow_ups", "moves", "unmet"),
        ]
        read_only_fields = fields

    def get_timeline_checked(self, review: Review) -> bool:
        return review.timeline_checked_at is not None

    @extend_schema_field(AgendaPoint(many=True))
    def get_agenda(self, review: Review) -> Any:
        return AgendaPoint(services.section_of(review).agenda, many=True).data

    def get_ground_rules(self, review: Review) -> list[str]:
        return services.section_of(review).rules_of_the_meeting

    @extend_schema_field(AttendeeOut(many=True))
    def get_attendees(self, review: Review) -> Any:
        return AttendeeOut(review.attendees.select_related("user"), many=True).data

    @extend_schema_field(WhyOut(many=True))
    def get_whys(self, review: Review) -> Any:
        return WhyOut(review.whys.select_related("by"), many=True).data

    @extend_schema_field(FollowUpOut(many=True))
    def get_follow_ups(self, review: Review) -> Any:
        plans = review.follow_ups.select_related("owner").prefetch_related("steps__done_by")
        return FollowUpOut(plans, many=True).data

    def get_moves(self, review: Review) -> list[str]:
        return services.moves_of(review)

    @extend_schema_field(UnmetCriterion(many=True))
    def get_unmet(self, review: Review) -> Any:
        if review.is_over:
            return []
        is_public = review.state == ReviewState.PUBLISHED
        missing = (services.unmet_to_close if is_public else services.unmet_to_publish)(review)
        return UnmetCriterion(missing, many=True).data


# --- What is asked --------------------------------------------------------------------------------


class Because(Strict):
    reason = written(longest=LONGEST_REASON)


class RequestReview(Strict):
    incident = serializers.CharField(max_length=120, help_text="Its reference.")
    reason = written(longest=LONGEST_REASON)


class Schedule(Strict):
    at = Instant()
    length = Seconds(required=False, help_text="Default: as its runbook says.")
    place = written(optional=True, longest=300)
    facilitator = known_person(required=False)
    reason = written(optional=True, longest=LONGEST_REASON)


class Hold(Strict):
    at = Instant(required=False, help_text="Default: now.")
    came = known_person(many=True, required=False)


class Invite(Strict):
    user = known_person()
    role = written(optional=True, longest=300)


class Publish(Strict):
    note = written(optional=True, longest=LONGEST_REASON)


class Versioned(Strict):
    """A change of what has a version: what else is left out stays, but that must be sent."""

    version = serializers.IntegerField(min_value=1, max_value=2_147_483_647)

    @property
    def partial(self) -> bool:
        """Never: whoever describes the API takes every field of a PATCH to be optional."""
        return False

    @partial.setter
    def partial(self, value: bool) -> None:
        pass


class Facts(Versioned):
    impact = written(optional=True, longest=LONGEST)
    users_affected = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=2_147_483_647
    )
    revenue_lost = serializers.DecimalField(
        max_digits=14, decimal_places=2, min_value=0, required=False, allow_null=True
    )
    currency = written(optional=True, longest=3)
    data_lost = serializers.ChoiceField(choices=Incident.DataLoss.choices, required=False)
    downtime_minutes = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=2_147_483_647
    )
    budget_minutes = serializers.DecimalField(
        max_digits=10, decimal_places=1, min_value=0, required=False, allow_null=True
    )
    root_cause = written(optional=True, longest=LONGEST)
    contributing_factors = written(optional=True, longest=LONGEST)
    no_actions_reason = written(optional=True, longest=LONGEST)
    timeline_checked = serializers.BooleanField(required=False)


class AskWhy(Strict):
    ask = written(longest=500)
    parent = serializers.IntegerField(  # type: ignore[assignment]
        required=False, min_value=1, max_value=9_223_372_036_854_775_807
    )
    answer = written(optional=True)


class AnswerWhy(Versioned):
    answer = written(optional=True)
    ask = serializers.CharField(required=False, max_length=500)
    is_cause = serializers.BooleanField(required=False)


class FinishStep(Strict):
    note = written(optional=True, longest=LONGEST_REASON)
    link = serializers.URLField(required=False, allow_blank=True, max_length=1_000)


class Assign(Strict):
    owner = known_person(allow_null=True)


ASKED: dict[str, type[serializers.Serializer]] = {
    "create": RequestReview,
    "partial_update": Facts,
    "schedule": Schedule,
    "cancel": Because,
    "hold": Hold,
    "invite": Invite,
    "publish": Publish,
    "close": Nothing,
    "waive": Because,
    "ask_why": AskWhy,
    "answer_why": AnswerWhy,
    "finish_step": FinishStep,
    "skip_step": Because,
    "undo_step": Nothing,
    "assign_follow_up": Assign,
}
