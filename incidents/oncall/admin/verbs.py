"""The verbs of a schedule as buttons: each with the form that asks for what it needs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import QuerySet
from django.utils import timezone

from incidents.core.access import may_take_shifts
from incidents.core.adminsite import MomentField, Verb, VerbForm, offer
from incidents.core.models import Team, User
from incidents.oncall import services
from incidents.oncall.admin.tables import local, upcoming
from incidents.oncall.models import Override, Rotation, Schedule, TeamSchedule, Weekday
from incidents.timers import clock

SPARE_PLACES = 5


def _active_people() -> QuerySet[User]:
    return User.objects.filter(is_active=True).order_by("first_name", "last_name", "username")


class RotationForm(VerbForm):
    kind = forms.ChoiceField(choices=Rotation.Kind.choices, label="Hand-over")
    handover_weekday = forms.TypedChoiceField(
        choices=Weekday.choices, coerce=int, label="On", help_text="Of a weekly rotation."
    )
    handover_time = forms.TimeField(
        label="At", widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    )
    starts_on = forms.DateField(
        help_text="The first person's turn begins on this day at the hand-over time. A time that "
        "is past means now: who was on call until then stays as it was.",
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def prepare(self) -> None:
        """Fill in the rotation from its next hand-over on, and give some more places."""
        rotation = self.subject.rotations.filter(ends_at=None).order_by("layer").first()
        people: list[User] = []
        if rotation is not None:
            for name in ["kind", "handover_weekday", "handover_time"]:
                self.fields[name].initial = getattr(rotation, name)
            self.fields["starts_on"].initial, people = services.next_in_turn(rotation)
        else:
            self.fields["kind"].initial = Rotation.Kind.WEEKLY
            self.fields["starts_on"].initial = clock.now().astimezone(self.subject.zone).date()
        self.fields["handover_time"].help_text = f"In {self.subject.timezone}."
        self._ask_for(people)

    def _ask_for(self, people: Sequence[User]) -> None:
        """Places for those who take turns now, in their order, and for some more.

        Who was deactivated stays in view, to be replaced rather than left out unseen.
        """
        everybody: list[tuple[Any, str]] = [("", "—")]
        everybody += [(user.pk, str(user)) for user in _active_people()]
        everybody += [
            (user.pk, f"{user} (deactivated: choose somebody else)")
            for user in people
            if not user.is_active
        ]
        for place in range(len(people) + SPARE_PLACES):
            field = forms.TypedChoiceField(
                choices=everybody, coerce=int, empty_value=None, required=False
            )
            field.label = f"{place + 1}. in turn"
            field.initial = people[place].pk if place < len(people) else None
            # Not one alone is, but "(optional)" at each says nothing.
            field.is_needed = True  # type: ignore[attr-defined]
            self.fields[f"person_{place}"] = field

    def clean(self) -> dict[str, Any]:
        """The places in their order, without the empty ones, are the people."""
        facts = super().clean() or self.cleaned_data
        places = [name for name in self.fields if name.startswith("person_")]
        chosen = [facts.pop(name, None) for name in places]
        people = [user_id for user_id in chosen if user_id is not None]
        if not people:
            raise forms.ValidationError("Choose at least one person, or nobody would be on call.")
        return {**facts, "people": people}


class ZonedMoment(MomentField):
    """A day and a time in `zone`, which the form sets when it knows the schedule."""

    zone: ZoneInfo

    def compress(self, data_list: Any) -> datetime | None:
        with timezone.override(self.zone):
            return super().compress(data_list)


class OverrideForm(VerbForm):
    user = forms.ModelChoiceField(User.objects.none(), label="Person")
    starts_at = ZonedMoment(label="From")
    ends_at = ZonedMoment(label="Until")
    reason = forms.CharField(max_length=200, required=False)

    def prepare(self) -> None:
        self.fields["user"].queryset = _active_people()  # type: ignore[attr-defined]
        # A text as it is in the schedule's zone: the widget would show a moment in the reader's.
        now = clock.now().astimezone(self.subject.zone).replace(second=0, tzinfo=None)
        self.fields["starts_at"].initial = [now.date(), now.time()]
        for name in ["starts_at", "ends_at"]:
            self.fields[name].zone = self.subject.zone  # type: ignore[attr-defined]
            self.fields[name].help_text = f"In {self.subject.timezone}."


class OverrideChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        zone = obj.schedule.zone
        return f"{obj.user}, {local(obj.starts_at, zone)} – {local(obj.ends_at, zone)}"


class RemoveForm(VerbForm):
    override = OverrideChoice(
        Override.objects.none(), help_text="One that has begun is cut short, now."
    )

    def prepare(self) -> None:
        self.fields["override"].queryset = upcoming(self.subject)  # type: ignore[attr-defined]


class AssignForm(VerbForm):
    team = forms.ModelChoiceField(
        Team.objects.none(), help_text="Instead of the schedule that answers for it until now."
    )

    def prepare(self) -> None:
        self.fields["team"].queryset = _teams_of(self.user).exclude(  # type: ignore[attr-defined]
            schedule_assignment__schedule=self.subject
        )


class UnassignForm(VerbForm):
    team = forms.ModelChoiceField(Team.objects.none(), help_text="No schedule answers for it then.")

    def prepare(self) -> None:
        self.fields["team"].queryset = _teams_of(self.user).filter(  # type: ignore[attr-defined]
            schedule_assignment__schedule=self.subject
        )


def _teams_of(user: User) -> QuerySet[Team]:
    teams = Team.objects.order_by("name")
    return teams if user.is_superuser else teams.filter(pk__in=user.managed_teams)


def _on_call_sentence(schedule: Schedule) -> str:
    user = services.on_call_now(schedule)
    return f"{user} is on call now." if user else "Nobody is on call now."


offer(
    "oncall.schedule",
    Verb(
        "rotation",
        "Set the rotation",
        lambda schedule, actor, facts: services.set_rotation(schedule, **facts, actor=actor),
        form=RotationForm,
        may=lambda user, schedule: user.manages(schedule.team_id),
        order=10,
        hint="These people take turns in this order, one after the other, and start over after the "
        "last. The present rotation counts until the first turn begins; overrides stay.",
        done=lambda schedule, _: f"The rotation is set. {_on_call_sentence(schedule)}",
    ),
    Verb(
        "override",
        "Add an override",
        lambda schedule, actor, facts: services.add_override(schedule, **facts, actor=actor),
        form=OverrideForm,
        may=lambda user, schedule: may_take_shifts(user, schedule.team_id),
        order=20,
        adds=True,
        hint="One person is on call in this time, whoever's turn it is. Of overrides that overlap, "
        "the one that was made later wins.",
        done=lambda _, facts: f"{facts['user']} is on call in that time.",
    ),
    Verb(
        "end-override",
        "End an override",
        lambda _, actor, facts: services.remove_override(facts["override"], actor=actor),
        form=RemoveForm,
        may=lambda user, schedule: may_take_shifts(user, schedule.team_id),
        when=lambda schedule: upcoming(schedule).exists(),
        order=30,
        done=lambda schedule, _: f"The override is ended. {_on_call_sentence(schedule)}",
    ),
    Verb(
        "assign",
        "Make it the schedule of a team",
        lambda schedule, actor, facts: services.assign_schedule(
            facts["team"], schedule=schedule, actor=actor
        ),
        form=AssignForm,
        may=lambda user, _: user.may_manage,
        order=40,
        hint="Levels that ask “who is on call” of that team ask this schedule then.",
        done=lambda schedule, facts: f"{schedule} answers for {facts['team']}.",
    ),
    Verb(
        "unassign",
        "Take it away from a team",
        lambda _, actor, facts: services.assign_schedule(facts["team"], schedule=None, actor=actor),
        form=UnassignForm,
        may=lambda user, _: user.may_manage,
        when=lambda schedule: schedule.team_assignments.exists(),
        order=50,
        group="more",
        done=lambda _, facts: f"No schedule answers for {facts['team']} any more.",
    ),
)
offer(
    "incidents.team",
    Verb(
        "default-schedule",
        "Make its schedule",
        lambda team, actor, _: services.default_schedule_for(team, actor=actor),
        may=lambda user, team: user.manages(team.pk),
        when=lambda team: not TeamSchedule.objects.filter(team=team).exists(),
        order=50,
        hint="A weekly schedule of the team's responders and managers, in the order in which they "
        "joined, handed over on Mondays at 09:00 in the team's time zone. It answers for the team "
        "at once; its rotation can be changed afterwards.",
        done="The schedule is made and answers for the team: somebody is on call from now on.",
    ),
)
