"""What the tests of reviews have in common: an incident that is over, and a clock that walks."""

from datetime import datetime, timedelta

from incidents.core import services as core
from incidents.core.models import Incident, User
from incidents.notifications import engine as outbox
from incidents.notifications.transports.base import Outgoing
from incidents.notifications.transports.recorder import Recorder
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from incidents.timers import engine as timers
from incidents.timers.clock import VirtualClock
from incidents.timers.models import Timer

# What messages about reviews begin with: the others are of rooms with tests of their own.
OURS = {
    *("Review ", "Invitation", "Cancelled", "No review", "Worth a review"),
    *("To do ", "Overdue after"),
}


def resolved(incident: Incident, *, actor: User) -> Incident:
    """It is over, with everything answered that a runbook may ask for."""
    core.assign_role(incident, role="commander", user=actor, actor=actor)
    return core.resolve(
        incident,
        suspected_cause="The disk was full",
        root_cause="Logs were not rotated",
        mitigation="Deleted old logs",
        kind="other",
        resolution="It works again",
        override_reason="It is clear",
        actor=actor,
    )


def letters() -> list[Outgoing]:
    """What arrived since the last look, whole."""
    while timers.tick() + outbox.dispatch(wait=True):
        pass
    found = [one for one in Recorder.sent if _is_ours(one.subject.removeprefix("[DRILL] "))]
    Recorder.sent.clear()
    return found


def _is_ours(subject: str) -> bool:
    return any(subject.startswith(words) for words in OURS)


def heard() -> list[tuple[str, str]]:
    """(person, subject up to its colon) of what arrived about reviews since the last look."""
    return sorted((one.address, one.subject.partition(":")[0]) for one in letters())


def live_until(clock: VirtualClock, end: datetime) -> list[tuple[str, str, str]]:
    """("Mon 02 10:00", person, subject) of all that people hear by then, each at its moment."""
    found: list[tuple[str, str, str]] = []
    while True:
        found += [(f"{clock.at:%a %d %H:%M}", *one) for one in heard()]
        if clock.at >= end:
            return found
        due = Timer.objects.pending().filter(due_at__gt=clock.at, due_at__lte=end)
        following = due.order_by("due_at").values_list("due_at", flat=True).first()
        clock.at = following or end


def live(clock: VirtualClock, **span: float) -> list[tuple[str, str, str]]:
    return live_until(clock, clock.at + timedelta(**span))


def review_of(incident: Incident) -> Review:
    return Review.objects.with_context().get(incident=incident)


def written(review: Review, *, actor: User, **facts: object) -> Review:
    """Everything that publishing asks for, but action items."""
    review = Review.objects.get(pk=review.pk)
    said = {
        "impact": "Nobody could pay",
        "users_affected": 1_200,
        "revenue_lost": 4_000,
        "currency": "EUR",
        "data_lost": "none",
        "downtime_minutes": 42,
        "root_cause": "Logs were not rotated",
        "contributing_factors": "Nothing watches the disk",
        "no_actions_reason": "The rotation was repaired while it was down",
        "timeline_checked": True,
    }
    return reviews.write_facts(review, version=review.version, actor=actor, **(said | facts))
