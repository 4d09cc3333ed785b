"""What a team decides on a review's page: when it meets, what is stated and published."""

from datetime import timedelta
from typing import Any

from django import forms

from incidents.core.adminsite import ClearDuration, MomentField, Verb, VerbForm, offer
from incidents.core.models import Incident, Role, User
from incidents.reviews import services
from incidents.reviews.models import Review, ReviewState
from incidents.reviews.services.recording import may_decide, moves_of
from incidents.reviews.services.stating import LARGEST

MODEL = "reviews.review"
HOUR = timedelta(hours=1)


def responders(incident: Incident) -> Any:
    """Whom something may be given to: those who act on incidents, of a private one who sees it."""
    people = User.objects.filter(is_active=True)
    if incident.is_private:
        people = people.filter(pk__in=incident.audience.values("pk"))
    else:
        acting = User.objects.filter(memberships__role__in=[Role.RESPONDER, Role.MANAGER])
        people = people.filter(pk__in=acting.values("pk")) | people.filter(is_superuser=True)
    return people.order_by("first_name", "username")


def text_field(
    label: str, *, longest: int = 2_000, rows: int = 2, **options: Any
) -> forms.CharField:
    return forms.CharField(
        label=label, max_length=longest, widget=forms.Textarea({"rows": rows}), **options
    )


# --- When it meets, and what becomes of it --------------------------------------------------------


class ScheduleForm(VerbForm):
    at = MomentField(label="When?")
    length = ClearDuration(label="How long?", help_text="01:00:00 is an hour.")
    place = forms.CharField(
        label="Where?", required=False, max_length=300, help_text="A room, or a link to join."
    )
    facilitator = forms.ModelChoiceField(label="Who runs it?", queryset=User.objects.none())
    reason = text_field(
        "Why at this time, where it is outside of what the runbook asks?", required=False
    )

    def prepare(self) -> None:
        people: Any = self.fields["facilitator"]
        people.queryset = responders(self.subject.incident)
        now = self.subject.scheduled_at or self.subject.earliest_at or self.subject.latest_at
        self.initial.setdefault("at", now)
        self.initial.setdefault("length", self.subject.length)
        self.initial.setdefault("place", self.subject.place)
        self.initial.setdefault("facilitator", self.subject.facilitator_id)


class HoldForm(VerbForm):
    at = MomentField(label="When was it?", required=False, help_text="Empty: now.")
    came = forms.ModelMultipleChoiceField(
        label="Who came?",
        required=False,
        queryset=User.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text="Nobody ticked: no list was kept.",
    )

    def prepare(self) -> None:
        people: Any = self.fields["came"]
        invited = self.subject.attendees.exclude(user=None).values("user")
        people.queryset = User.objects.filter(pk__in=invited).order_by("first_name", "username")


class ReasonForm(VerbForm):
    reason = text_field("Why?")


class PublishForm(VerbForm):
    note = text_field("A note on this revision", required=False)


def _may_decide(user: Any, review: Review) -> bool:
    return user.may_respond and may_decide(review, user)


def _is_possible(name: str) -> Any:
    return lambda review: name in moves_of(review)


def _hold(review: Review, actor: Any, facts: dict[str, Any]) -> Review:
    came = list(facts["came"]) or None
    return services.hold(review, actor=actor, at=facts["at"], came=came)


offer(
    MODEL,
    Verb(
        "schedule",
        "Schedule the meeting",
        lambda review, actor, facts: services.schedule(review, actor=actor, **facts),
        ScheduleForm,
        when=lambda review: review.state == ReviewState.DUE and "schedule" in moves_of(review),
        order=10,
        group="next",
        done="It is scheduled; everybody is invited.",
    ),
    Verb(
        "hold",
        "It was held",
        _hold,
        HoldForm,
        when=_is_possible("hold"),
        order=12,
        group="next",
        done="It was held. Write down what came of it, and publish it.",
    ),
    Verb(
        "publish",
        "Publish",
        lambda review, actor, facts: services.publish(review, actor=actor, **facts),
        PublishForm,
        may=_may_decide,
        when=_is_possible("publish"),
        order=14,
        group="next",
        done="It is published; its document stays as it is now.",
        hint="What is published stays as it is. What is found wrong later becomes a correction.",
    ),
    Verb(
        "close",
        "Close",
        lambda review, actor, facts: services.close(review, actor=actor),
        may=_may_decide,
        when=_is_possible("close"),
        order=16,
        group="next",
        done="It is closed: what was decided is done.",
        hint="Every step and every required action item must be done.",
    ),
    Verb(
        "reschedule",
        "Move the meeting",
        lambda review, actor, facts: services.schedule(review, actor=actor, **facts),
        ScheduleForm,
        when=lambda review: (
            review.state == ReviewState.SCHEDULED and "schedule" in moves_of(review)
        ),
        order=20,
        group="more",
        done="It is moved; everybody hears of it.",
    ),
    Verb(
        "cancel",
        "Cancel the meeting",
        lambda review, actor, facts: services.cancel(review, actor=actor, **facts),
        ReasonForm,
        when=_is_possible("cancel"),
        order=22,
        group="more",
        done="The meeting is cancelled; the review is still due.",
    ),
    Verb(
        "waive",
        "There is no review",
        lambda review, actor, facts: services.waive(review, actor=actor, **facts),
        ReasonForm,
        may=lambda user, review: (
            user.manages(review.incident.service.team_id)
            or (not review.is_required and review.asked_by_id == user.pk)
        ),
        when=_is_possible("waive"),
        order=24,
        group="more",
        grave=True,
        done="It is waived, and it is written down why.",
    ),
)


# --- What is stated -------------------------------------------------------------------------------


class FactsForm(VerbForm):
    users_affected = forms.IntegerField(
        label="Users affected", required=False, min_value=0, max_value=LARGEST
    )
    revenue_lost = forms.DecimalField(
        label="Revenue lost", required=False, min_value=0, max_digits=14, decimal_places=2
    )
    currency = forms.CharField(
        label="Currency", required=False, max_length=3, help_text="Three letters, e.g. EUR."
    )
    data_lost = forms.ChoiceField(label="Data loss", choices=Incident.DataLoss.choices)
    downtime_minutes = forms.IntegerField(
        label="Minutes down", required=False, min_value=0, max_value=LARGEST
    )
    budget_minutes = forms.DecimalField(
        label="Minutes of the error budget",
        required=False,
        min_value=0,
        max_digits=10,
        decimal_places=1,
        help_text="Empty: as many as it was down.",
    )
    no_actions_reason = text_field("Why is nothing to be done?", required=False, longest=20_000)

    def prepare(self) -> None:
        for name in self.fields:
            self.initial.setdefault(name, getattr(self.subject, name))

    def present(self) -> dict[str, object]:
        return {name: getattr(self.subject, name) for name in self.fields}


def _state_facts(review: Review, actor: Any, facts: dict[str, Any]) -> Review:
    """`facts` holds the version that the person saw: the page puts it there."""
    return services.write_facts(review, actor=actor, **facts)


def _check(review: Review, actor: Any, facts: dict[str, Any], *, is_right: bool) -> Review:
    return services.write_facts(
        review, actor=actor, version=review.version, timeline_checked=is_right
    )


def is_written(review: Review) -> bool:
    return review.state != ReviewState.WAIVED


offer(
    MODEL,
    Verb(
        "state-facts",
        "Figures of the impact",
        _state_facts,
        FactsForm,
        when=is_written,
        group="place",
        done="It is written down.",
    ),
    Verb(
        "check-timeline",
        "The timeline is right",
        lambda review, actor, facts: _check(review, actor, facts, is_right=True),
        when=lambda review: is_written(review) and review.timeline_checked_at is None,
        group="place",
        ask=False,
        adds=True,
        done="It is written down that the timeline was checked.",
    ),
    Verb(
        "uncheck-timeline",
        "Look at the timeline again",
        lambda review, actor, facts: _check(review, actor, facts, is_right=False),
        when=lambda review: is_written(review) and review.timeline_checked_at is not None,
        group="place",
        ask=False,
        adds=True,
        done="The timeline is to be looked at again.",
    ),
)
