"""What a team agrees on while it meets: why it happened, what is done about it, by whom."""

from typing import Any

from django import forms

from incidents.core.adminsite import Verb, VerbForm, offer
from incidents.core.models import User
from incidents.reviews import services
from incidents.reviews.admin.meeting import MODEL, is_written, responders, text_field
from incidents.reviews.models import ActionItem, FollowUpStep, Review, Why


class OfReview(VerbForm):
    """Refers to rows of this review only."""

    def narrow(self, name: str, rows: Any) -> None:
        field: Any = self.fields[name]
        field.queryset = rows


class AskForm(OfReview):
    parent = forms.ModelChoiceField(
        label="Behind which answer?", required=False, queryset=Why.objects.none()
    )
    ask = forms.CharField(label="Why …?", max_length=500)
    answer = forms.CharField(label="Because …", required=False, max_length=10_000)

    def prepare(self) -> None:
        self.narrow("parent", self.subject.whys.all())


class AnswerForm(OfReview):
    why = forms.ModelChoiceField(label="Which question?", queryset=Why.objects.none())
    answer = forms.CharField(label="Because …", max_length=10_000)
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def prepare(self) -> None:
        self.narrow("why", self.subject.whys.all())
        if why := self._chosen(self.initial.get("why", "")):
            self.initial.update({"answer": why.answer, "version": why.version})

    def present(self) -> dict[str, object]:
        why = self._chosen(self.data.get("why", ""))
        return {"answer": why.answer} if why else {}

    def _chosen(self, given: Any) -> Why | None:
        number = str(given)
        if not number.isascii() or not number.isdecimal() or len(number) > 18:
            return None
        return self.subject.whys.filter(pk=number).first()


class WhyForm(OfReview):
    why = forms.ModelChoiceField(label="Which question?", queryset=Why.objects.none())

    def prepare(self) -> None:
        self.narrow("why", self.subject.whys.all())


class AgreeForm(OfReview):
    title = forms.CharField(label="What was agreed?", max_length=300)
    owner = forms.ModelChoiceField(
        label="Who does it?", required=False, queryset=User.objects.none()
    )
    kind = forms.ChoiceField(label="Kind", choices=ActionItem.Kind.choices)
    priority = forms.ChoiceField(
        label="Priority", choices=ActionItem.Priority.choices, initial="medium"
    )
    due_on = forms.DateField(
        label="By when?",
        required=False,
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text="Empty: by its priority.",
    )
    why = forms.ModelChoiceField(
        label="From which answer?", required=False, queryset=Why.objects.none()
    )

    def prepare(self) -> None:
        self.narrow("owner", responders(self.subject.incident))
        self.narrow("why", self.subject.whys.all())


class StepForm(OfReview):
    step = forms.ModelChoiceField(label="Which step?", queryset=FollowUpStep.objects.none())
    note = text_field("What is to be said about it?", required=False)
    link = forms.URLField(
        label="Link to the evidence", required=False, max_length=1000, assume_scheme="https"
    )

    def prepare(self) -> None:
        self.narrow("step", FollowUpStep.objects.filter(follow_up__review=self.subject))


class SkipForm(OfReview):
    step = forms.ModelChoiceField(label="Which step?", queryset=FollowUpStep.objects.none())
    reason = text_field("Why is it not needed?")

    def prepare(self) -> None:
        self.narrow("step", FollowUpStep.objects.filter(follow_up__review=self.subject))


class RemoveForm(WhyForm):
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)


def _answer(_review: Review, actor: Any, facts: dict[str, Any]) -> Why:
    return services.answer_why(
        facts["why"], actor=actor, answer=facts["answer"], version=facts["version"]
    )


def _agree(review: Review, actor: Any, facts: dict[str, Any]) -> ActionItem:
    return services.add_item(review.incident, actor=actor, **facts)


def _finish(_review: Review, actor: Any, facts: dict[str, Any]) -> FollowUpStep:
    return services.finish_step(facts["step"], actor=actor, note=facts["note"], link=facts["link"])


def _is_alive(review: Review) -> bool:
    return not review.is_over and review.follow_ups.exists()


offer(
    MODEL,
    Verb(
        "ask-why",
        "Ask why",
        lambda review, actor, facts: services.ask_why(review, actor=actor, **facts),
        AskForm,
        when=is_written,
        group="place",
        adds=True,
        done="It is written down.",
    ),
    Verb(
        "answer-why",
        "Answer a question",
        _answer,
        AnswerForm,
        when=is_written,
        group="place",
        done="It is written down.",
    ),
    Verb(
        "is-cause",
        "This is a cause",
        lambda review, actor, facts: services.mark_cause(
            facts["why"], is_cause=not facts["why"].is_cause, actor=actor
        ),
        WhyForm,
        when=is_written,
        group="place",
        ask=False,
        adds=True,
        done="It is written down.",
    ),
    Verb(
        "remove-why",
        "Take a question out",
        lambda review, actor, facts: services.remove_why(actor=actor, **facts),
        RemoveForm,
        when=is_written,
        group="place",
        ask=False,
        adds=True,
        done="It is taken out.",
    ),
    Verb(
        "agree-action",
        "Agree on an action",
        _agree,
        AgreeForm,
        when=is_written,
        group="place",
        adds=True,
        done="It is agreed.",
    ),
    Verb(
        "do-step",
        "A step is done",
        _finish,
        StepForm,
        when=_is_alive,
        group="place",
        adds=True,
        done="It is done.",
    ),
    Verb(
        "skip-step",
        "A step is not needed",
        lambda review, actor, facts: services.skip_step(
            facts["step"], reason=facts["reason"], actor=actor
        ),
        SkipForm,
        when=_is_alive,
        group="place",
        adds=True,
        done="It is written down that it is not needed.",
    ),
)
