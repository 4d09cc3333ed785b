"""The canary's page: queued as any page is, to an address at which nobody is disturbed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from incidents.core.models import CANARY, Incident
from incidents.notifications import outbox
from incidents.notifications.addresses import Address
from incidents.notifications.models import Delivery, Urgency
from incidents.notifications.outbox import Letter
from incidents.timers import clock

PATIENCE = timedelta(minutes=1)
KEPT = 3
State = Delivery.State


@dataclass(frozen=True)
class CanaryPages:
    """What became of the last ones; `error`: why the newest was given up, where it was."""

    arrived_at: datetime | None = None
    waiting_since: datetime | None = None
    error: str = ""


def page_canary(incident: Incident, *, cause: str) -> None:
    """Queue its page, and forget all but the last few of those before: a day has 1,440."""
    letter = Letter(
        cause=cause,
        subject="Nothing is broken: the canary",
        body="Nobody reads this. That it leaves is what is to be known.",
        urgency=Urgency.PAGE,
        patience=PATIENCE,
        incident=incident,
        epoch=incident.paging_epoch,
    )
    earlier = Delivery.objects.filter(incident=incident).order_by("-created_at")
    kept = list(earlier.values_list("pk", flat=True)[:KEPT])
    earlier.exclude(ended_at=None).exclude(pk__in=kept).order_by().delete()
    where = Address("sandbox", "canary")
    outbox.insert([outbox.to_address(letter, where, recipient_key="canary", now=clock.now())])


def canary_pages() -> CanaryPages:
    """One query of a few rows."""
    rows = Delivery.objects.filter(incident__reference=CANARY).order_by("-created_at")
    found = list(rows.values_list("state", "created_at", "sent_at", "last_error"))
    waiting = [created for state, created, *_ in found if state in {State.PENDING, State.SENDING}]
    arrived = [sent for *_, sent, _ in found if sent is not None]
    failed = found[0][3] or "It was given up." if found and found[0][0] == State.FAILED else ""
    return CanaryPages(max(arrived, default=None), min(waiting, default=None), failed)
