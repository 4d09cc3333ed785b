"""Action items in the admin: a list that leads to what is late, and each with what became of it."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from unfold.decorators import display

from incidents.core import panels
from incidents.core.adminsite import HouseAdmin, Verb, VerbForm, offer
from incidents.core.errors import Refused
from incidents.core.models import Incident, Team, User
from incidents.reviews import services
from incidents.reviews.errors import Stale
from incidents.reviews.models import ActionItem, Suspicion
from incidents.timers import clock

TONES = {
    "open": "info",
    "in progress": "info",
    "done": "success",
    "verified": "success",
    "declined": "",
    "overdue": "danger",
    "suspected": "warning",
    "without an owner": "danger",
}
MOST_ENTRIES = 100


class Standing(admin.SimpleListFilter):
    """What is to be looked at first."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("mine", "Mine"),
            ("pending", "To be done"),
            ("overdue", "Overdue"),
            ("unowned", "Without an owner"),
            ("suspected", "Suspected not to have helped"),
            ("to-prove", "Done, to be shown to help"),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        today = clock.now().date()
        chosen: dict[str | None, Any] = {
            "mine": lambda: queryset.pending().filter(owner=request.user),
            "pending": queryset.pending,
            "overdue": lambda: queryset.overdue(today),
            "unowned": lambda: queryset.pending().filter(owner=None, owning_team=None),
            "suspected": lambda: queryset.filter(is_suspected=True),
            "to-prove": lambda: queryset.filter(state="done", prove_on__lte=today),
        }
        return chosen.get(self.value(), lambda: queryset)()


@admin.register(ActionItem)
class ActionItemAdmin(HouseAdmin):
    """What was agreed after incidents. Its verbs are buttons; nothing is changed past them."""

    list_display = [
        *("title", "standing", "holder", "due_on", "age", "priority", "kind", "team", "reference"),
    ]
    list_filter = [Standing, "state", "priority", "kind", "is_required", "team"]
    list_select_related = ["team", "owner", "owning_team", "incident", "service"]
    search_fields = ["title", "incident__reference", "owner__username"]
    ordering = ["due_on", "id"]
    quick_views = [
        ("Mine", "standing=mine"),
        ("To be done", "standing=pending"),
        ("Overdue", "standing=overdue"),
        ("Suspected", "standing=suspected"),
    ]
    fields = [
        *("title", "state", "owner", "owning_team", "due_on", "priority", "kind", "is_required"),
        *("incident", "review", "why", "team", "service", "evidence", "prove_on"),
        *("watched_until", "proof", "failures", "decline_reason", "source"),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ActionItem]:
        related = ["team", "service", "owner", "owning_team", "incident", "why", "review__incident"]
        seen = ActionItem.objects.visible_to(request.user)
        return seen.select_related(*related, "created_by", "done_by", "verified_by")

    @display(description="Standing", label=TONES)
    def standing(self, item: ActionItem) -> str:
        if item.is_suspected:
            return "suspected"
        if item.is_pending and item.owner_id is None and item.owning_team_id is None:
            return "without an owner"
        if item.is_overdue(clock.now().date()):
            return "overdue"
        return str(item.get_state_display()).lower()

    @display(description="Incident", ordering="incident__reference")
    def reference(self, item: ActionItem) -> str:
        return item.incident.reference

    @display(description="Who")
    def holder(self, item: ActionItem) -> str:
        return item.holder

    @display(description="Age", ordering="created_at")
    def age(self, item: ActionItem) -> str:
        """Since it was agreed; of what is over, until then."""
        end = item.declined_at or item.done_at or clock.now()
        days = max((end - item.created_at) // timedelta(days=1), 0)
        return f"{days} day{'' if days == 1 else 's'}"


# --- Its verbs ------------------------------------------------------------------------------------


def _text(label: str, *, rows: int = 3, longest: int = 10_000, needed: bool = True) -> Any:
    area = forms.Textarea({"rows": rows})
    return forms.CharField(label=label, max_length=longest, widget=area, required=needed)


class EvidenceForm(VerbForm):
    evidence = _text("What shows that it is done? A link, or words")


class ProofForm(VerbForm):
    proof = _text("What shows that it helped?")


class ReasonForm(VerbForm):
    reason = _text("Why?", rows=2)


class CommentForm(VerbForm):
    text = _text("What is there to say? (Markdown)")


class OwnerForm(VerbForm):
    """A person or a team, or neither."""

    owner = forms.ModelChoiceField(
        queryset=User.objects.filter(is_active=True).order_by("first_name", "username"),
        label="A person",
        required=False,
        empty_label="nobody",
    )
    owning_team = forms.ModelChoiceField(
        queryset=Team.objects.order_by("name"),
        label="Or a team",
        required=False,
        empty_label="none",
        help_text="Neither: it waits for an owner, and is overdue while it does.",
    )

    def prepare(self) -> None:
        if isinstance(self.subject, ActionItem):
            self.initial.setdefault("owner", self.subject.owner_id)
            self.initial.setdefault("owning_team", self.subject.owning_team_id)

    def present(self) -> dict[str, object]:
        return {"owner": self.subject.owner, "owning_team": self.subject.owning_team}


class ItemForm(VerbForm):
    title = forms.CharField(label="What is to be done?", max_length=300)
    detail = _text("Details (Markdown)", needed=False)
    kind = forms.ChoiceField(label="What for?", choices=ActionItem.Kind.choices)
    priority = forms.ChoiceField(choices=ActionItem.Priority.choices, initial="medium")


class NewItemForm(ItemForm, OwnerForm):
    due_on = forms.DateField(
        label="By when?",
        required=False,
        widget=forms.DateInput({"type": "date"}),
        help_text="Empty: by the runbook and the priority.",
    )

    def present(self) -> dict[str, object]:
        return {}


class ChangeForm(ItemForm):
    due_on = forms.DateField(label="By when?", widget=forms.DateInput({"type": "date"}))
    is_required = forms.BooleanField(label="The review cannot be closed without it", required=False)
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def prepare(self) -> None:
        names = ["title", "detail", "kind", "priority", "is_required"]
        for name in names:
            self.initial.setdefault(name, getattr(self.subject, name))
        self.initial.setdefault("due_on", self.subject.due_on.isoformat())
        self.initial.setdefault("version", services.version_of(self.subject))


class JudgementForm(VerbForm):
    suspicion = forms.ModelChoiceField(
        queryset=Suspicion.objects.none(), label="Which incident?", empty_label=None
    )
    note = _text("Why do you say so?", rows=2)

    def prepare(self) -> None:
        field: Any = self.fields["suspicion"]
        open_ones = Suspicion.objects.filter(
            item=self.subject, verdict="open", incident__in=Incident.objects.visible_to(self.user)
        )
        field.queryset = open_ones.select_related("incident", "item").order_by("pk")
        field.label_from_instance = lambda one: str(one.incident)


class ProposalForm(VerbForm):
    section = forms.CharField(
        label="Which part of the runbook?", max_length=120, help_text="e.g. types.disk-full"
    )
    text = _text("What should it say?", rows=5)


def _is_pending(item: ActionItem) -> bool:
    return item.is_pending


def _does(verb: Any) -> Any:
    return lambda item, actor, facts: verb(item, actor=actor, **facts)


def _change(item: ActionItem, actor: Any, facts: dict[str, Any]) -> ActionItem:
    try:
        return services.change_item(item, actor=actor, **facts)
    except Stale as error:
        now = "; ".join(f"{name}: {said}" for name, said in error.theirs.items())
        message = f"{error.message} Keep your text and open this page anew. Now it says: {now}"
        raise Refused(message, state=error.state) from error


def _judges(verb: Any) -> Any:
    return lambda _item, actor, facts: verb(facts["suspicion"], actor=actor, note=facts["note"])


def _manages(user: Any, item: ActionItem) -> bool:
    return user.manages(item.team_id)


offer(
    "reviews.actionitem",
    Verb(
        "start",
        "Work on it",
        _does(services.start_item),
        when=lambda item: item.state == "open",
        ask=False,
        group="next",
        order=10,
        done="It is in progress.",
    ),
    Verb(
        "finish",
        "It is done",
        _does(services.finish_item),
        EvidenceForm,
        when=_is_pending,
        group="next",
        order=20,
        done=lambda item, _: f"It is done. On {item.prove_on} its owner is asked if it helped.",
    ),
    Verb(
        "confirm",
        "It failed",
        _judges(services.confirm_suspicion),
        JudgementForm,
        when=lambda item: item.is_suspected,
        group="next",
        order=5,
        hint="It happened again because this did not prevent it: it is to be done anew.",
        done="It is open again, and both incidents say so.",
    ),
    Verb(
        "reject",
        "It did not fail",
        _judges(services.reject_suspicion),
        JudgementForm,
        when=lambda item: item.is_suspected,
        order=6,
        hint="It happened again for another reason.",
        done="It is no longer suspected of that.",
    ),
    Verb(
        "verify",
        "It helped",
        _does(services.verify_item),
        ProofForm,
        when=lambda item: item.state == "done" and not item.is_suspected,
        group="next",
        order=30,
        done="It is verified.",
    ),
    Verb(
        "assign",
        "Give it to somebody",
        _does(services.assign_item),
        OwnerForm,
        when=lambda item: item.state != "declined",
        order=40,
        done=lambda item, _: f"{item.holder} has it.",
    ),
    Verb("change", "Change it", _change, ChangeForm, when=_is_pending, order=50),
    Verb(
        "comment",
        "Comment",
        _does(services.comment_item),
        CommentForm,
        order=60,
        adds=True,
        done="It is written down.",
    ),
    Verb(
        "decline",
        "Decline it",
        _does(services.decline_item),
        ReasonForm,
        may=_manages,
        when=_is_pending,
        order=70,
        group="more",
        hint="It will not be done. Why is kept with it.",
        done="It is declined.",
    ),
    Verb(
        "reopen",
        "Open it again",
        _does(services.reopen_item),
        ReasonForm,
        when=lambda item: not item.is_pending,
        order=80,
        group="more",
        done=lambda item, _: f"It is open again, due {item.due_on}.",
    ),
)
offer(
    "incidents.incident",
    Verb(
        "agree-action",
        "Agree on something to do",
        _does(services.add_item),
        NewItemForm,
        order=200,
        group="more",
        hint="What keeps it from happening again, or makes it hurt less: who does it, by when?",
        done="It is agreed, and its owner hears of it.",
        adds=True,
    ),
    Verb(
        "propose-runbook-change",
        "Propose a change to the runbook",
        _does(services.propose_runbook_change),
        ProposalForm,
        order=210,
        group="more",
        hint="It becomes an action item of whoever keeps the runbook.",
        done="It is proposed.",
        adds=True,
    ),
)


# --- What pages show ------------------------------------------------------------------------------


def _history(request: HttpRequest, item: ActionItem) -> panels.Panel:
    entries = item.entries.select_related("actor").order_by("-at", "-pk")
    seen = Incident.objects.visible_to(request.user)
    suspicions = item.suspicions.filter(incident__in=seen).select_related("incident", "decided_by")
    told = item.tellings.select_related("person").order_by("-at", "-pk")
    context = {
        "item": item,
        "entries": list(entries[:MOST_ENTRIES]),
        "suspicions": list(suspicions.order_by("-pk")[:MOST_ENTRIES]),
        "told": list(told[:MOST_ENTRIES]),
        "proposal": getattr(item, "proposal", None),
    }
    return panels.Panel("What became of it", render_to_string("reviews/item.html", context))


def items_of_incident(_request: HttpRequest, incident: Incident) -> panels.Panel | None:
    """One query; nothing where nothing was agreed."""
    items = list(
        incident.action_items.select_related("owner", "owning_team").order_by("due_on", "pk")[:50]
    )
    if not items:
        return None
    today = clock.now().date()
    rows = [(item, item.is_overdue(today)) for item in items]
    return panels.Panel("Action items", render_to_string("reviews/items.html", {"rows": rows}))


panels.register("actionitem", _history)
panels.register("incident", items_of_incident, order=45)
