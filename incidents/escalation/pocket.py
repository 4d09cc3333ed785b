"""What a responder's phone shows of the asking: who is asked next, and who was."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.core.models import Incident
from incidents.core.panels import Panel
from incidents.escalation import targets
from incidents.escalation.engine import Place, decide
from incidents.escalation.models import Escalation, Page
from incidents.escalation.outlook import Standing, outlook_of
from incidents.escalation.wording import names
from incidents.notifications import services as notifications
from incidents.notifications.models import Delivery
from incidents.timers import clock
from incidents.timers.models import Timer
from incidents.timers.wording import until

NEXT = {
    "escalation.step": "unless somebody acknowledges, {people} asked next.",
    "escalation.ticket_due": "unless somebody acknowledges, it pages.",
    "escalation.ack_expiry": "unless something is done here, people are paged again.",
    "escalation.last_resort": "the last resort is told again.",
    "core.snooze_end": "the snooze ends, and paging starts again.",
}
MOST_PAGES = 10


def render(_request: HttpRequest, incident: Incident) -> Panel | None:
    """In a constant number of queries, however many pages there were."""
    escalation = Escalation.objects.select_related("policy").filter(pk=incident.pk).first()
    if escalation is None:
        return None
    pages = list(Page.objects.of(incident).select_related("user").order_by("-at", "-pk"))
    context = {
        "escalation": escalation,
        "next": _next(incident, escalation),
        "pages": _with_fates(incident, pages[:MOST_PAGES]),
        "older": max(len(pages) - MOST_PAGES, 0),
    }
    return Panel("Who is asked", render_to_string("escalation/pocket.html", context))


def render_rules(_request: HttpRequest, incident: Incident) -> Panel | None:
    """What its runbook escalates by itself, and which roles are vacant."""
    now = clock.now()
    outlook = outlook_of(incident, now=now)
    due = [one for one in outlook.prospects if one.standing == Standing.DUE]
    ready = [one for one in outlook.prospects if one.standing == Standing.READY]
    if not due and not ready and not outlook.vacant and outlook.calls_at is None:
        return None
    context = {
        "vacant": outlook.vacant,
        "calls_at": outlook.calls_at,
        "coming": [{**vars(one), "left": until(one.due_at or now, now)} for one in due],
        "ready": ready,
    }
    return Panel("Escalation rules", render_to_string("escalation/pocket_rules.html", context))


def next_due(incident: Incident) -> datetime | None:
    """When something happens by itself as long as nobody acknowledges."""
    awaited = Timer.objects.pending().of(incident).filter(kind__in=NEXT)
    return awaited.order_by("due_at").values_list("due_at", flat=True).first()


def _next(incident: Incident, escalation: Escalation) -> list[tuple[datetime, str, str]]:
    """When, how far away, and what."""
    pending = list(Timer.objects.pending().of(incident).filter(kind__in=NEXT).order_by("due_at"))
    steps = any(timer.kind == "escalation.step" for timer in pending)
    people = _people(incident, escalation) if steps else ""
    now = clock.now()
    return [
        (timer.due_at, until(timer.due_at, now), NEXT[timer.kind].format(people=people))
        for timer in pending
    ]


def _people(incident: Incident, escalation: Escalation) -> str:
    """Whom the next step would ask, as things stand now: "Alice and Bob are"."""
    now = clock.now()
    policy = escalation.policy_id
    question = targets.Question(
        incident,
        targets.written_plans([policy]).get(policy) if policy else None,
        Place(escalation.cycle, escalation.level),
    )
    crew = targets.gather([question], now, further=True)
    silent = {user.pk for user in notifications.unreachable(crew.users.values())}
    ladder = crew.ladders[incident.pk]
    decision = decide(question.place, ladder, now, unreachable=silent)
    people = [crew.users[pk] for pk in decision.people if pk in crew.users]
    if not people:
        return "nobody is left, and the last resort is"
    return f"{names(people)} {'is' if len(people) == 1 else 'are'}"


def _with_fates(incident: Incident, pages: Iterable[Page]) -> list[tuple[Page, str]]:
    """Each page with what became of its messages, in one query."""
    found: dict[tuple[str, int | None], list[str]] = defaultdict(list)
    for delivery in Delivery.objects.filter(incident=incident).pages().order_by("created_at"):
        fate = f"{delivery.get_transport_display()} {delivery.get_state_display().lower()}"
        if fate not in (told := found[delivery.cause, delivery.recipient_id]):
            told.append(fate)
    return [
        (page, ", ".join(found.get((page.cause, page.user_id), ["no message left"])))
        for page in pages
    ]
