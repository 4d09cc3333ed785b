"""The canary: one incident that goes the whole way of a page every minute, and disturbs nobody.

Its alert is taken in by the verb of every alert; in the same transaction the incident gets a timer;
the clock's engine claims that and has a page queued for the incident's epoch; the outbox claims it
behind the incident's lock, and sends it by a transport that leads nowhere. What arrives there has
come through everything that a real page goes through, in whatever processes these run.

What it does not go through: a declaration, and the ladder. Both write history, which nobody may
take back, and 1,440 rounds a day would write a million entries a year; and the ladder asks people,
of whom one would have to be made up and stand in everybody's lists. So the alert is a repeat of a
known one, and the page goes to an address. That declaring and the ladder work shows in every real
incident: an error there is told to the last resort at once (escalation's `rescue`), and the
auditor looks at each of them every minute (I1, I2, I7).

Nothing grows: the incident, its alert and the source are the same rows for ever, a round's timer
and delivery are deleted by the rounds that follow. There is no canary before there is a service.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from incidents.alerts import services as alerts
from incidents.core.models import CANARY, Incident
from incidents.notifications import services as notifications
from incidents.timers import clock
from incidents.timers import services as timers
from incidents.timers.models import Timer

ROUND = "insights.canary"
# A round takes a second or two, and begins once a minute.
FRESH = timedelta(minutes=3)
LONGEST_ROUND = timedelta(minutes=2)


@dataclass(frozen=True)
class Canary:
    """How it is. `arrived_at`: when the last whole round ended; `waiting_since`: when the one that
    is under way began; `error`: why the last one failed.
    """

    arrived_at: datetime | None
    waiting_since: datetime | None
    error: str = ""

    def is_fresh(self, now: datetime) -> bool:
        return self.arrived_at is not None and now - self.arrived_at <= FRESH

    def fault(self, now: datetime) -> str:
        """What is wrong with it; empty: nothing, or it has not begun yet."""
        if self.error:
            return f"its last round failed: {self.error}"
        if self.waiting_since is not None and now - self.waiting_since > LONGEST_ROUND:
            return f"its round has been under way since {self.waiting_since}."
        return ""


def look() -> Canary:
    """Two queries."""
    pages = notifications.canary_pages()
    of_canary = Incident.objects.filter(reference=CANARY).values("pk")
    pending = Timer.objects.pending().filter(kind=ROUND)
    pending = pending.filter(subject_type=Incident._meta.label_lower, subject_id__in=of_canary)
    due_at = pending.values_list("due_at", flat=True).first()
    since = min((at for at in [pages.waiting_since, due_at] if at is not None), default=None)
    return Canary(pages.arrived_at, since, pages.error)


def begin_round() -> bool:
    """Send it on its way, unless it is; False where nothing was begun."""
    if look().waiting_since is not None:
        return False
    with transaction.atomic():
        incident = alerts.chirp()
        if incident is None:
            return False
        timers.schedule(ROUND, incident, due_at=clock.now())
    return True


def page(timer: Timer, incident: Incident, now: datetime) -> None:
    """Handler of its timer (incident locked)."""
    timers.forget(ROUND, incident, but=timer)
    notifications.page_canary(incident, cause=f"canary:{now.isoformat()}")
