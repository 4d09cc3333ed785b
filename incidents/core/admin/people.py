"""Admin pages of people, teams, services and policies: the nouns that managers keep in order."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from incidents.core import services
from incidents.core.adminsite import HouseAdmin, HouseInline, Verb, VerbForm, offer
from incidents.core.models import (
    ApiToken,
    ExpectedSignal,
    Membership,
    Organisation,
    RunbookRevision,
    Service,
    SeverityPolicy,
    Team,
    User,
)

admin.site.unregister(Group)


class MembershipInline(HouseInline):
    model = Membership
    autocomplete_fields = ["user"]
    fields = ["user", "role", "function"]


@admin.register(Team)
class TeamAdmin(HouseAdmin):
    editable_by = "managers"
    team_path = "pk"
    list_display = ["name", "people", "timezone", "runbook"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [MembershipInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user: Any = request.user
        return bool(user.is_staff and (user.manages(obj.pk) if obj else user.may_manage))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        return super().get_queryset(request).annotate(people_count=Count("memberships"))

    @admin.display(description="People", ordering="people_count")
    def people(self, team: Any) -> int:
        return team.people_count


@admin.register(Service)
class ServiceAdmin(HouseAdmin):
    editable_by = "managers"
    list_display = ["name", "team", "criticality", "is_catch_all", "is_active"]
    list_filter = ["team", "criticality", "is_active"]
    list_select_related = ["team"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    autocomplete_fields = ["depends_on"]


@admin.register(User)
class PersonAdmin(UserAdmin, ModelAdmin):
    """People are kept by administrators; everybody on the staff may look them up."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "email", "timezone", "is_active"]
    list_filter = ["is_active", "is_staff"]
    fieldsets = [
        (None, {"fields": ["username", "password", "is_active", "is_staff", "is_superuser"]}),
        ("Person", {"fields": ["first_name", "last_name", "email", "timezone"]}),
    ]
    add_fieldsets = [(None, {"fields": ["username", "email", "password1", "password2"]})]
    filter_horizontal: ClassVar[list[str]] = []

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nobody but those who may set it gets to see a password's hash."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        account = ["username", "is_active", "is_staff", "is_superuser"]
        return [(None, {"fields": account}), self.fieldsets[1]]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Organisation)
class OrganisationAdmin(HouseAdmin):
    editable_by = "administrators"
    list_display = ["name", "timezone", "country", "runbook"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser) and not Organisation.objects.exists()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def save_model(
        self, request: HttpRequest, obj: Organisation, form: ModelForm, change: bool
    ) -> None:
        obj.pk = 1
        obj.save()


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
        return bool(request.user.is_staff)

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
