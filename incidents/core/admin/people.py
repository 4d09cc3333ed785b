"""Admin pages of people, teams, services and policies: the nouns that managers keep in order."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import Count, Field, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from incidents.core import services
from incidents.core.admin.accounts import ROLES_EXPLAINED, ZoneFields
from incidents.core.admin.organisation import RunbookField
from incidents.core.adminsite import HouseAdmin, HouseInline, Verb, VerbForm, offer
from incidents.core.models import (
    ApiToken,
    ExpectedSignal,
    Membership,
    RunbookRevision,
    Service,
    SeverityPolicy,
    Team,
)

admin.site.unregister(Group)


class MembershipInline(HouseInline):
    """Who belongs to the team. People are invited on a page of their own."""

    model = Membership
    verbose_name, verbose_name_plural = "person", "People"
    autocomplete_fields = ["user"]
    fields = ["user", "role", "function"]

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "role":
            field.choices = ROLES_EXPLAINED
        if field is not None and db_field.name == "user":
            field.label, field.widget.can_add_related = "Person", False
        return field


@admin.register(Team)
class TeamAdmin(RunbookField, ZoneFields):
    editable_by = "managers"
    team_path = "pk"
    list_display = ["name", "people", "timezone"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [MembershipInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user: Any = request.user
        return bool(user.opens_admin and (user.manages(obj.pk) if obj else user.may_manage))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        return super().get_queryset(request).annotate(people_count=Count("memberships"))

    @admin.display(description="People", ordering="people_count")
    def people(self, team: Any) -> int:
        return team.people_count


@admin.register(Service)
class ServiceAdmin(RunbookField):
    editable_by = "managers"
    list_display = ["name", "team", "criticality", "is_catch_all", "is_active"]
    list_filter = ["team", "criticality", "is_active"]
    list_select_related = ["team"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}


class SeverityPolicyInline(HouseInline):
    model = SeverityPolicy
    read_only = True
    fields = [
        *(
            "label",
            "response",
            "detect_target",
            "respond_target",
            "identify_target",
            "mitigate_target",
        ),
        *("resolve_target", "business_hours", "update_cadence", "monitoring_window"),
    ]


@admin.register(RunbookRevision)
class RunbookRevisionAdmin(HouseAdmin):
    list_display = ["title", "slug", "version", "reference_format", "created_at"]
    list_filter = ["slug"]
    ordering = ["slug", "-version"]
    inlines = [SeverityPolicyInline]
    # What is in the document is told in words above (incidents.runbooks).
    fields = ["title", "slug", "version", "reference_format", "reopen_window", "created_at"]

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> list[type[HouseInline]]:
        """The rows that engines read, where no document says the same in words."""
        return [] if obj is not None and obj.document else [SeverityPolicyInline]


@admin.register(ExpectedSignal)
class ExpectedSignalAdmin(HouseAdmin):
    list_display = ["__str__", "until", "label_before_acknowledgement", "last_resort"]
    list_select_related = ["last_resort"]
    ordering = ["-until"]


class TokenForm(forms.ModelForm):
    class Meta:
        model = ApiToken
        fields = ["name", "scope", "expires_at"]


class AnybodysTokenForm(TokenForm):
    class Meta(TokenForm.Meta):
        fields = ["user", *TokenForm.Meta.fields]
        help_texts = {"user": "Who calls the API with it. Hand the secret over safely."}


@admin.register(ApiToken)
class ApiTokenAdmin(HouseAdmin):
    """The staff make tokens for themselves, administrators for anybody; shown once."""

    list_display = ["prefix", "name", "user", "scope", "last_used_at", "expires_at", "revoked_at"]
    list_filter = ["scope"]
    list_select_related = ["user"]
    ordering = ["-created_at"]

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = AnybodysTokenForm if request.user.is_superuser else TokenForm
        return super().get_form(request, obj, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens: QuerySet[ApiToken] = super().get_queryset(request)
        user: Any = request.user
        return tokens if user.is_superuser else tokens.filter(user=user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.opens_admin)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: ApiToken, form: ModelForm, change: bool
    ) -> None:
        facts = {"user": request.user, **form.cleaned_data}
        token, secret = services.issue_token(facts.pop("user"), **facts)
        obj.pk = token.pk
        messages.warning(request, f"Copy it now, it is not shown again: {secret}")


offer(
    "incidents.apitoken",
    Verb(
        name="revoke",
        label="Revoke",
        form=VerbForm,
        may=lambda user, token: user.is_superuser or token.user_id == user.pk,
        when=lambda token: token.revoked_at is None,
        run=lambda token, _actor, _facts: services.revoke_token(token),
    ),
)
