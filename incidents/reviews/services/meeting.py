"""The meeting: when and where it is, who comes, and that it was held."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Kind, User
from incidents.reviews.models import Attendee, Review, ReviewState
from incidents.reviews.services import announcing, opening, reminding
from incidents.reviews.services.recording import (
    fitting,
    lock,
    require_decides,
    require_guest,
    require_move,
    require_text,
)
from incidents.timers import clock

SHORTEST, LONGEST = timedelta(minutes=5), timedelta(hours=8)
FURTHEST = timedelta(days=366)
MOST_GUESTS = 100


@transaction.atomic
def schedule(
    review: Review,
    *,
    at: datetime,
    actor: User,
    length: timedelta | None = None,
    place: str | None = None,
    facilitator: User | None = None,
    reason: str = "",
) -> Review:
    """Due → Scheduled, or to another time. Everybody is invited; the same again changes nothing.

    Outside of the window that its runbook gives, with a reason, which is recorded; later than that
    only by whoever decides. Raises Refused, DomainError, Forbidden.
    """
    review = lock(review)
    require_move(review, "schedule", "scheduled")
    now = clock.now()
    _require_time(review, at, reason, actor, now)
    was = (review.scheduled_at, review.length, review.place, review.facilitator_id)
    _put(review, length, place, facilitator or review.facilitator or actor)
    if was == (at, review.length, review.place, review.facilitator_id):
        return review
    is_moved = review.state == ReviewState.SCHEDULED
    review.schedule(at=at)
    review.save(update_fields=["state", "scheduled_at", "length", "place", "facilitator"])
    opening.finish_steps_of(review, ReviewState.SCHEDULED, now)
    _record_time(review, actor, is_moved, reason, now)
    announcing.invite(review, list(_guests(review)), is_moved=is_moved, now=now)
    reminding.await_next(review, now)
    return review


@transaction.atomic
def cancel(review: Review, *, reason: str, actor: User) -> Review:
    """Scheduled → Due: the meeting does not happen then, and another time is to be found."""
    review = lock(review)
    require_move(review, "cancel", "cancelled")
    reason = require_text(reason, "The reason", field="reason", longest=2_000)
    now = clock.now()
    announcing.disinvite(review, list(_guests(review)), reason=f"Cancelled: {reason}", now=now)
    review.unschedule()
    review.save(update_fields=["state", "scheduled_at"])
    core.set_review_due(review.incident, review.latest_at)
    core.record(
        review.incident,
        Kind.REVIEW_SCHEDULED,
        actor=actor,
        at=now,
        summary=f"The review's meeting was cancelled: {reason}",
        data={"at": None, "reason": reason},
    )
    reminding.await_next(review, now)
    return review


@transaction.atomic
def add_attendee(review: Review, *, user: User, role: str = "", actor: User) -> Attendee:
    """Somebody is to come; invited at once where there is a date.

    `role`: as what, maybe one of the runbook's that nobody had yet.
    """
    review = lock(review)
    _require_meeting(review)
    require_guest(review, user, field="user")
    role = fitting(role, "The role", field="role", longest=300) or "Invited"
    known = review.attendees.filter(user=user).first()
    if known is not None:
        return known
    if review.attendees.count() >= MOST_GUESTS:
        raise DomainError(f"There are {MOST_GUESTS} attendees already.", field="user")
    review.attendees.filter(user=None, role=role).delete()
    guest = Attendee.objects.create(review=review, user=user, role=role)
    if review.state == ReviewState.SCHEDULED:
        announcing.invite(review, [guest], now=clock.now())
    return guest


@transaction.atomic
def remove_attendee(review: Review, *, attendee: Attendee, actor: User) -> None:
    """Somebody need not come, and hears so where they were invited."""
    review = lock(review)
    _require_meeting(review)
    guest = review.attendees.select_related("user").filter(pk=attendee.pk).first()
    if guest is None:
        return
    if guest.user_id is not None and guest.user_id == review.facilitator_id:
        raise DomainError("Let somebody else facilitate first.", field="attendee")
    if review.state == ReviewState.SCHEDULED:
        reason = "You need not come to this review."
        announcing.disinvite(review, [guest], reason=reason, now=clock.now())
    guest.delete()


@transaction.atomic
def hold(
    review: Review, *, actor: User, at: datetime | None = None, came: Iterable[User] | None = None
) -> Review:
    """Scheduled → Held (a meeting that nobody had scheduled is scheduled by that, too).

    `came`: who really did; None: nobody kept a list.
    """
    review = lock(review)
    require_move(review, "hold", "held")
    now = clock.now()
    at = at or now
    if at > now:
        raise DomainError("It cannot have been held in the future.", field="at")
    ended = review.incident.resolved_at
    if ended is not None and at < ended:
        raise DomainError("It cannot have been held before the incident was over.", field="at")
    if review.state == ReviewState.DUE:
        _put(review, None, None, review.facilitator or actor)
        review.schedule(at=at)
    review.hold(at=at)
    review.save(update_fields=["state", "scheduled_at", "held_at", "facilitator"])
    if came is not None:
        _note_who_came(review, list(came))
    for state in [ReviewState.SCHEDULED, ReviewState.HELD]:
        opening.finish_steps_of(review, state, now)
    core.set_review_due(review.incident, review.scheduled_at)
    core.record(
        review.incident,
        Kind.REVIEW_HELD,
        actor=actor,
        at=now,
        summary=f"The review was held{_who_ran_it(review)}.",
        data={"held_at": at.isoformat()},
    )
    reminding.await_next(review, now)
    return review


def _require_time(review: Review, at: datetime, reason: str, actor: User, now: datetime) -> None:
    if at <= now:
        raise DomainError("Choose a time in the future; what was held is marked so.", field="at")
    if at > now + FURTHEST:
        raise DomainError("Choose a time within a year.", field="at")
    is_early = review.earliest_at is not None and at < review.earliest_at
    is_late = review.latest_at is not None and at > review.latest_at
    if not is_early and not is_late:
        return
    if not reason.strip():
        raise DomainError(
            f"Its runbook wants it {_window(review)}; say why it is at another time.",
            field="reason",
            code="outside_window",
        )
    fitting(reason, "The reason", field="reason", longest=2_000)
    if is_late:
        require_decides(review, actor, "hold it later than its runbook asks")


def _window(review: Review) -> str:
    after = f"after {review.earliest_at:%Y-%m-%d %H:%M} UTC" if review.earliest_at else ""
    before = f"by {review.latest_at:%Y-%m-%d %H:%M} UTC" if review.latest_at else ""
    return " and ".join(part for part in [after, before] if part)


def _put(review: Review, length: timedelta | None, place: str | None, facilitator: User) -> None:
    if length is not None:
        if not SHORTEST <= length <= LONGEST:
            raise DomainError("A review takes between 5 minutes and 8 hours.", field="length")
        review.length = length
    if place is not None:
        review.place = fitting(place, "The place", field="place", longest=300)
    if facilitator.pk != review.facilitator_id:
        require_guest(review, facilitator, field="facilitator")
        review.facilitator = facilitator
    if not review.attendees.filter(user=facilitator).exists():
        Attendee.objects.create(review=review, user=facilitator, role="Facilitator")


def _record_time(review: Review, actor: User, is_moved: bool, reason: str, now: datetime) -> None:
    core.set_review_due(review.incident, review.scheduled_at)
    verb = "moved to" if is_moved else "scheduled for"
    why = f" {reason.strip()}" if reason.strip() else ""
    core.record(
        review.incident,
        Kind.REVIEW_SCHEDULED,
        actor=actor,
        at=now,
        summary=f"The review is {verb} {review.scheduled_at:%Y-%m-%d %H:%M} UTC"
        f"{_who_ran_it(review)}.{why}",
        data={"at": review.scheduled_at.isoformat() if review.scheduled_at else None},
    )


def _who_ran_it(review: Review) -> str:
    return f", facilitated by {review.facilitator}" if review.facilitator else ""


def _guests(review: Review) -> Iterable[Attendee]:
    return review.attendees.exclude(user=None).select_related("user")


def _require_meeting(review: Review) -> None:
    """Raises Refused once it was held, or where there is none."""
    if review.state not in {ReviewState.DUE, ReviewState.SCHEDULED}:
        raise Refused(
            f"The review of {review.incident.reference} is {review.state}: who comes to it does "
            "not change any more.",
            state=review.state,
        )


def _note_who_came(review: Review, people: list[User]) -> None:
    for person in people:
        require_guest(review, person, field="came")
    there = {person.pk for person in people}
    known = set(review.attendees.exclude(user=None).values_list("user", flat=True))
    Attendee.objects.bulk_create(
        Attendee(review=review, user=person, role="Came as well")
        for person in people
        if person.pk not in known
    )
    review.attendees.filter(user__in=there).update(came=True)
    review.attendees.exclude(user__in=there).exclude(user=None).update(came=False)
