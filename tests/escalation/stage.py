"""What the tests of escalation have in common: letting things happen, and what must always hold."""

import re
from datetime import timedelta

from django.http import HttpRequest
from django.test import RequestFactory

from incidents.core.models import Incident
from incidents.escalation.models import Escalation
from incidents.notifications import engine as outbox
from incidents.notifications.transports.recorder import Recorder
from incidents.timers import engine as timers
from incidents.timers.clock import VirtualClock
from incidents.timers.models import Timer
from tests.factories import UserFactory

AWAITED = ["escalation.step", "escalation.ticket_due", "core.snooze_end"]


def nobody_is_silent() -> None:
    """The invariant of the house, asserted for every incident there is.

    Open and not acknowledged: a step is pending, or nobody is left and the last resort is told
    again. Resolved: nothing of escalation is pending.
    """
    for incident in Incident.objects.all():
        pending = Timer.objects.pending().of(incident)
        if not incident.is_open:
            assert not pending.filter(kind__startswith="escalation.").exists(), incident
        elif not incident.is_acknowledged:
            awaited = pending.filter(kind__in=AWAITED)
            bound = [t for t in awaited if t.epoch in {None, incident.paging_epoch}]
            exhausted = (
                incident.escalation.state == Escalation.State.EXHAUSTED
                and pending.filter(kind="escalation.last_resort").exists()
            )
            assert bound or exhausted, f"{incident} is silent: {list(pending)}"


def reader() -> HttpRequest:
    """Somebody who may see everything opens a page."""
    request = RequestFactory().get("/")
    request.user = UserFactory(is_superuser=True, is_staff=True)
    return request


def settle(rounds: int = 20) -> None:
    """Let everything happen that is due now, until nothing is."""
    for _ in range(rounds):
        if not timers.tick() + outbox.dispatch(wait=True):
            nobody_is_silent()
            return
    raise AssertionError("It never settles: something schedules itself for now, for ever.")


def pass_by(clock: VirtualClock, minutes: float) -> None:
    """The time passes, and what is due on the way happens when it is due."""
    end = clock.at + timedelta(minutes=minutes)
    for _ in range(1_000):
        due = Timer.objects.pending().filter(due_at__lte=end).order_by("due_at").first()
        if due is None:
            break
        clock.at = max(clock.at, due.due_at)
        timers.tick()
    clock.at = end
    settle()


class Phones:
    """What everybody received since the last look."""

    def __init__(self) -> None:
        Recorder.reset()

    def take(self) -> list[tuple[str, str]]:
        """(person, urgency) of everything that arrived since, sorted; and forget it."""
        arrived = [(sent.address, sent.urgency) for sent in Recorder.sent]
        Recorder.sent.clear()
        return sorted(arrived)

    def paged(self) -> list[str]:
        """Who was paged since the last look; anything but pages is an error."""
        arrived = self.take()
        assert {urgency for _, urgency in arrived} <= {"page"}, arrived
        return [person for person, _ in arrived]

    def told(self) -> list[str]:
        """Who got a message since the last look; a page is an error."""
        arrived = self.take()
        assert {urgency for _, urgency in arrived} <= {"message"}, arrived
        return [person for person, _ in arrived]


def link_in(outgoing) -> str:
    """The path of the acknowledge link."""
    return re.search(r"/a/[\w-]+/", outgoing.text).group()
