"""Admin pages of the last resort: who is told when nobody is left to page."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.decorators import display

from incidents.core.adminsite import HouseAdmin, Verb, offer
from incidents.notifications import services
from incidents.notifications.addresses import Channel
from incidents.notifications.admin.filters import KindFilter
from incidents.notifications.admin.forms import AddressForm
from incidents.notifications.models import LastResortAddress


@admin.register(LastResortAddress)
class LastResortAddressAdmin(HouseAdmin):
    """Who is told when nobody is left to page."""

    editable_by = "administrators"
    list_display = ["name", "kind", "masked_address", "is_active"]
    list_filter = [("kind", KindFilter), "is_active"]
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
            said = "Requests to it are signed (Standard Webhooks): its secret stands below."
            messages.info(request, said)
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        said = f"{obj} is told when nobody can be paged. See that it works: send a test message."
        messages.success(request, said)
        return redirect(self.page_url(obj))

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


offer(
    "notifications.lastresortaddress",
    Verb(
        "send-test",
        "Send a test message",
        lambda address, actor, _: services.send_test(address, actor=actor),
        may=lambda user, _address: user.is_superuser,
        ask=False,
        done="A test message is on its way; what becomes of it is shown under Deliveries.",
    ),
)
