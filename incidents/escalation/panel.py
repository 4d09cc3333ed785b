"""What an incident's page shows of the asking: where it stands, what comes next, who was told."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.core.models import Incident
from incidents.core.panels import Panel
from incidents.escalation.models import Escalation, Page
from incidents.escalation.outlook import Standing, outlook_of
from incidents.notifications.models import Delivery
from incidents.timers import clock
from incidents.timers.models import Timer

NEXT = {
    "escalation.step": "the next level is asked",
    "escalation.ticket_due": "it is paged, if nobody has acknowledged",
    "escalation.ack_expiry": "the acknowledgement expires, if nothing is done",
    "escalation.last_resort": "the last resort is told again",
    "core.snooze_end": "the snooze ends and paging starts again",
}
TONES = {
    Escalation.State.RUNNING: "t-warn",
    Escalation.State.TICKET: "t-info",
    Escalation.State.PAUSED: "t-good",
    Escalation.State.EXHAUSTED: "t-bad",
    Escalation.State.ENDED: "t-calm",
}
FATES = {
    Delivery.State.PENDING: "t-info",
    Delivery.State.SENDING: "t-info",
    Delivery.State.SENT: "t-good",
    Delivery.State.FAILED: "t-bad",
    Delivery.State.CANCELLED: "t-calm",
}
MOST_PAGES, MOST_DELIVERIES = 30, 200


@dataclass(frozen=True)
class Told:
    """One message and the tone of its fate."""

    delivery: Delivery
    tone: str


@dataclass(frozen=True)
class Fate:
    """A page and what became of it."""

    page: Page
    told: list[Told]


def render(_request: HttpRequest, incident: Incident) -> Panel | None:
    """In four queries, however many pages there are."""
    escalation = Escalation.objects.select_related("policy").filter(pk=incident.pk).first()
    if escalation is None:
        return None
    timers = Timer.objects.pending().of(incident).filter(kind__in=NEXT).order_by("due_at")
    context = {
        "escalation": escalation,
        "incident": incident,
        "tone": TONES[Escalation.State(escalation.state)],
        "next": [(timer.due_at, NEXT[timer.kind]) for timer in timers],
        "now": clock.now(),
        **_told(incident),
    }
    return Panel("Escalation", render_to_string("escalation/panel.html", context))


def render_rules(_request: HttpRequest, incident: Incident) -> Panel | None:
    """What its runbook escalates by itself. Constant queries; nothing without such a runbook."""
    now = clock.now()
    outlook = outlook_of(incident, now=now)
    if not outlook.prospects and not outlook.vacant and outlook.calls_at is None:
        return None
    ahead = {Standing.DUE, Standing.READY}
    context = {
        "vacant": outlook.vacant,
        "calls_at": outlook.calls_at,
        "due": [one for one in outlook.prospects if one.standing == Standing.DUE],
        "ready": [one for one in outlook.prospects if one.standing == Standing.READY],
        "others": [one for one in outlook.prospects if one.standing not in ahead],
        "now": now,
    }
    return Panel("Escalation rules", render_to_string("escalation/rules.html", context))


def _told(incident: Incident) -> dict[str, object]:
    """Pages with their messages, newest first, and the messages that belong to no page."""
    pages = Page.objects.of(incident).select_related("user").order_by("-at", "-pk")[:MOST_PAGES]
    newest = Delivery.objects.filter(incident=incident).select_related("recipient")
    found: dict[tuple[str, int | None], list[Told]] = defaultdict(list)
    for told in _toned(reversed(newest.order_by("-created_at")[:MOST_DELIVERIES])):
        found[told.delivery.cause, told.delivery.recipient_id].append(told)
    fates = [Fate(page, found.pop((page.cause, page.user_id), [])) for page in pages]
    others = [told for messages in found.values() for told in messages]
    others.sort(key=lambda told: told.delivery.created_at, reverse=True)
    return {"fates": fates, "others": others, "cut": len(fates) == MOST_PAGES}


def _toned(deliveries: Iterable[Delivery]) -> Iterable[Told]:
    return (Told(delivery, FATES[Delivery.State(delivery.state)]) for delivery in deliveries)
