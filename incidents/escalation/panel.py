"""What an incident's page shows of the asking: where it stands, what comes next, who was paged."""

from collections import defaultdict
from dataclasses import dataclass

from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.core.models import Incident
from incidents.core.panels import Panel
from incidents.escalation.models import Escalation, Page
from incidents.notifications.models import Delivery
from incidents.timers.models import Timer

NEXT = {
    "escalation.step": "the next level is asked",
    "escalation.ticket_due": "it is paged, if nobody has acknowledged",
    "escalation.ack_expiry": "the acknowledgement expires, if nothing is done",
    "escalation.last_resort": "the last resort is told again",
    "core.snooze_end": "the snooze ends and paging starts again",
}
MOST_PAGES = 100


@dataclass(frozen=True)
class Fate:
    """A page and what became of it."""

    page: Page
    deliveries: list[Delivery]


def render(_request: HttpRequest, incident: Incident) -> Panel | None:
    """In four queries, however many pages there are."""
    escalation = Escalation.objects.select_related("policy").filter(pk=incident.pk).first()
    if escalation is None:
        return None
    timers = Timer.objects.pending().of(incident).filter(kind__in=NEXT).order_by("due_at")
    context = {
        "escalation": escalation,
        "next": [(timer.due_at, NEXT[timer.kind]) for timer in timers],
        **_pages(incident),
    }
    return Panel("Escalation", render_to_string("escalation/panel.html", context))


def _pages(incident: Incident) -> dict[str, object]:
    pages = Page.objects.of(incident).select_related("user", "requested_by")
    found: dict[tuple[str, int | None], list[Delivery]] = defaultdict(list)
    for delivery in Delivery.objects.filter(incident=incident).pages().order_by("created_at"):
        found[delivery.cause, delivery.recipient_id].append(delivery)
    fates = [
        Fate(page, found.get((page.cause, page.user_id), []))
        for page in pages.order_by("-at", "-pk")[:MOST_PAGES]
    ]
    return {"fates": fates}
