"""What an incident's page shows of its review: in the admin, and on a responder's phone."""

from dataclasses import dataclass, field

from django.http import HttpRequest
from django.template.loader import render_to_string

from incidents.core.errors import Unmet
from incidents.core.models import Incident
from incidents.core.panels import Panel
from incidents.reviews import services
from incidents.reviews.models import FollowUp, FollowUpStep, Review, ReviewState
from incidents.timers import clock
from incidents.timers.wording import until

TONES = {
    ReviewState.DUE: "warn",
    ReviewState.SCHEDULED: "calm",
    ReviewState.HELD: "warn",
    ReviewState.PUBLISHED: "good",
    ReviewState.CLOSED: "good",
    ReviewState.WAIVED: "calm",
}


@dataclass(frozen=True)
class Standing:
    """Where a review stands, as people read it. `when`: the moment that matters next."""

    review: Review
    tone: str
    when: str = ""
    missing: list[Unmet] = field(default_factory=list)
    plans: list[tuple[FollowUp, list[FollowUpStep]]] = field(default_factory=list)


def standing_of(incident: Incident) -> Standing | None:
    """None where there is no review."""
    review = Review.objects.with_context().filter(incident=incident).first()
    if review is None:
        return None
    return Standing(
        review,
        TONES[ReviewState(review.state)],
        _when(review),
        [] if review.suspended_at else services.lacks(review),
        [] if review.is_over else _plans(review),
    )


def render(request: HttpRequest, incident: Incident) -> Panel | None:
    return _render("reviews/panel.html", request, incident)


def render_in_pocket(request: HttpRequest, incident: Incident) -> Panel | None:
    return _render("reviews/pocket.html", request, incident)


def _render(template: str, request: HttpRequest, incident: Incident) -> Panel | None:
    standing = standing_of(incident)
    if standing is None:
        return None
    context = {"standing": standing, "review": standing.review, "now": clock.now()}
    return Panel("Review", render_to_string(template, context, request))


def _when(review: Review) -> str:
    now = clock.now()
    if review.suspended_at:
        return "waits until the incident is resolved"
    if review.state == ReviewState.DUE and review.latest_at:
        return f"to be held {until(review.latest_at, now)}"
    if review.state == ReviewState.SCHEDULED and review.scheduled_at:
        is_over = review.ends_at is not None and review.ends_at < now
        return "has it been held?" if is_over else f"begins {until(review.scheduled_at, now)}"
    return ""


def _plans(review: Review) -> list[tuple[FollowUp, list[FollowUpStep]]]:
    """What is still to be done by people."""
    plans = review.follow_ups.select_related("owner").prefetch_related("steps")
    found = []
    for plan in plans:
        steps = [one for one in plan.steps.all() if one.done_at is None and not one.done_by_state]
        if steps:
            found.append((plan, steps))
    return found
