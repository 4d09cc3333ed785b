"""Admin pages of the ways out: deliveries with attempts and fate, and who is reached where."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from incidents.core import panels
from incidents.core.adminsite import HouseAdmin, HouseInline, Verb, VerbForm, offer
from incidents.core.errors import DomainError
from incidents.core.models import Incident, User
from incidents.notifications import services
from incidents.notifications.addresses import DEMO, Channel
from incidents.notifications.models import (
    Attempt,
    ContactMethod,
    Delivery,
    LastResortAddress,
    NotificationRule,
)

COLOURS = {
    Delivery.State.PENDING: "info",
    Delivery.State.SENDING: "info",
    Delivery.State.SENT: "success",
    Delivery.State.FAILED: "danger",
    Delivery.State.CANCELLED: "warning",
}


class AttemptInline(HouseInline):
    model = Attempt
    read_only = True
    fields = readonly_fields = ["number", "started_at", "finished_at", "outcome", "detail"]


@admin.register(Delivery)
class DeliveryAdmin(HouseAdmin):
    """History: shown, never edited."""

    list_display = ["created_at", "urgency", "to", "transport", "subject", "fate", "attempts"]
    list_filter = ["state", "urgency", "transport"]
    list_select_related = ["recipient"]
    search_fields = ["subject", "recipient__username", "incident__reference"]
    ordering = ["-created_at"]
    inlines = [AttemptInline]
    fields = [
        ("to", "transport", "masked_address"),
        ("state", "attempts", "last_error"),
        ("due_at", "give_up_at", "sent_at"),
        ("incident", "urgency", "cause"),
        ("provider_id", "fallback_of"),
        "subject",
        "text",
    ]
    readonly_fields = ["to", "masked_address", "text"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        user: Any = request.user
        return Delivery.objects.visible_to(user).select_related("recipient")

    @display(description="To")
    def to(self, delivery: Delivery) -> str:
        return str(delivery.recipient or delivery.masked_address)

    @display(description="Address")
    def masked_address(self, delivery: Delivery) -> str:
        return delivery.masked_address

    @display(description="Body")
    def text(self, delivery: Delivery) -> str:
        return "(confidential)" if delivery.is_confidential else delivery.body

    @display(description="Fate", label={str(s.label): c for s, c in COLOURS.items()})
    def fate(self, delivery: Delivery) -> str:
        return delivery.get_state_display()


class AddressForm(forms.ModelForm):
    """Refuses addresses to which nothing could ever be sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields.get("kind")
        if kind is not None and not settings.DEMO_TRANSPORTS:
            kind.choices = [choice for choice in kind.choices if choice[0] not in DEMO]
        if "address" in self.fields:
            self.fields["address"].help_text = (
                "An e-mail address, the https:// address of a webhook, or an Apprise URL such as "
                "ntfys://ntfy.sh/topic"
            )

    def clean(self) -> dict[str, Any]:
        facts: dict[str, Any] = super().clean() or {}
        if "kind" in facts and "address" in facts:
            try:
                facts["address"] = services.check_address(facts["kind"], facts["address"])
            except DomainError as error:
                self.add_error("address", error.message)
        return facts


class NotificationRuleInline(HouseInline):
    model = NotificationRule
    read_only = True
    fields = readonly_fields = ["urgency", "delay"]


@admin.register(ContactMethod)
class ContactMethodAdmin(HouseAdmin):
    """Where people can be reached. Added here or by the API; changed by verbs."""

    editable_by = "administrators"
    list_display = ["user", "kind", "masked_address", "position", "verified", "is_active"]
    list_filter = ["kind", "is_active"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__first_name", "user__last_name"]
    autocomplete_fields = ["user"]
    ordering = ["user", "position"]
    form = AddressForm
    inlines = [NotificationRuleInline]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            whose = ["user"] if request.user.is_superuser else []
            return [*whose, "kind", "address"]
        return ["user", "kind", "masked_address", "position", "verified_at", "is_active"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["masked_address", "verified_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Everybody who may log in adds their own, administrators anybody's."""
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Adding is the verb, which also knows an address that was there before."""
        actor: Any = request.user
        owner = form.cleaned_data.get("user", actor)
        added = services.add_contact_method(owner, kind=obj.kind, address=obj.address, actor=actor)
        obj.pk = added.pk
        obj.refresh_from_db()
        if added.secret:
            messages.warning(
                request,
                "Requests to it are signed (Standard Webhooks). Copy the secret now, it is not "
                f"shown again: {added.secret}",
            )

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        if not obj.is_verified:
            messages.info(request, "It is used as soon as it is verified: send a code to it.")
        return redirect("admin:notifications_contactmethod_change", obj.pk)

    @display(description="Address")
    def masked_address(self, method: ContactMethod) -> str:
        return method.masked_address

    @display(description="Verified", boolean=True)
    def verified(self, method: ContactMethod) -> bool:
        return method.is_verified


@admin.register(LastResortAddress)
class LastResortAddressAdmin(HouseAdmin):
    """Who is told when nobody is left to page."""

    editable_by = "administrators"
    list_display = ["name", "kind", "masked_address", "is_active"]
    list_filter = ["kind", "is_active"]
    ordering = ["name"]
    form = AddressForm
    actions = ["send_test"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is not None and not self.has_change_permission(request, obj):
            return ["name", "kind", "masked_address", "is_active"]
        return ["name", "kind", "address", "secret", "is_active"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["masked_address"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if obj.kind == Channel.WEBHOOK and not obj.secret:
            obj.secret = services.new_secret()
        super().save_model(request, obj, form, change)

    @admin.action(description="Send a test message", permissions=["change"])
    def send_test(self, request: HttpRequest, chosen: QuerySet[LastResortAddress]) -> None:
        actor: Any = request.user
        for address in chosen:
            services.send_test(address, actor=actor)
            self.message_user(request, f"A test message is on its way to {address}.")
        messages.info(request, "Its fate is seen under deliveries.")

    @display(description="Address")
    def masked_address(self, address: LastResortAddress) -> str:
        return address.masked_address


class CodeForm(VerbForm):
    code = forms.CharField(max_length=20, help_text="As it was sent to this address.")


def _is_own_or_administrator(user: User, method: ContactMethod) -> bool:
    return user.is_superuser or method.user_id == user.pk


offer(
    "notifications.contactmethod",
    Verb(
        "send-verification",
        "Send a verification code",
        lambda method, actor, _: services.send_verification(method, actor=actor),
        may=_is_own_or_administrator,
        when=lambda method: method.is_active and not method.is_verified,
        order=10,
    ),
    Verb(
        "verify",
        "Enter the code",
        lambda method, actor, facts: services.verify(method, code=facts["code"], actor=actor),
        form=CodeForm,
        may=_is_own_or_administrator,
        when=lambda method: bool(method.verification_digest),
        order=20,
    ),
    Verb(
        "vouch",
        "Vouch for it without a code",
        lambda method, actor, _: services.vouch_for(method, actor=actor),
        may=lambda user, _method: user.is_superuser,
        when=lambda method: method.is_active and not method.is_verified,
        order=30,
    ),
    Verb(
        "send-test",
        "Send a test message",
        lambda method, actor, _: services.send_test(method, actor=actor),
        may=_is_own_or_administrator,
        when=lambda method: method.is_active,
        order=40,
    ),
    Verb(
        "remove",
        "Remove",
        lambda method, actor, _: services.remove_contact_method(method, actor=actor),
        may=_is_own_or_administrator,
        when=lambda method: method.is_active,
        order=90,
    ),
)
offer(
    "notifications.lastresortaddress",
    Verb(
        "send-test",
        "Send a test message",
        lambda address, actor, _: services.send_test(address, actor=actor),
        may=lambda user, _address: user.is_superuser,
    ),
)


def _deliveries(_request: HttpRequest, incident: Incident) -> panels.Panel | None:
    newest = incident.deliveries.select_related("recipient").order_by("-created_at")[:50]
    rows = format_html_join(
        "",
        '<tr><td class="pr-4 py-1 whitespace-nowrap align-top">{} UTC</td>'
        '<td class="pr-4 py-1 align-top">{}</td><td class="pr-4 py-1 align-top">{}</td>'
        '<td class="py-1">{} {}</td></tr>',
        (
            (
                f"{d.created_at:%Y-%m-%d %H:%M:%S}",
                d.recipient or "Last resort",
                f"{d.get_transport_display()} {d.masked_address}",
                d.get_state_display(),
                d.last_error,
            )
            for d in newest
        ),
    )
    if not rows:
        return None
    return panels.Panel("Told", format_html("<table><tbody>{}</tbody></table>", rows))


panels.register("incident", _deliveries, order=60)
