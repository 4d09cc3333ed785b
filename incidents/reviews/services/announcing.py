"""What people are told about a review. Messages, which can wait behind pages; each of them once."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import quote

from django.conf import settings

from incidents.core import services as core
from incidents.core.models import User
from incidents.notifications import services as notifications
from incidents.notifications.services import Link, MessageOrder
from incidents.reviews import attending, engine, invitations
from incidents.reviews.engine import Alarm, Stage
from incidents.reviews.invitations import Meeting
from incidents.reviews.models import Attendee, FollowUp, Review, ReviewState
from incidents.reviews.services.recording import calendar_of, section_of
from incidents.reviews.wording import both_times, bullets, days_late, lasting

WANTED = {
    ReviewState.DUE: ("to be held", "Choose a time, and everybody is invited."),
    ReviewState.SCHEDULED: ("to be held", "When it has been held, say so."),
    ReviewState.HELD: ("to be published", "Finish what is missing, and publish it."),
    ReviewState.PUBLISHED: ("to be closed", "See that everything that was decided is done."),
}


def address_of(review: Review) -> str:
    """Where everybody who logs in and may see it finds it."""
    return f"{settings.PUBLIC_URL}/i/{quote(review.incident.reference, safe='')}/"


def title_of(review: Review) -> str:
    """E.g. "Review of SEV1 Checkout: Checkout is down (INC-2026-03-02-001)"."""
    incident = review.incident
    severity = core.policy_of(incident).label
    return f"{severity} {incident.service}: {incident.title} ({incident.reference})"


# --- It begins, it goes on, it ends ---------------------------------------------------------------


def opened(review: Review, *, now: datetime) -> None:
    """Whoever runs it hears until when, who comes, and what is to be done first."""
    zone = calendar_of(review).zone
    lines = [_why_there_is_one(review), *_window(review, zone), ""]
    guests = list(review.attendees.select_related("user"))
    come = ", ".join(str(guest.user) for guest in guests if guest.user)
    lines += [f"To come: {come}." if come else "Nobody is to come yet."]
    lines += [f"Nobody is known as: {guest.role}." for guest in guests if guest.user is None]
    plans = list(review.follow_ups.prefetch_related("steps"))
    if plans:
        lines += ["", "To be done:", bullets(_told(plan, zone) for plan in plans)]
    people = [review.facilitator] if review.facilitator else attending.managers_of(review.incident)
    _tell(
        review,
        people,
        what="opened",
        before="Review to be held: ",
        body="\n".join(lines),
        link="Choose a time",
        now=now,
    )


def encouraged(review: Review, note: str, *, now: datetime) -> None:
    """There need not be one, and the runbook would like it. `review`: not stored."""
    _tell(
        review,
        [review.facilitator] if review.facilitator else [],
        what="encouraged",
        before="Worth a review? ",
        body=f"{review.incident.title}\nIts runbook does not ask for a review of this incident, "
        f"and says: {note}. Ask for one on its page.",
        link="Open the incident",
        now=now,
    )


def published(review: Review, *, now: datetime) -> None:
    """Whoever was to come can read it; whoever published it knows."""
    guests = review.attendees.filter(user__is_active=True).exclude(user=review.published_by)
    _tell(
        review,
        [guest.user for guest in guests.select_related("user") if guest.user],
        what=f"published:{now.isoformat()}",
        before="Review published: ",
        body=f"{review.incident.title}\nRoot cause: {review.root_cause}",
        link="Read it",
        now=now,
        is_vital=False,
    )


def waived(review: Review, *, now: datetime) -> None:
    """Whoever was to run it need not."""
    if review.facilitator and review.facilitator_id != review.waived_by_id:
        _tell(
            review,
            [review.facilitator],
            what=f"waived:{now.isoformat()}",
            before="No review: ",
            body=f"{review.waived_by or 'Tocsin'} decided that there is none. "
            f"{review.waived_reason}",
            link="Open the incident",
            now=now,
            is_vital=False,
        )


def handed_over(review: Review, gone: User, heir: User, *, now: datetime) -> None:
    """Whoever was to run it has left."""
    what, todo = WANTED.get(ReviewState(review.state), ("", ""))
    due = ""
    if review.state == ReviewState.DUE and review.latest_at:
        due = f" It is {what} by {both_times(review.latest_at, heir.timezone)}."
    elif review.state == ReviewState.SCHEDULED and review.scheduled_at:
        where = f" Where: {review.place}." if review.place else ""
        due = f" It is on {both_times(review.scheduled_at, heir.timezone)}.{where}"
    _tell(
        review,
        [heir],
        what=f"handed-over:{gone.pk}",
        before="Review handed over to you: ",
        body=f"{gone} was deactivated: you run this review from now on.{due} {todo}".strip(),
        link="Open it",
        now=now,
    )


# --- What is due ----------------------------------------------------------------------------------


def remind(review: Review, alarm: Alarm, missing: Sequence[str], *, now: datetime) -> list[User]:
    """The moment of an alarm has come. Gives whom it was told."""
    what, todo = WANTED[ReviewState(review.state)]
    by = f"It is {what} by {{when}}."
    if alarm.stage == Stage.OVERDUE:
        ago = days_late(alarm.deadline, now)
        by = f"It was {what} by {{when}}, {ago} ago. {_run_by(review)}"
    people = _whom(review, alarm, [review.facilitator])
    start = {Stage.SOON: "Review due soon: ", Stage.DUE: "Review due: "}
    lines = [review.incident.title, f"{by} {todo}"]
    if missing:
        lines += ["", "Missing:", bullets(missing)]
    _tell(
        review,
        people,
        what=f"{review.state}:{_moment(alarm)}",
        before=start.get(alarm.stage, "Review overdue: "),
        body="\n".join(lines),
        link="Open the review",
        now=now,
        when=alarm.deadline,
    )
    return people


def remind_of_steps(
    review: Review, alarm: Alarm, plans: Sequence[FollowUp], *, now: datetime
) -> list[User]:
    """Steps that are to be done by one moment: each owner hears of theirs, managers of all."""
    told: dict[User, list[FollowUp]] = {}
    for plan in plans:
        for person in _whom(review, alarm, [plan.owner or review.facilitator]):
            told.setdefault(person, []).append(plan)
    start = {Stage.SOON: "To do soon: ", Stage.DUE: "To do now: "}
    for person, theirs in told.items():
        parts = [_open_steps(review, plan, person, now) for plan in theirs]
        _tell(
            review,
            [person],
            what=f"steps:{_moment(alarm)}",
            before=start.get(alarm.stage, "Overdue after an incident: "),
            body="\n\n".join([review.incident.title, *parts]),
            link="Say what is done",
            now=now,
        )
    return list(told)


def _open_steps(review: Review, plan: FollowUp, person: User, now: datetime) -> str:
    owner = plan.owner or review.facilitator
    whose = f" ({owner})" if owner and owner != person else ""
    by = f", by {both_times(plan.due_at, person.timezone)}" if plan.due_at else ""
    is_late = plan.due_at is not None and plan.due_at + engine.GRACE <= now
    late = f", {days_late(plan.due_at, now)} ago" if plan.due_at and is_late else ""
    steps = [step.text for step in plan.steps.all() if step.done_at is None]
    return f"{plan.title}{whose}{by}{late}:\n{bullets([*steps, *plan.commands])}"


def _whom(review: Review, alarm: Alarm, owners: Sequence[User | None]) -> list[User]:
    """Who is to do it; when it is overdue their managers; from the second week on all of them."""
    people = [person for person in owners if person is not None and person.is_active]
    if alarm.stage != Stage.OVERDUE and people:
        return people
    managers = attending.managers_of(review.incident)
    if alarm.stage != Stage.OVERDUE or alarm.turn == 1:
        return managers
    return list(dict.fromkeys([*managers, *people]))


def _run_by(review: Review) -> str:
    return f"{review.facilitator} runs it." if review.facilitator else "Nobody runs it."


def _moment(alarm: Alarm) -> str:
    """Overdue is told of once a day at most; before that, once for each deadline."""
    day = f":{alarm.at.date()}" if alarm.stage == Stage.OVERDUE else ""
    return f"{alarm.deadline.isoformat()}:{alarm.stage}{day}"


# --- The meeting ----------------------------------------------------------------------------------


def invite(
    review: Review, guests: Sequence[Attendee], *, is_moved: bool = False, now: datetime
) -> None:
    """Send these attendees an invitation, or the time that it has moved to."""
    if review.scheduled_at is None:
        return
    _count(review)
    subject = "Review moved: " if is_moved else "Invitation: review of "
    _send_meeting(
        review,
        guests,
        before=subject,
        first="It is at another time now." if is_moved else "You are invited to this review.",
        calendar=invitations.invitation(_meeting(review), now=now),
        cause=f"invited:{review.sequence}",
        now=now,
    )
    for guest in guests:
        guest.invited = review.sequence
    Attendee.objects.bulk_update(guests, ["invited"])


def disinvite(review: Review, guests: Sequence[Attendee], *, reason: str, now: datetime) -> None:
    """Take the meeting out of their calendars. Call before its time is forgotten."""
    asked = [guest for guest in guests if guest.invited]
    if review.scheduled_at is None or not asked:
        return
    _count(review)
    _send_meeting(
        review,
        asked,
        before="Cancelled: review of ",
        first=reason,
        calendar=invitations.cancellation(_meeting(review), now=now),
        cause=f"disinvited:{review.sequence}",
        now=now,
    )


def _count(review: Review) -> None:
    """Calendars take what has a higher number than the last that they had of this meeting."""
    review.sequence += 1
    review.save(update_fields=["sequence"])


def _send_meeting(
    review: Review,
    guests: Sequence[Attendee],
    *,
    before: str,
    first: str,
    calendar: str,
    cause: str,
    now: datetime,
) -> None:
    orders = []
    for guest in guests:
        if guest.user is None or not guest.user.is_active or review.scheduled_at is None:
            continue
        lines = [
            first,
            f"{both_times(review.scheduled_at, guest.user.timezone)}, {lasting(review.length)}",
            *([f"Where: {review.place}"] if review.place else []),
            _run_by(review),
            "",
            review.incident.title,
            *_agenda(review),
        ]
        orders.append(
            MessageOrder(
                to=guest.user,
                cause=_cause(review, cause),
                subject=f"{before}{title_of(review)}",
                body="\n".join(lines),
                incident=review.incident,
                links=[Link("Open the incident", address_of(review))],
                calendar=calendar,
            )
        )
    notifications.message_many(orders, now)


def _meeting(review: Review) -> Meeting:
    assert review.scheduled_at is not None  # noqa: S101
    guests = review.attendees.filter(user__is_active=True).select_related("user")
    label = f"{review.incident.label} " if review.incident.label else ""
    return Meeting(
        uid=f"review-{review.pk}@{settings.MAIL_DOMAIN}",
        sequence=review.sequence,
        title=f"{label}Review of {title_of(review)}",
        starts_at=review.scheduled_at,
        length=review.length,
        description="\n".join([review.incident.title, *_agenda(review), "", address_of(review)]),
        place=review.place,
        address=address_of(review),
        organiser=settings.DEFAULT_FROM_EMAIL,
        guests=[
            invitations.Guest(str(one.user), one.user.email, one.user_id == review.facilitator_id)
            for one in guests
            if one.user and one.user.email
        ],
    )


def _agenda(review: Review) -> list[str]:
    section = section_of(review)
    points = [
        f"{point.title} ({lasting(point.takes)})" if point.takes else point.title
        for point in section.agenda
    ]
    lines = ["", "Agenda:", bullets(points)] if points else []
    return [*lines, "", "Ground rules:", bullets(section.rules_of_the_meeting)]


# --- How it is told -------------------------------------------------------------------------------


def _why_there_is_one(review: Review) -> str:
    incident = review.incident
    if review.asked_by:
        return f"{review.asked_by} asks for a review: {review.asked_reason}"
    return f"{incident.title}: it is over, and its runbook asks for a review."


def _window(review: Review, zone: str) -> list[str]:
    lines = []
    if review.earliest_at:
        lines.append(f"Not before {both_times(review.earliest_at, zone)}.")
    if review.latest_at:
        lines.append(f"To be held by {both_times(review.latest_at, zone)}.")
    return lines


def _told(plan: FollowUp, zone: str) -> str:
    by = f", by {both_times(plan.due_at, zone)}" if plan.due_at else ""
    owner = f" ({plan.owner})" if plan.owner else ""
    return f"{plan.title}{owner}{by}: {'; '.join(step.text for step in plan.steps.all())}"


def _cause(review: Review, what: str) -> str:
    return f"review:{review.opened_at.isoformat()}:{what}"


def _tell(
    review: Review,
    people: Iterable[User | None],
    *,
    what: str,
    before: str,
    body: str,
    link: str,
    now: datetime,
    when: datetime | None = None,
    is_vital: bool = True,
) -> None:
    """`{when}` in `body` is that instant in each one's zone.

    Where nobody of them can be reached, and it is vital, managers are told, else administrators.
    """
    wanted = [person for person in people if person is not None and person.is_active]

    def orders(to: Iterable[User]) -> list[MessageOrder]:
        return [
            MessageOrder(
                to=person,
                cause=_cause(review, what),
                subject=f"{before}{title_of(review)}",
                body=body.replace("{when}", both_times(when, person.timezone) if when else ""),
                incident=review.incident,
                links=[Link(link, address_of(review))],
            )
            for person in to
        ]

    lost = notifications.message_many(orders(wanted), now)
    if not is_vital or len(lost) < len(wanted):
        return
    others = [one for one in attending.managers_of(review.incident) if one not in wanted]
    lost = notifications.message_many(orders(others), now)
    if len(lost) == len(others):
        notifications.message_many(orders(attending.administrators(review.incident)), now)
