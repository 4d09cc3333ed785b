"""Admin pages of assignments: which policy applies where, in sentences."""

from typing import Any

from django import forms
from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html

from incidents.core import panels
from incidents.core.adminsite import HouseAdmin, Verb, offer
from incidents.core.models import User
from incidents.escalation import services
from incidents.escalation.models import PolicyAssignment

WHERE = {
    "service": "This service only. Neither a service nor a team chosen: everything that has no "
    "policy of its own, which administrators assign.",
    "team": "Every service that the team owns, unless it has a policy of its own.",
}


@admin.register(PolicyAssignment)
class PolicyAssignmentAdmin(HouseAdmin):
    editable_by = "managers"
    list_display = ["where", "policy"]
    list_filter = ["policy", "severity"]
    list_select_related = ["policy", "service", "team"]
    ordering = ["service__name", "team__name", "severity"]
    fields = ["policy", "service", "team", "severity"]

    @admin.display(description="Where")
    def where(self, assignment: PolicyAssignment) -> str:
        return assignment.where

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["service", "team", "severity"] if obj else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A manager assigns to the own teams and their services; the rest is administrators'."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        user = _user(request)
        if db_field.name == "service" and field is not None and not user.is_superuser:
            field.queryset = field.queryset.filter(team__in=user.managed_teams)
        if db_field.name in WHERE and field is not None:
            field.help_text = WHERE[db_field.name]
        return field

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = _assignment_form(_user(request))
        return super().get_form(request, obj, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: PolicyAssignment, form: ModelForm, change: bool
    ) -> None:
        obj.pk = services.assign_policy(
            obj.policy,
            service=obj.service,
            team=obj.team,
            severity=obj.severity,
            actor=_user(request),
        ).pk

    def _manages(self, user: Any, obj: PolicyAssignment) -> bool:
        return may_assign(user, obj)


def may_assign(user: Any, assignment: PolicyAssignment) -> bool:
    """Where it applies belongs to a team of this manager; everything, to administrators."""
    service = assignment.service
    return user.manages(service.team_id if service else assignment.team_id)


def _assignment_form(user: User) -> type[ModelForm]:
    class AssignmentForm(ModelForm):
        def clean(self) -> dict[str, Any]:
            facts = super().clean() or {}
            if not (facts.get("service") or facts.get("team") or user.is_superuser):
                raise forms.ValidationError("Name a service or a team that you manage.")
            return facts

    return AssignmentForm


offer(
    "escalation.policyassignment",
    Verb(
        "remove",
        "Remove",
        lambda assignment, actor, _facts: services.unassign_policy(assignment, actor=actor),
        may=may_assign,
        grave=True,
        hint="The next most specific assignment applies instead; where there is none, the last "
        "resort is told at once. What is being asked already goes on as it is.",
        done="The assignment is removed.",
    ),
)


def _user(request: HttpRequest) -> User:
    user: Any = request.user
    return user


def _sentence(_request: HttpRequest, assignment: PolicyAssignment) -> panels.Panel:
    html = format_html(
        "<p>{}: the policy <strong>{}</strong> says who is asked, unless something more specific "
        "is assigned.</p>",
        assignment.where,
        assignment.policy,
    )
    return panels.Panel("What it means", html)


panels.register("policyassignment", _sentence)
