"""What is due about a review, by its timers: one for itself, one for each deadline of its steps."""

from datetime import datetime

from incidents.core import services as core
from incidents.core.errors import Unmet
from incidents.core.models import Kind
from incidents.reviews import criteria, engine
from incidents.reviews.engine import Alarm, Stage
from incidents.reviews.models import FollowUp, FollowUpStep, ItemState, Review, ReviewState
from incidents.reviews.services import announcing
from incidents.reviews.services.actions import standing_in_the_way
from incidents.reviews.services.recording import calendar_of, section_of
from incidents.timers import services as timers
from incidents.timers.models import Timer

REVIEW_DUE = "reviews.due"
STEPS_DUE = "reviews.steps"
OVERDUE = "overdue"  # the key of the timer that tells of all that is overdue, once a week


def await_next(review: Review, now: datetime) -> None:
    """Have what is due next for this review told when its time comes, instead of what was."""
    span = _span(review)
    if span is None:
        timers.cancel(REVIEW_DUE, review)
        return
    start, due_at = span
    alarm = engine.begin(calendar_of(review), start=start, due_at=due_at, now=now)
    _await(REVIEW_DUE, review, alarm, state=review.state)


def await_steps(review: Review, now: datetime) -> None:
    """The same for every moment by which steps are to be done."""
    timers.cancel(STEPS_DUE, review)
    if review.is_over or review.suspended_at is not None:
        return
    for due_at in sorted(
        {step.follow_up.due_at for step in open_steps(review) if step.follow_up.due_at}
    ):
        _await_steps_by(review, due_at, now)


def await_step(review: Review, due_at: datetime, now: datetime) -> None:
    """A step is to be done by then after all. What is awaited already goes on as it was."""
    if review.is_over or review.suspended_at is not None:
        return
    is_late = due_at + engine.GRACE <= now
    if not _awaits_steps(review, due_at.isoformat()) and not (
        is_late and _awaits_steps(review, OVERDUE)
    ):
        _await_steps_by(review, due_at, now)


def _await_steps_by(review: Review, due_at: datetime, now: datetime) -> None:
    calendar = calendar_of(review)
    alarm = engine.begin(calendar, start=review.opened_at, due_at=due_at, now=now)
    _await(STEPS_DUE, review, alarm, key=due_at.isoformat())


def release(review: Review) -> None:
    """Nothing is due any more."""
    timers.cancel_all(review, kinds=[REVIEW_DUE, STEPS_DUE])


def act_on_review(timer: Timer, review: Review, now: datetime) -> None:
    """The moment has come (timer `reviews.due`, review locked)."""
    span = _span(review)
    if span is None or timer.payload["state"] != review.state:
        return
    alarm = _alarm_of(timer)
    if span[1] > max(alarm.deadline, now):  # what it waits for has been given more time
        await_next(review, now)
        return
    missing = lacks(review)
    if review.state == ReviewState.PUBLISHED and _asks_others(missing):
        again = engine.reachable(calendar_of(review), now + engine.AGAIN)
        _await(REVIEW_DUE, review, _moved(alarm, again), state=review.state)
        return
    people = announcing.remind(review, alarm, [one.message for one in missing], now=now)
    if alarm.stage == Stage.OVERDUE and alarm.turn == 1:
        _record_overdue(review, alarm, [str(person) for person in people], now)
    _await(REVIEW_DUE, review, engine.follow(calendar_of(review), alarm), state=review.state)


def act_on_steps(timer: Timer, review: Review, now: datetime) -> None:
    """A deadline of steps has come, or is near (timer `reviews.steps`, review locked).

    What its manager has heard of goes on in one message a week for all that is overdue.
    """
    if review.is_over or review.suspended_at is not None:
        return
    alarm, is_weekly = _alarm_of(timer), timer.key == OVERDUE
    plans = [
        plan
        for plan in _plans_with_open_steps(review)
        if plan.due_at == alarm.deadline or (is_weekly and plan.due_at and plan.due_at < now)
    ]
    if not plans:
        return
    announcing.remind_of_steps(review, alarm, plans, now=now)
    following = engine.follow(calendar_of(review), alarm)
    if alarm.stage != Stage.OVERDUE:
        _await(STEPS_DUE, review, following, key=alarm.deadline.isoformat())
    elif is_weekly or not _awaits_steps(review, OVERDUE):
        _await(STEPS_DUE, review, following, key=OVERDUE)


def _awaits_steps(review: Review, key: str) -> bool:
    pending = Timer.objects.pending().of(review)
    return pending.filter(kind=STEPS_DUE, key=key).exists()


def lacks(review: Review) -> list[Unmet]:
    """What stands in the way of the next thing that is due for this review."""
    if review.state == ReviewState.HELD:
        return unmet_to_publish(review)
    if review.state == ReviewState.PUBLISHED:
        return unmet_to_close(review)
    return []


def unmet_to_publish(review: Review) -> list[Unmet]:
    """What it lacks for being published."""
    questions = [
        criteria.Question(why.answer, why.parent.answer if why.parent else "")
        for why in review.whys.select_related("parent")
    ]
    return criteria.unmet(
        review,
        must_include=section_of(review).must_include,
        whys=questions,
        action_items=review.items.exclude(state=ItemState.DECLINED).count(),
    )


def unmet_to_close(review: Review) -> list[Unmet]:
    """What is still to be done before it can be closed."""
    items = review.items.select_related("owner", "owning_team").order_by("due_on", "pk")
    return criteria.unmet_to_close(
        [step.text for step in open_steps(review)], standing_in_the_way(items)
    )


def open_steps(review: Review) -> list[FollowUpStep]:
    """What somebody still has to do, in order. What the review does by itself is not among it."""
    steps = FollowUpStep.objects.filter(follow_up__review=review, done_at=None, done_by_state="")
    return list(steps.select_related("follow_up").order_by("follow_up__position", "position"))


def _plans_with_open_steps(review: Review) -> list[FollowUp]:
    open_ones = {step.follow_up_id for step in open_steps(review)}
    plans = review.follow_ups.filter(pk__in=open_ones).select_related("owner")
    return list(plans.prefetch_related("steps"))


def _span(review: Review) -> tuple[datetime, datetime] | None:
    """Since when, and until when, the next thing is to be done; None: nothing is."""
    if review.suspended_at is not None:
        return None
    calendar = calendar_of(review)
    if review.state == ReviewState.DUE and review.latest_at:
        return review.opened_at, review.latest_at
    if review.state == ReviewState.SCHEDULED and review.ends_at:
        return review.opened_at, review.ends_at
    if review.state == ReviewState.HELD and review.held_at:
        return review.held_at, engine.to_publish_by(calendar, review.held_at)
    if review.state == ReviewState.PUBLISHED and review.published_at:
        waits = _waits_for(review)
        return review.published_at, engine.to_close_by(calendar, review.published_at, waits)
    return None


def _waits_for(review: Review) -> list[datetime]:
    """Moments before which it cannot be closed, or need not be."""
    calendar = calendar_of(review)
    moments = [plan.due_at for plan in review.follow_ups.all() if plan.due_at]
    action_review = section_of(review).action_review
    if action_review:
        moments.append(engine.deadline(calendar, review.opened_at, action_review))
    days = review.items.filter(is_required=True).values_list("due_on", flat=True)
    return [*moments, *(calendar.closing_of(day) for day in days)]


def _asks_others(missing: list[Unmet]) -> bool:
    """It waits for action items only, whose owners are reminded of them by themselves."""
    return bool(missing) and all(one.code == "action_item" for one in missing)


def _record_overdue(review: Review, alarm: Alarm, people: list[str], now: datetime) -> None:
    what, _ = announcing.WANTED[ReviewState(review.state)]
    told = f"{', '.join(people)} was told" if people else "there is nobody to tell"
    core.record(
        review.incident,
        Kind.REVIEW_OVERDUE,
        at=now,
        summary=f"The review was {what} by {alarm.deadline:%Y-%m-%d %H:%M} UTC; {told}.",
        data={"state": review.state, "due_at": alarm.deadline.isoformat()},
    )


def _alarm_of(timer: Timer) -> Alarm:
    facts = timer.payload
    deadline = datetime.fromisoformat(facts["deadline"])
    return Alarm(Stage(facts["stage"]), timer.due_at, deadline, facts["turn"])


def _moved(alarm: Alarm, at: datetime) -> Alarm:
    return Alarm(alarm.stage, at, alarm.deadline, alarm.turn)


def _await(kind: str, review: Review, alarm: Alarm, *, key: str = "", **more: str) -> None:
    timers.schedule(
        kind,
        review,
        due_at=alarm.at,
        key=key,
        payload={
            "stage": alarm.stage,
            "deadline": alarm.deadline.isoformat(),
            "turn": alarm.turn,
            **more,
        },
    )
