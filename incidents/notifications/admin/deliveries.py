"""Admin pages of deliveries: what was sent to whom, with attempts and fate. History."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from incidents.core.adminsite import HouseAdmin, HouseInline
from incidents.notifications.admin.filters import KindFilter
from incidents.notifications.models import Attempt, Delivery

State = Delivery.State
COLOURS = {
    State.PENDING: "info",
    State.SENDING: "info",
    State.SENT: "success",
    State.FAILED: "danger",
    State.CANCELLED: "",
}


class AttemptInline(HouseInline):
    model = Attempt
    read_only = True
    fields = readonly_fields = ["number", "started_at", "finished_at", "outcome", "detail"]


@admin.register(Delivery)
class DeliveryAdmin(HouseAdmin):
    """History: shown, never edited."""

    list_display = ["created_at", "urgency", "to", "transport", "subject", "fate", "attempts"]
    list_filter = ["state", "urgency", ("transport", KindFilter)]
    quick_views = [
        ("Failed", "state__exact=failed"),
        ("Waiting", "state__exact=pending"),
        ("Pages", "urgency__exact=page"),
        ("Failed pages", "state__exact=failed&urgency__exact=page"),
    ]
    list_select_related = ["recipient"]
    search_fields = ["subject", "recipient__username", "incident__reference"]
    ordering = ["-created_at"]
    inlines = [AttemptInline]
    fields = [
        ("to", "transport", "masked_address"),
        ("state", "attempts", "last_error"),
        ("due_at", "give_up_at", "sent_at"),
        ("waits_since", "bundle"),
        ("incident", "urgency", "cause"),
        ("provider_id", "fallback_of"),
        "subject",
        "text",
    ]
    readonly_fields = ["to", "masked_address", "text", "bundle"]

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

    @display(description="Fate", label=COLOURS)
    def fate(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.state, fate_of(delivery)


def fate_of(delivery: Delivery) -> str:
    """What became of it, in words."""
    if delivery.waits_for_others:
        return "Waits, to be told together with others"
    if delivery.state == State.PENDING:
        tried = delivery.attempts
        times = "once" if tried == 1 else f"{tried} times"
        return f"Waiting: tried {times} in vain" if tried else "Waiting to be sent"
    return {
        State.SENDING: "Being sent",
        State.SENT: "Sent",
        State.FAILED: "Failed",
        State.CANCELLED: "Not sent: no longer needed",
    }[State(delivery.state)]
