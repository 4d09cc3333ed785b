"""Admin pages of policies: the ladder is written as one list, with the whole policy."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from unfold.decorators import display

from incidents.core.adminsite import HouseAdmin, HouseInline, Verb, VerbForm, offer
from incidents.core.errors import DomainError
from incidents.core.models import Service, Severity, Team, User
from incidents.escalation import services
from incidents.escalation.models import EscalationPolicy, Level, LevelTarget, PolicyAssignment


class LevelTargetInline(HouseInline):
    model = LevelTarget
    fields = ["kind", "schedule", "user", "team", "function"]
    verbose_name_plural = "whom it means"

    def _parent_allows(self, request: HttpRequest, obj: Any) -> bool:
        """A level has no page of its own: what counts is its policy's."""
        policy = obj
        if isinstance(obj, Level):
            policy = obj.policy if obj.policy_id else None
        page = self.admin_site.get_model_admin(EscalationPolicy)
        return page.has_change_permission(request, policy)


class LevelInline(HouseInline):
    model = Level
    fields = ["position", "timeout"]
    inlines = [LevelTargetInline]
    ordering = ["position"]


@admin.register(EscalationPolicy)
class EscalationPolicyAdmin(HouseAdmin):
    """Levels are written with the whole policy: they are saved as one list, by their position."""

    editable_by = "managers"
    list_display = ["name", "ladder", "repeats", "acknowledgement_expiry", "team", "active"]
    list_filter = ["is_active", "team"]
    search_fields = ["name", "slug"]
    ordering = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    fields = ["name", "slug", "team", "repeats", "acknowledgement_expiry", "is_active"]
    inlines = [LevelInline]

    def quick_views(self, request: HttpRequest) -> list[tuple[str, str]]:
        user: Any = request.user
        mine = ",".join(str(team) for team in user.roles)
        return [
            ("Switched off", "is_active__exact=0"),
            *([("My teams'", f"team__in={mine}")] if mine else []),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[EscalationPolicy]:
        return EscalationPolicy.objects.with_ladder()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["slug"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    @admin.display(description="Ladder")
    def ladder(self, policy: EscalationPolicy) -> str:
        return policy.ladder_text

    @display(description="Active", label={"on": "success", "off": "danger"})
    def active(self, policy: EscalationPolicy) -> tuple[str, str]:
        return ("on", "On") if policy.is_active else ("off", "Off: last resort at once")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A policy without a team is for administrators: a manager would lock himself out."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "team" and field is not None:
            field.required = not request.user.is_superuser
        return field

    def save_model(
        self, request: HttpRequest, obj: EscalationPolicy, form: ModelForm, change: bool
    ) -> None:
        facts, actor = form.cleaned_data, _user(request)
        figures = {name: facts[name] for name in ["name", "repeats", "acknowledgement_expiry"]}
        if not change:
            made = services.create_policy(
                **figures, slug=facts["slug"], team=facts["team"], actor=actor
            )
            obj.pk = made.pk
        else:
            services.update_policy(obj, **figures, actor=actor)
            services.hand_over_policy(obj, team=facts["team"], actor=actor)
        services.set_active(obj, is_active=facts["is_active"], actor=actor)

    def save_formset(
        self, request: HttpRequest, form: ModelForm, formset: BaseInlineFormSet, change: bool
    ) -> None:
        written: Any = formset
        written.new_objects = written.changed_objects = written.deleted_objects = []
        if formset.model is not Level or not _has_changed(formset):
            return
        try:
            services.set_levels(form.instance, levels=_levels(formset), actor=_user(request))
        except DomainError as error:
            messages.error(request, f"{error.message} The levels were left as they were.")


def _has_changed(formset: Any) -> bool:
    nested = [n.formset for row in formset.forms for n in getattr(row, "nested_formsets", [])]
    return formset.has_changed() or any(inner.has_changed() for inner in nested)


def _levels(formset: Any) -> list[dict[str, Any]]:
    """The levels as `set_levels` takes them, in the order of their positions."""
    rows = [row for row in formset.forms if _is_kept(row) and row.cleaned_data.get("timeout")]
    rows.sort(key=lambda row: row.cleaned_data["position"])
    return [
        {
            "timeout": row.cleaned_data["timeout"],
            "targets": [
                {name: target.cleaned_data.get(name) for name in LevelTargetInline.fields}
                for nested in row.nested_formsets
                for target in nested.formset.forms
                if _is_kept(target) and target.cleaned_data.get("kind")
            ],
        }
        for row in rows
    ]


def _is_kept(row: Any) -> bool:
    return bool(row.cleaned_data) and not row.cleaned_data.get("DELETE")


def _user(request: HttpRequest) -> User:
    user: Any = request.user
    return user


class AssignForm(VerbForm):
    service = forms.ModelChoiceField(
        Service.objects.none(), required=False, empty_label="—", help_text="This service only."
    )
    team = forms.ModelChoiceField(
        Team.objects.none(),
        required=False,
        empty_label="—",
        help_text="Every service that the team owns, unless it has a policy of its own.",
    )
    severity = forms.ChoiceField(
        choices=[("", "Every severity"), *Severity.choices], required=False
    )

    def prepare(self) -> None:
        services_, teams = Service.objects.order_by("name"), Team.objects.order_by("name")
        if self.user.is_superuser:
            said = "Neither a service nor a team: everything that has no policy of its own."
            self.fields["service"].help_text = f"This service only. {said}"
        else:
            services_ = services_.filter(team__in=self.user.managed_teams)
            teams = teams.filter(pk__in=self.user.managed_teams)
        self.fields["service"].queryset = services_  # type: ignore[attr-defined]
        self.fields["team"].queryset = teams  # type: ignore[attr-defined]
        if not self.subject.assignments.exists():
            self.fields["team"].initial = self.subject.team_id

    def clean(self) -> dict[str, Any]:
        facts = super().clean() or self.cleaned_data
        if not (facts.get("service") or facts.get("team") or self.user.is_superuser):
            raise forms.ValidationError(
                "Choose a service or a team that you manage; everything is administrators'."
            )
        return facts


offer(
    "escalation.escalationpolicy",
    Verb(
        "assign",
        "Assign it",
        lambda policy, actor, facts: services.assign_policy(policy, **facts, actor=actor),
        form=AssignForm,
        may=lambda user, _policy: user.may_manage,
        order=10,
        hint="From the next incident on, this policy says who is asked there, instead of the one "
        "that was assigned to just that until now. The most specific assignment wins.",
        done=lambda policy, facts: f"{_where(facts)}: {policy} says who is asked.",
    ),
)


def _where(facts: dict[str, Any]) -> str:
    where = {name: facts[name] for name in ["service", "team", "severity"]}
    return PolicyAssignment(**where).where


offer(
    "incidents.team",
    Verb(
        "default-policy",
        "Make its escalation policy",
        lambda team, actor, _facts: services.default_policy_for(team, actor=actor),
        may=lambda user, team: user.manages(team.pk),
        when=lambda team: not PolicyAssignment.objects.filter(team=team).exists(),
        order=51,
        hint="Three levels: who is on call (5 minutes), then all responders of the team (10), then "
        "its managers (10); it starts over three times before the last resort is told. It applies "
        "to all services of the team at once; its levels can be changed afterwards.",
        done="The escalation policy is made and applies to all services of the team.",
    ),
)
