"""Somebody was shut out: the reviews that they were to run, and their steps, pass to others."""

from datetime import datetime

from incidents.core.models import User
from incidents.reviews import attending
from incidents.reviews.models import Attendee, FollowUp, Review, ReviewState
from incidents.reviews.services import announcing


def pass_on(user: User, *, now: datetime) -> None:
    """To the first manager of each team, who is told; their steps to whoever runs the review."""
    running = Review.objects.unfinished().filter(facilitator=user).with_context()
    for review in running.select_for_update(no_key=True, of=("self",)).order_by("pk"):
        managers = [one for one in attending.managers_of(review.incident) if one.pk != user.pk]
        review.facilitator = managers[0] if managers else None
        review.save(update_fields=["facilitator"])
        if review.facilitator is not None:
            announcing.handed_over(review, user, review.facilitator, now=now)
            if review.state == ReviewState.SCHEDULED:
                _have_come(review, review.facilitator, now)
    theirs = FollowUp.objects.filter(owner=user, review__in=Review.objects.unfinished())
    theirs.update(owner=None)


def _have_come(review: Review, heir: User, now: datetime) -> None:
    """Whoever runs it now comes to the meeting, and is invited unless they were before."""
    guest, is_new = Attendee.objects.get_or_create(
        review=review, user=heir, defaults={"role": "Facilitator"}
    )
    if is_new:
        announcing.invite(review, [guest], now=now)
