"""The incident's verbs as buttons: each with the form that asks for what it needs."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from incidents.core import services
from incidents.core.adminsite import ClearDuration, Verb, VerbForm, offer
from incidents.core.criteria import following
from incidents.core.models import (
    ChecklistItem,
    Incident,
    IncidentRole,
    Service,
    Severity,
    Status,
    User,
)
from incidents.core.services.facts import CORRECTABLE


def _text(label: str, *, required: bool = True, rows: int = 3) -> forms.CharField:
    return forms.CharField(
        label=label, required=required, widget=forms.Textarea(attrs={"rows": rows})
    )


def _moment(label: str) -> forms.SplitDateTimeField:
    return forms.SplitDateTimeField(
        label=label,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="YYYY-MM-DD and HH:MM, in the time zone of your profile (default UTC).",
    )


class DeclareForm(VerbForm):
    title = forms.CharField(max_length=300)
    service = forms.ModelChoiceField(Service.objects.filter(is_active=True).order_by("name"))
    severity = forms.ChoiceField(
        choices=[("", "By the service's criticality"), *Severity.choices], required=False
    )
    description = _text("What is known", required=False)
    is_private = forms.BooleanField(label="Private: only its audience sees it", required=False)
    audience = forms.ModelMultipleChoiceField(
        User.objects.filter(is_active=True).order_by("username"), required=False
    )


def declare(user: User, facts: dict[str, Any]) -> Incident:
    audience = [*facts["audience"], user] if facts["is_private"] else []
    return services.declare(
        title=facts["title"],
        service=facts["service"],
        severity=facts["severity"] or None,
        description=facts["description"],
        is_private=facts["is_private"],
        audience=audience,
        actor=user,
        via="admin",
    )


class ReasonForm(VerbForm):
    reason = _text("Reason")


class IdentifyForm(VerbForm):
    suspected_cause = _text("What do you suspect to be the cause?")


class MitigateForm(VerbForm):
    mitigation = _text("What is being done?")
    kind = forms.ChoiceField(label="Of what kind?", choices=Incident.MitigationKind.choices)


class ResolveForm(VerbForm):
    suspected_cause = _text("Suspected cause", required=False, rows=2)
    mitigation = _text("What was done", required=False, rows=2)
    kind = forms.ChoiceField(choices=[("", "—"), *Incident.MitigationKind.choices], required=False)
    root_cause = _text("Root cause", required=False)
    resolution = _text("Resolution", required=False, rows=2)
    override_reason = forms.CharField(
        label="Override unmet criteria because",
        required=False,
        help_text="For the commander and managers of the team; it is recorded.",
    )

    def prepare(self) -> None:
        """Only what has not been answered on the way here is asked."""
        for name in ["suspected_cause", "mitigation"]:
            if getattr(self.subject, name):
                del self.fields[name]
        if self.subject.mitigation_kind:
            del self.fields["kind"]
        if self.subject.root_cause:
            self.fields["root_cause"].initial = self.subject.root_cause


class MergeForm(VerbForm):
    into = forms.ModelChoiceField(Incident.objects.none(), label="It is the same as")
    reason = _text("Reason", required=False, rows=2)

    def prepare(self) -> None:
        others = Incident.objects.open().visible_to(self.user).exclude(pk=self.subject.pk)
        self.fields["into"].queryset = others.order_by("-declared_at")  # type: ignore[attr-defined]


class SeverityForm(VerbForm):
    severity = forms.ChoiceField(choices=Severity.choices)
    reason = _text("Reason")

    def prepare(self) -> None:
        self.fields["severity"].initial = self.subject.severity


class RoleForm(VerbForm):
    role = forms.ChoiceField(choices=IncidentRole.choices)
    user = forms.ModelChoiceField(
        User.objects.filter(is_active=True).order_by("username"),
        required=False,
        label="Person",
        help_text="Empty: the role becomes vacant.",
    )


class ImpactForm(VerbForm):
    impact = _text("Who and what is hurt?", required=False)
    users_affected = forms.IntegerField(min_value=0, required=False)
    revenue_lost = forms.DecimalField(min_value=0, decimal_places=2, required=False)
    currency = forms.CharField(max_length=3, required=False, help_text="e.g. EUR")
    data_loss = forms.ChoiceField(choices=[("", "—"), *Incident.DataLoss.choices], required=False)


class NoteForm(VerbForm):
    text = _text("Note")


class AttestForm(VerbForm):
    fact = forms.CharField(max_length=64, help_text="e.g. error_rate")
    value = forms.DecimalField()
    unit = forms.CharField(max_length=16, required=False)
    window = ClearDuration(label="For how long", help_text="hh:mm:ss")
    link = forms.URLField(required=False, assume_scheme="https")


class MilestoneForm(VerbForm):
    milestone = forms.ChoiceField(choices=[(name, name) for name in CORRECTABLE])
    at = _moment("When it really was")
    reason = _text("Reason", rows=2)


class SnoozeForm(VerbForm):
    until = _moment("Until")
    reason = _text("Reason", rows=2)


class ChecklistForm(VerbForm):
    text = forms.CharField(max_length=300, label="What is to be done")


class TickForm(VerbForm):
    item = forms.ModelChoiceField(ChecklistItem.objects.none())

    def prepare(self) -> None:
        left = self.subject.checklist.filter(ticked_at=None)
        self.fields["item"].queryset = left.order_by("position")  # type: ignore[attr-defined]


def _next_is(status: Status) -> Any:
    return lambda incident: following(incident.status) == status


def _open(incident: Incident) -> bool:
    return incident.is_open


def _impact(incident: Incident, actor: User, facts: dict[str, Any]) -> Incident:
    given = {name: value for name, value in facts.items() if value not in ("", None)}
    return services.record_impact(incident, actor=actor, **given)


def _plain(verb: Any) -> Any:
    """A verb whose form has just the facts it takes."""
    return lambda incident, actor, facts: verb(incident, actor=actor, **facts)


offer(
    "incidents.incident",
    Verb(
        "acknowledge",
        "Acknowledge",
        lambda incident, actor, _facts: services.acknowledge(incident, actor=actor, via="admin"),
        when=lambda incident: incident.is_open and not incident.is_acknowledged,
        order=10,
    ),
    Verb(
        "join",
        "Join",
        lambda incident, actor, _facts: services.acknowledge(incident, actor=actor, via="admin"),
        when=lambda incident: incident.is_open and incident.is_acknowledged,
        order=42,
    ),
    Verb(
        "identify",
        "Identified",
        _plain(services.identify),
        IdentifyForm,
        when=_next_is(Status.IDENTIFIED),
        order=20,
    ),
    Verb(
        "start-mitigating",
        "Start mitigating",
        _plain(services.start_mitigating),
        MitigateForm,
        when=_next_is(Status.MITIGATING),
        order=21,
    ),
    Verb(
        "mark-recovered",
        "It works again",
        _plain(services.mark_recovered),
        when=lambda incident: incident.is_open and incident.recovered_at is None,
        order=22,
    ),
    Verb(
        "relapse",
        "It broke again",
        _plain(services.relapse),
        when=lambda incident: incident.is_open and incident.recovered_at is not None,
        order=22,
    ),
    Verb("resolve", "Resolve", _plain(services.resolve), ResolveForm, when=_open, order=23),
    Verb("note", "Add a note", _plain(services.note), NoteForm, order=30),
    Verb(
        "assign-role", "Assign a role", _plain(services.assign_role), RoleForm, when=_open, order=31
    ),
    Verb("record-impact", "Impact", _impact, ImpactForm, order=32),
    Verb(
        "change-severity",
        "Change severity",
        _plain(services.change_severity),
        SeverityForm,
        when=_open,
        order=33,
    ),
    Verb("attest", "Attest", _plain(services.attest), AttestForm, when=_open, order=34),
    Verb(
        "add-to-do",
        "Add a to-do",
        _plain(services.add_checklist_item),
        ChecklistForm,
        when=_open,
        order=35,
    ),
    Verb(
        "tick",
        "Tick a to-do",
        lambda _incident, actor, facts: services.tick(facts["item"], actor=actor),
        TickForm,
        when=lambda incident: incident.checklist.filter(ticked_at=None).exists(),
        order=36,
    ),
    Verb("snooze", "Snooze", _plain(services.snooze), SnoozeForm, when=_open, order=40),
    Verb(
        "unacknowledge",
        "Give it back",
        _plain(services.unacknowledge),
        ReasonForm,
        when=lambda incident: incident.is_open and incident.is_acknowledged,
        order=41,
    ),
    Verb("merge", "Merge into another", _plain(services.merge), MergeForm, when=_open, order=50),
    Verb("dismiss", "False alarm", _plain(services.dismiss), ReasonForm, when=_open, order=51),
    Verb(
        "reopen",
        "Reopen",
        _plain(services.reopen),
        ReasonForm,
        when=lambda incident: not incident.is_open,
        order=52,
    ),
    Verb(
        "correct-milestone",
        "Correct a milestone",
        _plain(services.correct_milestone),
        MilestoneForm,
        order=60,
    ),
)
