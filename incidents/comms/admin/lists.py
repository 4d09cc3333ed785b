"""Who is told, in the admin: lists of stakeholders, channels of teams, components of the page."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from incidents.comms import services
from incidents.comms.models import Component, StakeholderAddress, Stakeholders, TeamChannel
from incidents.core.adminsite import HouseAdmin, HouseInline
from incidents.core.errors import DomainError
from incidents.notifications import services as notifications
from incidents.notifications.addresses import kinds
from incidents.notifications.services import Channel

ADDRESS = (
    "An e-mail address, the https:// address of a webhook, or an Apprise URL such as "
    "slack://token/#incidents"
)


class AddressForm(forms.ModelForm):
    """Refuses addresses to which nothing could ever be sent; webhooks get a secret that signs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields.get("kind")
        if kind is not None:
            kind.choices = kinds(keep=self.instance.kind)
        if "address" in self.fields:
            self.fields["address"].help_text = ADDRESS

    def clean(self) -> dict[str, Any]:
        facts: dict[str, Any] = super().clean() or self.cleaned_data
        if facts.get("kind") and facts.get("address"):
            try:
                facts["address"] = notifications.check_address(facts["kind"], facts["address"])
            except DomainError as error:
                self.add_error("address", error.message)
        return facts

    def save(self, commit: bool = True) -> Any:
        if self.instance.kind == Channel.WEBHOOK and not self.instance.secret:
            self.instance.secret = notifications.new_secret()
        return super().save(commit)


class StakeholderAddressInline(HouseInline):
    """Whoever may not change the list sees no more than what an address is like."""

    model = StakeholderAddress
    form = AddressForm
    verbose_name_plural = "addresses of nobody with an account"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        may = self.has_change_permission(request, obj)
        return ["kind", "address"] if may else ["kind", "masked_address"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if self.has_change_permission(request, obj) else ["kind", "masked_address"]


class StakeholdersForm(forms.ModelForm):
    """Of one service or one team; a list of the organisation is for administrators."""

    is_for_all = False

    def clean(self) -> dict[str, Any]:
        facts: dict[str, Any] = super().clean() or self.cleaned_data
        owners = [facts.get("service"), facts.get("team")]
        if all(owners):
            self.add_error("team", "Choose a service or a team, not both.")
        elif not any(owners) and not self.is_for_all:
            self.add_error("team", "Choose a service or a team that you manage.")
        return facts


@admin.register(Stakeholders)
class StakeholdersAdmin(HouseAdmin):
    """Of a service, a team, or the organisation (neither: administrators change that)."""

    editable_by = "managers"
    list_display = ["name", "whose", "audience", "minimum_severity", "count", "is_active"]
    list_filter = ["audience", "is_active", "team"]
    quick_views = [("Customers", "audience__exact=external")]
    list_select_related = ["service", "team"]
    search_fields = ["name"]
    ordering = ["name"]
    fields = [
        *("name", "service", "team", "audience", "minimum_severity", "people", "is_active"),
    ]
    form = StakeholdersForm
    inlines = [StakeholderAddressInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Stakeholders]:
        found = Stakeholders.objects.select_related("service", "team")
        return found.annotate(
            persons=Count("people", distinct=True), others=Count("addresses", distinct=True)
        )

    def _manages(self, user: Any, obj: Stakeholders) -> bool:
        return user.manages(obj.owner_id)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        user: Any = request.user
        if db_field.name == "service" and field is not None and not user.is_superuser:
            field.queryset = field.queryset.filter(team__in=user.managed_teams)
        return field

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, **kwargs)
        form.is_for_all = request.user.is_superuser
        return form

    @admin.display(description="Of")
    def whose(self, one: Stakeholders) -> str:
        return str(one.service or one.team or "the organisation")

    @admin.display(description="Told")
    def count(self, one: Any) -> str:
        return f"{one.persons} people, {one.others} addresses"


@admin.register(TeamChannel)
class TeamChannelAdmin(HouseAdmin):
    """Where a team talks. Its address may be all that is needed to write there: it is masked."""

    editable_by = "managers"
    form = AddressForm
    list_display = ["name", "team", "kind", "masked_address", "is_active"]
    list_filter = ["is_active", "team"]
    list_select_related = ["team"]
    ordering = ["name"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is not None and not self.has_change_permission(request, obj):
            return ["name", "team", "kind", "masked_address", "is_active"]
        return ["name", "team", "kind", "address", "is_active"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["masked_address"]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A channel of every team is for administrators: a manager would lock himself out."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "team" and field is not None:
            field.required = not request.user.is_superuser
        return field

    @display(description="Address")
    def masked_address(self, channel: TeamChannel) -> str:
        return channel.masked_address


@admin.register(Component)
class ComponentAdmin(HouseAdmin):
    """What the public status page shows, in its order."""

    editable_by = "managers"
    list_display = ["name", "service", "group", "position", "is_active"]
    list_filter = ["is_active"]
    list_select_related = ["service"]
    search_fields = ["name"]
    ordering = ["position", "name"]
    fields = ["service", "name", "description", "group", "position", "is_active"]

    def _manages(self, user: Any, obj: Component) -> bool:
        return user.manages(obj.service.team_id)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["service"] if obj else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        user: Any = request.user
        if db_field.name == "service" and field is not None and not user.is_superuser:
            field.queryset = field.queryset.filter(team__in=user.managed_teams)
        return field

    def save_model(
        self, request: HttpRequest, obj: Component, form: ModelForm, change: bool
    ) -> None:
        actor: Any = request.user
        names = ["name", "description", "group", "position", "is_active"]
        facts = {name: getattr(obj, name) for name in names}
        made = services.set_component(service=obj.service, actor=actor, **facts)
        obj.pk, obj.since = made.pk, made.since
