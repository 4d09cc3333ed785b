"""What the tests of action items have in common: people who can be reached, days that pass."""

from datetime import datetime, timedelta

from incidents.core import services as core
from incidents.core.models import Incident, User
from incidents.notifications import engine as outbox
from incidents.notifications import services as notifications
from incidents.notifications.transports.recorder import Recorder
from incidents.timers import engine as timers
from incidents.timers.clock import VirtualClock
from incidents.timers.models import Timer
from tests.factories import UserFactory


def reachable(*people: User) -> None:
    """Give each an address where `heard` listens, by their name."""
    root = UserFactory(username="root", is_superuser=True, is_staff=True)
    for user in people:
        method = notifications.add_contact_method(
            user, kind="recorder", address=user.username, actor=root
        )
        notifications.vouch_for(method, actor=root)


def heard() -> list[tuple[str, str]]:
    """(person, subject) of what arrived about action items since the last look, sorted."""
    return [(name, subject) for name, subject, _ in letters()]


def letters() -> list[tuple[str, str, str]]:
    """The same with the text."""
    outbox.dispatch(wait=True)
    found = [(one.address, one.subject, one.text) for one in Recorder.sent]
    Recorder.sent.clear()
    words = ("Action items", "Yours to do", "Week of", "was deactivated", "cannot be reached")
    return sorted(one for one in found if any(word in one[1] for word in words))


def live_until(clock: VirtualClock, end: datetime) -> list[tuple[str, str, str]]:
    """(day, person, subject) of what people heard of action items, everything at its moment."""
    found: list[tuple[str, str, str]] = []
    while clock.at < end:
        due = Timer.objects.pending().filter(due_at__lte=end).order_by("due_at").first()
        clock.at = end if due is None else max(clock.at, due.due_at)
        timers.tick()
        found += [(f"{clock.at:%a %d %b}", who, what) for who, what in heard()]
    return found


def days(clock: VirtualClock, count: float) -> list[tuple[str, str, str]]:
    return live_until(clock, clock.at + timedelta(days=count))


def over(incident: Incident, actor: User, **facts: str) -> Incident:
    """Resolved, with what the runbook asks answered."""
    said = {
        "suspected_cause": "The disk was full",
        "mitigation": "Deleted old logs",
        "kind": "other",
        "root_cause": "Logs were not rotated",
        **facts,
    }
    core.acknowledge(incident, actor=actor)
    core.mark_recovered(incident, actor=actor)
    core.assign_role(incident, role="commander", user=actor, actor=actor)
    return core.resolve(incident, actor=actor, override_reason="It is a test.", **said)
