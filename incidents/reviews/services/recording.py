"""Locking a review and its incident: what every verb begins with."""

from incidents.core import services as core
from incidents.core.calendar import WorkingCalendar
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import IncidentRole, User
from incidents.reviews import section
from incidents.reviews.models import Review, ReviewState
from incidents.reviews.section import Reviews

MOVES = {
    "schedule": [ReviewState.DUE, ReviewState.SCHEDULED],
    "cancel": [ReviewState.SCHEDULED],
    "hold": [ReviewState.DUE, ReviewState.SCHEDULED],
    "publish": [ReviewState.HELD],
    "correct": [ReviewState.PUBLISHED, ReviewState.CLOSED],
    "close": [ReviewState.PUBLISHED],
    "waive": [ReviewState.DUE, ReviewState.SCHEDULED, ReviewState.HELD],
}


def lock(review: Review) -> Review:
    """The review as it is now, with its incident; both locked until the transaction ends."""
    incident = core.lock(review.incident)
    rows = Review.objects.select_for_update(no_key=True, of=("self",))
    locked = rows.select_related("facilitator", "asked_by").get(pk=review.pk)
    locked.incident = incident
    return locked


def moves_of(review: Review) -> list[str]:
    """The verbs that make sense in its present state."""
    if review.suspended_at is not None:
        return []
    return [name for name, states in MOVES.items() if review.state in states]


def require_move(review: Review, name: str, deed: str) -> None:
    """Raises Refused where this does not follow from where the review stands."""
    if name in moves_of(review):
        return
    where = f"is {review.state}"
    if review.suspended_at is not None:
        where = "waits until its incident, which is open again, is resolved"
    raise Refused(
        f"The review of {review.incident.reference} {where}: it cannot be {deed} now.",
        state=review.state,
        allowed=moves_of(review),
    )


def require_writable(review: Review) -> None:
    """Raises Refused where there is no document to write any more."""
    if review.state == ReviewState.WAIVED:
        raise Refused(
            f"There is no review of {review.incident.reference}: it was waived. Ask for one first.",
            state=review.state,
            allowed=["request"],
        )


def may_decide(review: Review, person: User) -> bool:
    """Managers of the owning team, the facilitator and whoever commanded the incident."""
    if person.manages(review.incident.service.team_id) or review.facilitator_id == person.pk:
        return True
    return review.incident.roles.filter(role=IncidentRole.COMMANDER, user=person).exists()


def require_decides(review: Review, person: User, deed: str) -> None:
    if not may_decide(review, person):
        raise Forbidden(f"Only its facilitator, the commander or a manager of its team may {deed}.")


def section_of(review: Review) -> Reviews:
    """What its runbook says about reviews."""
    return section.of(review.incident.revision)


def calendar_of(review: Review) -> WorkingCalendar:
    """By which its deadlines count."""
    return core.calendar_of(review.incident)


def require_text(text: str, what: str, *, field: str, longest: int = 10_000) -> str:
    """`text` without blanks around it; DomainError when empty or longer than `longest`."""
    cleaned = fitting(text, what, field=field, longest=longest)
    if not cleaned:
        raise DomainError(f"{what} is missing: write it down.", field=field)
    return cleaned


def fitting(text: str, what: str, *, field: str, longest: int = 10_000) -> str:
    """The same, which may be empty."""
    cleaned = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").strip()
    if len(cleaned) > longest:
        raise DomainError(f"{what} is longer than {longest} characters.", field=field)
    return cleaned


def require_guest(review: Review, person: User, *, field: str) -> None:
    """Raises DomainError for somebody who was shut out, or may not see the incident."""
    if not User.objects.filter(pk=person.pk, is_active=True).exists():
        raise DomainError(f"{person} is deactivated; choose somebody else.", field=field)
    incident = review.incident
    if incident.is_private and not incident.audience.filter(pk=person.pk).exists():
        raise DomainError(f"{person} may not see this private incident.", field=field)
