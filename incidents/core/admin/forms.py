"""What each of the incident's verbs asks for."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from incidents.core import plans, services
from incidents.core.adminsite import ClearDuration, MomentField, VerbForm
from incidents.core.models import (
    ChecklistItem,
    Incident,
    IncidentRole,
    Role,
    Severity,
    User,
)
from incidents.core.section import of as section_of
from incidents.core.services.facts import MILESTONES
from incidents.timers import clock

# Nothing is chosen beforehand: whoever just presses on is to write nothing false.
MITIGATION_KINDS = [("", "—"), *Incident.MitigationKind.choices]


def text_field(label: str, *, required: bool = True, rows: int = 3) -> forms.CharField:
    return forms.CharField(
        label=label, required=required, widget=forms.Textarea(attrs={"rows": rows})
    )


def responders_for(incident: Incident) -> Any:
    """Whom a role of the incident may be given to."""
    people = User.objects.filter(is_active=True)
    if incident.is_private:
        people = people.filter(pk__in=incident.audience.values("pk"))
    else:
        acting = User.objects.filter(memberships__role__in=[Role.RESPONDER, Role.MANAGER])
        people = people.filter(pk__in=acting.values("pk")) | people.filter(is_superuser=True)
    return people.order_by("first_name", "username")


def commands(user: Any, incident: Incident) -> bool:
    """As the services judge it: the commander, or who manages the owning team."""
    if user.manages(incident.service.team_id):
        return True
    held = incident.roles.filter(role=IncidentRole.COMMANDER, user=user, until=None)
    return user.may_respond and held.exists()


class ReasonForm(VerbForm):
    reason = text_field("Reason")


class IdentifyForm(VerbForm):
    suspected_cause = text_field("What do you suspect to be the cause?")


class MitigateForm(VerbForm):
    mitigation = text_field("What is being done?")
    kind = forms.ChoiceField(
        label="Of what kind?",
        choices=MITIGATION_KINDS,
        error_messages={"required": "Choose of what kind that is."},
    )


class ResolveForm(VerbForm):
    """Asks for what the runbook wants and nobody has said on the way here.

    Nothing is enforced by the form: what is missing is for the verb to say, or to be overridden.
    """

    suspected_cause = text_field("Suspected cause", required=False, rows=2)
    mitigation = text_field("What was done?", required=False, rows=2)
    kind = forms.ChoiceField(
        label="Of what kind was that?",
        choices=MITIGATION_KINDS,
        required=False,
    )
    root_cause = text_field("Root cause", required=False)
    resolution = text_field("How was it resolved?", required=False, rows=2)
    override_reason = forms.CharField(
        label="Resolve it although criteria are unmet, because",
        required=False,
        help_text="It is recorded.",
    )

    def prepare(self) -> None:
        wanted = services.policy_of(self.subject).resolution_criteria
        needed = {"mitigation", "kind", *({"root_cause"} & set(wanted))}
        if self.subject.suspected_cause or "root_cause" in wanted:
            del self.fields["suspected_cause"]  # the verb takes the root cause for it
        else:
            needed.add("suspected_cause")
        if self.subject.mitigation:
            del self.fields["mitigation"]
        if self.subject.mitigation_kind:
            del self.fields["kind"]
        if not commands(self.user, self.subject):
            del self.fields["override_reason"]
        self.fields["root_cause"].initial = self.subject.root_cause
        for name in needed & set(self.fields):
            self.fields[name].is_needed = True  # type: ignore[attr-defined]

    def present(self) -> dict[str, object]:
        return {"root_cause": self.subject.root_cause, "resolution": self.subject.resolution}


class MergeForm(VerbForm):
    into = forms.ModelChoiceField(Incident.objects.none(), label="It is the same as")
    reason = text_field("Reason", required=False, rows=2)

    def prepare(self) -> None:
        others = Incident.objects.open().visible_to(self.user).exclude(pk=self.subject.pk)
        self.fields["into"].queryset = others.order_by("-declared_at")  # type: ignore[attr-defined]


class SeverityForm(VerbForm):
    severity = forms.ChoiceField(choices=Severity.choices)
    reason = text_field("Reason", rows=2)

    def prepare(self) -> None:
        field: Any = self.fields["severity"]
        field.choices = [
            (name, plans.severity_called(self.subject, name)) for name in Severity.values
        ]
        field.initial = self.subject.severity

    def present(self) -> dict[str, object]:
        return {"severity": plans.severity_called(self.subject)}


class TypeForm(VerbForm):
    incident_type = forms.ChoiceField(label="Type")
    reason = text_field("Reason", required=False, rows=2)

    def prepare(self) -> None:
        known = section_of(self.subject.revision).types
        field: Any = self.fields["incident_type"]
        field.choices = [(slug, kind.title) for slug, kind in known.items()]
        field.initial = self.subject.incident_type

    def present(self) -> dict[str, object]:
        return {"incident_type": plans.title_of_type(self.subject) or "not known"}


class ProcedureForm(VerbForm):
    procedure = forms.ChoiceField(help_text="What was ticked of another one stays.")

    def prepare(self) -> None:
        known = section_of(self.subject.revision).procedures
        field: Any = self.fields["procedure"]
        field.choices = [(slug, procedure.title) for slug, procedure in known.items()]
        field.initial = self.subject.procedure


class RoleForm(VerbForm):
    role = forms.ChoiceField(choices=IncidentRole.choices)
    user = forms.ModelChoiceField(
        User.objects.none(),
        required=False,
        label="Person",
        empty_label="Nobody",
        help_text="Nobody: the role becomes vacant.",
    )

    def prepare(self) -> None:
        self.fields["user"].queryset = responders_for(self.subject)  # type: ignore[attr-defined]

    def present(self) -> dict[str, object]:
        held = self.subject.roles.filter(until=None).select_related("user").order_by("role")
        return {"user": "; ".join(str(assignment) for assignment in held) or "nobody"}


class ImpactForm(VerbForm):
    """Starts from what is known; what is left as it was shown is no answer, whatever others did."""

    impact = text_field("Who and what is hurt?", required=False)
    users_affected = forms.IntegerField(min_value=0, required=False)
    revenue_lost = forms.DecimalField(min_value=0, decimal_places=2, required=False)
    currency = forms.CharField(max_length=3, required=False, help_text="e.g. EUR")
    data_loss = forms.ChoiceField(choices=Incident.DataLoss.choices, required=False)

    def prepare(self) -> None:
        for name, field in self.fields.items():
            field.initial = getattr(self.subject, name)
            field.show_hidden_initial = True

    def clean(self) -> dict[str, Any]:
        facts = super().clean() or {}
        return {name: facts[name] for name in self.changed_data if name in facts}

    def present(self) -> dict[str, object]:
        stored = {name: getattr(self.subject, name) for name in self.fields}
        return stored | {"data_loss": self.subject.get_data_loss_display()}


class NoteForm(VerbForm):
    text = text_field("Note")


class AttestForm(VerbForm):
    fact = forms.CharField(max_length=64, help_text="e.g. error_rate")
    value = forms.DecimalField()
    unit = forms.CharField(max_length=16, required=False)
    window = ClearDuration(label="For how long", help_text="hh:mm:ss")
    link = forms.URLField(required=False, assume_scheme="https")


class MilestoneForm(VerbForm):
    milestone = forms.ChoiceField()
    at = MomentField(label="When it really was")
    reason = text_field("Reason", rows=2)

    def prepare(self) -> None:
        field: Any = self.fields["milestone"]
        field.choices = [
            (name, f"{words}: {_told(self._stored(name))}")
            for name, words in MILESTONES.items()
            if self._stored(name) or name == "started"
        ]
        self.fields["at"].initial = self._stored(self.initial.get("milestone", ""))
        self.fields["at"].help_text = f"In your time zone, {timezone.get_current_timezone_name()}."

    def present(self) -> dict[str, object]:
        return {"at": _told(self._stored(self["milestone"].value()))}

    def _stored(self, milestone: str | None) -> datetime | None:
        return getattr(self.subject, f"{milestone}_at") if milestone in MILESTONES else None


def _told(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}" if at else "not known"


# Minutes
LENGTHS = [("30", "30 minutes"), ("60", "1 hour"), ("120", "2 hours"), ("480", "8 hours")]
LENGTHS += [("", "until a moment of my choice")]


class SnoozeForm(VerbForm):
    length = forms.ChoiceField(label="For how long?", choices=LENGTHS, required=False)
    until = MomentField(required=False, help_text="Only where you chose it above.")
    reason = text_field("Reason", rows=2)

    def clean(self) -> dict[str, Any]:
        facts = super().clean() or {}
        length = facts.pop("length", "")
        if length:
            facts["until"] = clock.now() + timedelta(minutes=int(length))
        elif not facts.get("until") and "until" not in self.errors:
            self.add_error("until", "Say until when.")
        return facts


class ChecklistForm(VerbForm):
    text = forms.CharField(max_length=300, label="What is to be done")


class TickForm(VerbForm):
    item = forms.ModelChoiceField(ChecklistItem.objects.none())
    ticked = False

    def prepare(self) -> None:
        items = self.subject.checklist.filter(ticked_at__isnull=not self.ticked)
        self.fields["item"].queryset = items.order_by("position")  # type: ignore[attr-defined]


class UntickForm(TickForm):
    ticked = True
