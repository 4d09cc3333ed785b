"""I3 to I6: nothing is overdue, every page ends, none begins after the answer, none comes twice."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import CharField, Count, Exists, F, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat

from incidents.core.models import CANARY, Incident, Kind, TimelineEntry
from incidents.escalation.models import Page
from incidents.insights.audit.kinds import MOST_OFFENCES, Invariant, Offence, Scope
from incidents.notifications.models import Attempt, Delivery, Urgency
from incidents.timers.models import Timer

# Messages wait behind pages, and behind a provider that hangs.
MESSAGES_MAY_WAIT = timedelta(minutes=5)
# The attempt that runs when the patience ends may take this long, and then is marked.
LAST_ATTEMPT = timedelta(seconds=20)
DELIVERIES_ARE_KEPT = timedelta(days=89)
TAKING = [Kind.ACKNOWLEDGED, Kind.SNOOZED, Kind.RESOLVED, Kind.DISMISSED]
State = Delivery.State


# --- I3 -------------------------------------------------------------------------------------------


def overdue(scope: Scope) -> Iterator[Offence]:
    """By the rows alone: a claim that is renewed for ever is no excuse."""
    before = scope.timers_due_before
    timers = Timer.objects.pending().filter(due_at__lt=before).order_by("due_at")
    for pk, kind, due_at in timers.values_list("pk", "kind", "due_at")[:MOST_OFFENCES]:
        yield Offence(f"timer:{pk}", f"{kind} was due at {due_at}.")
    before = scope.deliveries_due_before
    waits = Q(state=State.PENDING, due_at__lt=before) | Q(
        state=State.SENDING, lease_until__lt=before
    )
    page = Q(urgency=Urgency.PAGE) | Q(due_at__lt=before - MESSAGES_MAY_WAIT)
    late = Delivery.objects.alive().filter(waits, page).order_by("due_at")
    for delivery, transport, due_at in late.values_list("pk", "transport", "due_at")[
        :MOST_OFFENCES
    ]:
        yield Offence(
            f"delivery:{delivery}", f"By {transport}, due at {due_at}, and nobody sends it."
        )


# --- I4 -------------------------------------------------------------------------------------------


def endless(scope: Scope) -> Iterator[Offence]:
    late = scope.deliveries_due_before - LAST_ATTEMPT
    going = Delivery.objects.alive().filter(give_up_at__lt=late)
    for pk, until in going.values_list("pk", "give_up_at")[:MOST_OFFENCES]:
        yield Offence(f"delivery:{pk}", f"It was to be given up at {until}, and has not ended.")
    yield from _without_follower()
    yield from _never_queued(scope)


def _without_follower() -> Iterator[Offence]:
    """Given up while somebody still waited for it: another address, or an entry that says so."""
    of_now = Delivery.objects.filter(
        state=State.FAILED,
        paging_epoch=F("incident__paging_epoch"),
        recipient__isnull=False,
        incident__in=Incident.objects.open(),
    ).exclude(cause__startswith="last-resort:")
    family = Delivery.objects.filter(
        incident=OuterRef("incident"),
        cause=OuterRef("cause"),
        recipient_key=OuterRef("recipient_key"),
    ).exclude(pk=OuterRef("pk"))
    tried = family.filter(state__in=[State.PENDING, State.SENDING, State.SENT])
    # Of a family that failed one after the other, the last one says so.
    failed = list(of_now.exclude(Exists(tried)).values("pk", "incident_id", "recipient_id"))
    failed = failed[: 10 * MOST_OFFENCES]
    entries = TimelineEntry.objects.filter(
        kind=Kind.PAGE_FAILED, incident__in={row["incident_id"] for row in failed}
    )
    told = {
        (incident, person)
        for incident, data in entries.values_list("incident_id", "data")
        for person in data.get("people", [])
    }
    for row in failed:
        if (row["incident_id"], row["recipient_id"]) not in told:
            what = f"It failed, and nobody else was asked (incident {row['incident_id']})."
            yield Offence(f"delivery:{row['pk']}", what)


def _never_queued(scope: Scope) -> Iterator[Offence]:
    """A page that is on record and never was in the outbox. What is older has been forgotten."""
    cause = Concat(
        Value("page:"),
        Cast(OuterRef("incident_id"), CharField()),
        Value(":"),
        OuterRef("key"),
        output_field=CharField(),
    )
    queued = Delivery.objects.filter(
        incident=OuterRef("incident"), recipient=OuterRef("user"), cause=cause
    )
    pages = Page.objects.filter(scope.of_touched(), at__gt=scope.now - DELIVERIES_ARE_KEPT)
    lost = pages.exclude(Exists(queued))
    for pk, incident in lost.values_list("pk", "incident_id")[:MOST_OFFENCES]:
        yield Offence(f"page:{pk}", f"Nothing was ever to be sent for it (incident {incident}).")


# --- I5 -------------------------------------------------------------------------------------------


def after_the_answer(scope: Scope) -> Iterator[Offence]:
    """Attempts are dated by their claim: one that is later than the answer must not have been."""
    answered = TimelineEntry.objects.filter(
        incident=OuterRef("delivery__incident"),
        at__gt=OuterRef("delivery__created_at"),
        at__lt=OuterRef("started_at"),
        kind__in=TAKING,
    )
    pages = Attempt.objects.filter(
        scope.of_touched("delivery__incident"), delivery__paging_epoch__isnull=False
    ).exclude(delivery__incident__reference=CANARY)
    wrong = pages.filter(Exists(answered)).values_list("delivery_id", "number", "started_at")
    for delivery, number, at in wrong[:MOST_OFFENCES]:
        what = f"Attempt {number} began at {at}, after somebody had answered."
        yield Offence(f"delivery:{delivery}", what)


# --- I6 -------------------------------------------------------------------------------------------


def twice(scope: Scope) -> Iterator[Offence]:
    rows = Delivery.objects.filter(scope.of_touched(), incident__isnull=False)
    same = rows.order_by().values("incident", "cause", "recipient", "transport", "address")
    doubled = same.annotate(many=Count("pk")).filter(many__gt=1)
    for row in doubled[:MOST_OFFENCES]:
        what = f"One address was told {row['many']} times for {row['cause']}."
        yield Offence(f"incident:{row['incident']}", what)


INVARIANTS = [
    Invariant(
        "I3",
        "nothing overdue",
        "What is due happens, and what is to leave leaves.",
        "See that manage.py up, worker or clock runs, and what its log says; look at Timers.",
        overdue,
        is_queue=True,
    ),
    Invariant(
        "I4",
        "every page ends",
        "A page is sent, or somebody else is asked, or it is written down that nobody is left.",
        "Page somebody else from the incident's page; look at Deliveries.",
        endless,
    ),
    Invariant(
        "I5",
        "no page after the answer",
        "No page begins after somebody acknowledged.",
        "Nobody needs to do anything about the incident; report it.",
        after_the_answer,
    ),
    Invariant(
        "I6",
        "one page per address",
        "One address is told once for one cause.",
        "Nobody needs to do anything about the incident; report it.",
        twice,
    ),
]
