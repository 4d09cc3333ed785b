"""What people do on a review's page: mark the timeline, agree on actions, publish corrections."""

from typing import Any

from django import forms

from incidents.core.adminsite import MomentField, Verb, VerbForm, offer
from incidents.core.errors import DomainError
from incidents.core.models import TimelineEntry
from incidents.reviews.models import Mark, Review, ReviewState
from incidents.reviews.services import publishing, writing
from incidents.reviews.services.recording import moves_of

MODEL = "reviews.review"


class EntryForm(VerbForm):
    entry = forms.IntegerField(widget=forms.HiddenInput)

    def clean_entry(self) -> TimelineEntry:
        found = TimelineEntry.objects.filter(
            incident=self.subject.incident_id, pk=self.cleaned_data["entry"]
        ).first()
        if found is None:
            raise forms.ValidationError("This entry is not part of its timeline.")
        return found


class CorrectForm(EntryForm):
    at = MomentField(label="When was it really?")
    text = forms.CharField(
        label="What happened?",
        max_length=writing.LONGEST_ENTRY,
        widget=forms.Textarea({"rows": 2}),
        help_text="The incident's own timeline stays as it is.",
    )

    def prepare(self) -> None:
        number = str(self.initial.get("entry", ""))
        if not number.isascii() or not number.isdecimal() or len(number) > 18:
            return
        entry = TimelineEntry.objects.filter(incident=self.subject.incident_id, pk=number).first()
        if entry is None:
            return
        mark = Mark.objects.filter(review=self.subject, entry=entry).first()
        self.initial.setdefault("at", (mark and mark.at) or entry.at)
        self.initial.setdefault("text", (mark and mark.text) or entry.summary)


class AddForm(VerbForm):
    at = MomentField(label="When was it?")
    text = forms.CharField(
        label="What happened?",
        max_length=writing.LONGEST_ENTRY,
        widget=forms.Textarea({"rows": 2}),
    )

    def prepare(self) -> None:
        self.initial.setdefault("at", self.subject.incident.clock_starts_at)


class MarkForm(VerbForm):
    mark = forms.IntegerField(widget=forms.HiddenInput)

    def clean_mark(self) -> Mark:
        found = Mark.objects.filter(review=self.subject, pk=self.cleaned_data["mark"]).first()
        if found is None:
            raise forms.ValidationError("This entry is not part of its timeline.")
        return found


class NoteForm(VerbForm):
    note = forms.CharField(
        label="What was corrected, and why?", max_length=2_000, widget=forms.Textarea({"rows": 2})
    )


def _mark(review: Review, actor: Any, facts: dict[str, Any], *, belongs: bool) -> Mark:
    return writing.mark_entry(review, entry=facts["entry"], belongs=belongs, actor=actor)


def _correct(review: Review, actor: Any, facts: dict[str, Any]) -> Mark:
    entry, at, text = facts["entry"], facts["at"], facts["text"]
    same = text == entry.summary
    return writing.mark_entry(
        review, entry=entry, belongs=True, at=at, text="" if same else text, actor=actor
    )


def _withdraw(review: Review, actor: Any, facts: dict[str, Any]) -> Mark:
    mark = facts["mark"]
    if mark.at is None:
        raise DomainError("Mark the entry itself.", field="mark")
    return writing.change_entry(mark, belongs=not mark.belongs, at=mark.at, text="", actor=actor)


def _is_written(review: Review) -> bool:
    return review.state != ReviewState.WAIVED


offer(
    MODEL,
    Verb(
        *(
            "leave-out",
            "Leave out",
            lambda review, actor, facts: _mark(review, actor, facts, belongs=False),
        ),
        EntryForm,
        when=_is_written,
        group="place",
        ask=False,
        adds=True,
        done="It is left out of the document; the incident's timeline stays as it is.",
    ),
    Verb(
        *(
            "take-in",
            "Take in",
            lambda review, actor, facts: _mark(review, actor, facts, belongs=True),
        ),
        EntryForm,
        when=_is_written,
        group="place",
        ask=False,
        adds=True,
        done="It is part of the document's timeline.",
    ),
    Verb(
        "correct-entry",
        "Correct an entry",
        _correct,
        CorrectForm,
        when=_is_written,
        group="place",
        adds=True,
        done="It is corrected in the document.",
    ),
    Verb(
        "add-entry",
        "Add to the timeline",
        lambda review, actor, facts: writing.add_entry(review, actor=actor, **facts),
        AddForm,
        when=_is_written,
        group="place",
        adds=True,
        done="It is part of the document's timeline.",
    ),
    Verb(
        "withdraw-entry",
        "Leave out what was added",
        _withdraw,
        MarkForm,
        when=_is_written,
        group="place",
        ask=False,
        adds=True,
        done="It is changed.",
    ),
    Verb(
        "correct",
        "Publish a correction",
        lambda review, actor, facts: publishing.correct(review, actor=actor, **facts),
        NoteForm,
        when=lambda review: "correct" in moves_of(review),
        order=40,
        hint="What was published stays as it is; this is another revision beside it.",
        done="The correction is published as another revision.",
        adds=True,
    ),
)
