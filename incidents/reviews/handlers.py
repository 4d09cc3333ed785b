"""What happens by itself to reviews. The engine has locked the review."""

from datetime import datetime

from incidents.reviews.models import Review
from incidents.reviews.services import reminding
from incidents.timers.models import Timer


def review_due(timer: Timer, review: Review, now: datetime) -> None:
    reminding.act_on_review(timer, review, now)


def steps_due(timer: Timer, review: Review, now: datetime) -> None:
    reminding.act_on_steps(timer, review, now)
