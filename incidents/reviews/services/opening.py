"""A review begins, waits while its incident is open again, begins anew, or is waived."""

import re
from datetime import datetime, timedelta

from django.db import transaction

from incidents.core import services as core
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import Incident, Kind, User
from incidents.reviews import attending, engine, section
from incidents.reviews.engine import DAY
from incidents.reviews.models import Attendee, FollowUp, FollowUpStep, Review, ReviewState
from incidents.reviews.section import Reviews
from incidents.reviews.services import announcing, reminding
from incidents.reviews.services.recording import lock, require_move, require_text
from incidents.timers import clock

# What of a runbook's steps the review does by itself, and in which state that is done.
_BY_ITSELF = [
    (ReviewState.DUE, r"\b(?:begin|create|start)\b.*\b(?:post-?mortem|review)\b"),
    (ReviewState.SCHEDULED, r"\bschedule\b.*\b(?:post-?mortem|review|meeting)\b"),
    (ReviewState.HELD, r"\b(?:hold|conduct|have)\b.*\b(?:post-?mortem|review|meeting)\b"),
    (ReviewState.PUBLISHED, r"\bpublish\b.*\b(?:post-?mortem|review)\b"),
]


def follow_resolution(incident: Incident, *, now: datetime) -> None:
    """It was resolved: its runbook may ask for a review, or the one that there is begins anew."""
    said = section.of(incident.revision)
    rule = said.rule_for(incident.severity)
    is_required = rule is not None and rule.required
    known = _known(incident)
    if known is not None:
        _begin_again(known, is_required, now)
    elif is_required:
        _open(incident, said, is_required=True, now=now)
    elif rule is not None and rule.note:
        guests = attending.guests_of(incident, said)
        facilitator = attending.facilitator_of(incident, guests)
        imagined = Review(incident=incident, opened_at=now, facilitator=facilitator)
        announcing.encouraged(imagined, rule.note, now=now)


@transaction.atomic
def request(incident: Incident, *, reason: str, actor: User) -> Review:
    """Somebody wants a review that the runbook does not ask for. Raises Refused, DomainError."""
    incident = core.lock(incident)
    reason = require_text(reason, "The reason", field="reason", longest=2_000)
    if incident.is_open:
        raise Refused(
            f"{incident.reference} is not over yet: resolve it first.",
            state=incident.status,
            allowed=["resolve"],
        )
    if incident.duplicate_of is not None:
        raise DomainError(
            f"{incident.reference} is a duplicate: ask for a review of "
            f"{incident.duplicate_of.reference}.",
            field="incident",
        )
    known, now = _known(incident), clock.now()
    if known is None:
        said = section.of(incident.revision)
        return _open(incident, said, is_required=False, now=now, actor=actor, reason=reason)
    if known.state != ReviewState.WAIVED:
        raise Refused(
            f"There is a review of {incident.reference} already.", state=known.state, allowed=[]
        )
    known.asked_by, known.asked_reason = actor, reason
    known.save(update_fields=["asked_by", "asked_reason"])
    _renew(known, now, why=f"{actor} asked for it: {reason}", actor=actor)
    return known


@transaction.atomic
def waive(review: Review, *, reason: str, actor: User) -> Review:
    """There will be none, for this reason. For managers of its team.

    One that was asked for may be waived by whoever asked. Raises Refused, Forbidden.
    """
    review = lock(review)
    require_move(review, "waive", "waived")
    reason = require_text(reason, "The reason", field="reason", longest=2_000)
    own = not review.is_required and review.asked_by_id == actor.pk
    if not own and not actor.manages(review.incident.service.team_id):
        raise Forbidden("Only a manager of its team decides that there is no review.")
    _waive(review, reason, actor, clock.now())
    announcing.waived(review, now=clock.now())
    return review


def suspend(incident: Incident, *, now: datetime) -> None:
    """Its incident is open again: nothing is due, and a meeting that was planned does not happen.

    What was written stays, and what was published stays published.
    """
    review = _known(incident)
    if review is None:
        return
    if review.state == ReviewState.SCHEDULED:
        announcing.disinvite(
            review,
            list(review.attendees.select_related("user")),
            reason="The incident is open again: the review waits until it is resolved.",
            now=now,
        )
        review.unschedule()
    review.suspended_at = now
    review.save(update_fields=["state", "scheduled_at", "suspended_at"])
    reminding.release(review)
    core.set_review_due(incident, None)
    if not review.is_over:
        core.record(
            incident,
            Kind.REVIEW_SUSPENDED,
            at=now,
            summary="Its review waits until the incident is resolved.",
            data={"state": review.state},
        )


def follow_dismissal(incident: Incident, *, reason: str, now: datetime) -> None:
    """It ended as a false alarm or a duplicate: there is nothing to review any more.

    A review that was published before goes on: what was decided in it is still to be done.
    """
    review = _known(incident)
    if review is None:
        return
    review.suspended_at = None
    review.save(update_fields=["suspended_at"])
    if review.state in {ReviewState.DUE, ReviewState.SCHEDULED, ReviewState.HELD}:
        _waive(review, reason, None, now)
        announcing.waived(review, now=now)
        return
    reminding.await_next(review, now)
    reminding.await_steps(review, now)


def _known(incident: Incident) -> Review | None:
    """The review of a locked incident, locked."""
    rows = Review.objects.select_for_update(no_key=True, of=("self",))
    review = rows.select_related("facilitator", "asked_by").filter(incident=incident).first()
    if review is not None:
        review.incident = incident
    return review


def _open(
    incident: Incident,
    said: Reviews,
    *,
    is_required: bool,
    now: datetime,
    actor: User | None = None,
    reason: str = "",
) -> Review:
    guests = attending.guests_of(incident, said)
    earliest, latest = engine.window(said, incident.severity, core.calendar_of(incident), now)
    review = Review.objects.create(
        incident=incident,
        is_required=is_required,
        opened_at=now,
        asked_by=actor,
        asked_reason=reason,
        earliest_at=earliest if is_required else None,
        latest_at=latest,
        length=said.meeting_takes,
        facilitator=attending.facilitator_of(incident, guests) or actor,
        **_impact_of(incident),
    )
    Attendee.objects.bulk_create(
        Attendee(review=review, user=guest.user, role=guest.role) for guest in guests
    )
    _plan_steps(review, said)
    why = f"{actor} asked for it: {reason}" if actor else "Its runbook asks for it."
    _announce(review, why, actor, now)
    return review


def _impact_of(incident: Incident) -> dict[str, object]:
    """What is known of the damage, to begin with."""
    ended = incident.recovered_at or incident.resolved_at
    began = incident.started_at or incident.clock_starts_at
    minutes = round((ended - began) / timedelta(minutes=1)) if ended else None
    return {
        "impact": incident.impact,
        "users_affected": incident.users_affected,
        "revenue_lost": incident.revenue_lost,
        "currency": incident.currency,
        "data_lost": incident.data_loss,
        "downtime_minutes": None if minutes is None else max(minutes, 0),
        "root_cause": incident.root_cause,
    }


def _plan_steps(review: Review, said: Reviews) -> None:
    calendar = core.calendar_of(review.incident)
    for position, wanted in enumerate(said.follow_ups, 1):
        due_at = (
            engine.deadline(calendar, review.opened_at, wanted.within) if wanted.within else None
        )
        plan = FollowUp.objects.create(
            review=review,
            position=position,
            title=wanted.title,
            within=wanted.within,
            due_at=due_at,
            role=wanted.role or "",
            owner=attending.with_role(review.incident, wanted.role) if wanted.role else None,
            commands=[_filled(line, review.incident) for line in wanted.commands],
        )
        FollowUpStep.objects.bulk_create(
            FollowUpStep(follow_up=plan, position=place, text=text, done_by_state=_by_itself(text))
            for place, text in enumerate(wanted.steps or [wanted.title], 1)
        )


def _filled(command: str, incident: Incident) -> str:
    return command.replace("REFERENCE", incident.reference)


def _by_itself(text: str) -> str:
    found = (state for state, words in _BY_ITSELF if re.search(words, text, re.I))
    return str(next(found, ""))


def _begin_again(review: Review, is_required: bool, now: datetime) -> None:
    """Its incident is resolved once more."""
    review.is_required = review.is_required or is_required
    review.suspended_at = None
    review.save(update_fields=["is_required", "suspended_at"])
    if review.state != ReviewState.WAIVED or is_required:
        _renew(review, now, why="The incident was resolved once more.")


def _renew(review: Review, now: datetime, *, why: str, actor: User | None = None) -> None:
    """Due once more, with the time that it had at first; what was written stays."""
    incident, said = review.incident, section.of(review.incident.revision)
    calendar = core.calendar_of(incident)
    review.begin_again()
    review.opened_at = now
    review.earliest_at, review.latest_at = engine.window(said, incident.severity, calendar, now)
    review.timeline_checked_at = review.timeline_checked_by = None
    review.save()
    known = set(review.attendees.values_list("user", flat=True))
    fresh = [one for one in attending.guests_of(incident, said) if one.user]
    Attendee.objects.bulk_create(
        Attendee(review=review, user=guest.user, role=guest.role)
        for guest in fresh
        if guest.user and guest.user.pk not in known
    )
    for plan in review.follow_ups.exclude(within=None):
        if plan.within is None:
            continue
        plan.due_at = engine.deadline(calendar, now, plan.within)
        plan.save(update_fields=["due_at"])
        if plan.within < DAY:  # what was verified then is to be verified once more
            plan.steps.update(done_at=None, done_by=None, is_needed=True)
    FollowUpStep.objects.filter(follow_up__review=review).exclude(done_by_state="").update(
        done_at=None, done_by=None
    )
    _announce(review, why, actor, now)


def _announce(review: Review, why: str, actor: User | None, now: datetime) -> None:
    """What every beginning has in common: it is recorded, people hear of it, timers are set."""
    finish_steps_of(review, ReviewState.DUE, now)
    core.set_review_due(review.incident, review.latest_at)
    by = f"to be held by {review.latest_at:%Y-%m-%d %H:%M} UTC" if review.latest_at else "open"
    core.record(
        review.incident,
        Kind.REVIEW_OPENED,
        actor=actor,
        at=now,
        summary=f"Its review is {by}. {why}",
        data={"latest_at": review.latest_at.isoformat() if review.latest_at else None},
    )
    announcing.opened(review, now=now)
    reminding.await_next(review, now)
    reminding.await_steps(review, now)


def finish_steps_of(review: Review, state: ReviewState, now: datetime) -> None:
    """Steps of the runbook that the review has done itself by reaching this state."""
    steps = FollowUpStep.objects.filter(follow_up__review=review, done_at=None)
    steps.filter(done_by_state=state).update(done_at=now)


def _waive(review: Review, reason: str, actor: User | None, now: datetime) -> None:
    if review.state == ReviewState.SCHEDULED:
        guests = list(review.attendees.select_related("user"))
        announcing.disinvite(review, guests, reason=f"There is no review: {reason}", now=now)
    review.waive(at=now, reason=reason)
    review.waived_by = actor
    review.save(update_fields=["state", "waived_at", "waived_reason", "waived_by", "scheduled_at"])
    reminding.release(review)
    core.set_review_due(review.incident, None)
    core.record(
        review.incident,
        Kind.REVIEW_WAIVED,
        actor=actor,
        at=now,
        summary=f"There is no review: {reason}",
        data={"reason": reason},
    )
