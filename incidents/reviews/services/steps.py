"""Steps after the incident: done with a note and evidence, not needed, or to be done after all."""

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.db.models import QuerySet

from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Kind, User
from incidents.reviews.models import FollowUp, FollowUpStep, Review
from incidents.reviews.services import reminding
from incidents.reviews.services.recording import fitting, lock, require_guest, require_text
from incidents.timers import clock

LONGEST_NOTE = 2_000


def steps_of(review: Review) -> QuerySet[FollowUpStep]:
    """All of its steps, in order."""
    steps = FollowUpStep.objects.filter(follow_up__review=review)
    return steps.order_by("follow_up__position", "position")


@transaction.atomic
def finish_step(step: FollowUpStep, *, actor: User, note: str = "", link: str = "") -> FollowUpStep:
    """It is done; `link` leads to the evidence. Once more, it completes what was noted."""
    review, step = _locked(step)
    note = fitting(note, "The note", field="note", longest=LONGEST_NOTE)
    link = _link(link)
    if step.done_at is not None and step.is_needed:
        step.note, step.link = note or step.note, link or step.link
        step.save(update_fields=["note", "link"])
        return step
    step.done_at, step.done_by, step.is_needed = clock.now(), actor, True
    step.note, step.link = note, link
    step.save(update_fields=["done_at", "done_by", "is_needed", "note", "link"])
    _record(review, step, f"Done: {step.text}{_noted(note)}", actor)
    return step


@transaction.atomic
def skip_step(step: FollowUpStep, *, reason: str, actor: User) -> FollowUpStep:
    """It is not needed this time, for this reason."""
    review, step = _locked(step)
    reason = require_text(reason, "The reason", field="reason", longest=LONGEST_NOTE)
    step.done_at, step.done_by, step.is_needed, step.note = clock.now(), actor, False, reason
    step.save(update_fields=["done_at", "done_by", "is_needed", "note"])
    _record(review, step, f"Not needed: {step.text}{_noted(reason)}", actor)
    return step


@transaction.atomic
def undo_step(step: FollowUpStep, *, actor: User) -> FollowUpStep:
    """It is to be done after all."""
    review, step = _locked(step)
    if step.done_at is None:
        return step
    step.done_at, step.done_by, step.is_needed = None, None, True
    step.save(update_fields=["done_at", "done_by", "is_needed"])
    _record(review, step, f"Not done after all: {step.text}", actor)
    if step.follow_up.due_at is not None:
        reminding.await_step(review, step.follow_up.due_at, clock.now())
    return step


@transaction.atomic
def assign_follow_up(plan: FollowUp, *, owner: User | None, actor: User) -> FollowUp:
    """Who is to do these steps; None: whoever runs the review."""
    review = lock(plan.review)
    _require_alive(review)
    if owner is not None:
        require_guest(review, owner, field="owner")
    plan = review.follow_ups.get(pk=plan.pk)
    plan.owner = owner
    plan.save(update_fields=["owner"])
    return plan


def _locked(step: FollowUpStep) -> tuple[Review, FollowUpStep]:
    review = lock(step.follow_up.review)
    _require_alive(review)
    return review, FollowUpStep.objects.select_related("follow_up").get(pk=step.pk)


def _require_alive(review: Review) -> None:
    if review.is_over:
        raise Refused(
            f"The review of {review.incident.reference} is {review.state}: its steps do not "
            "change any more.",
            state=review.state,
        )


def _record(review: Review, step: FollowUpStep, summary: str, actor: User) -> None:
    core.record(
        review.incident,
        Kind.REVIEW_STEP_DONE,
        actor=actor,
        summary=summary,
        data={"step": step.pk, "done": step.done_at is not None, "link": step.link},
    )


def _noted(text: str) -> str:
    return f" ({text})" if text else ""


def _link(link: str) -> str:
    link = link.strip()
    if not link:
        return ""
    try:
        URLValidator(schemes=["http", "https"])(link)
    except ValidationError:
        raise DomainError("The link must be a http(s) address.", field="link") from None
    if len(link) > 1_000:
        raise DomainError("The link is longer than 1000 characters.", field="link")
    return link
