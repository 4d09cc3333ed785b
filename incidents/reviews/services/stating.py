"""What is stated about the incident; published as a document, and closed when all is done."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction

from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind, User
from incidents.reviews.errors import Stale
from incidents.reviews.models import Review, ReviewState
from incidents.reviews.services import announcing, opening, reminding
from incidents.reviews.services.publishing import make_revision, require_complete
from incidents.reviews.services.recording import (
    fitting,
    lock,
    moves_of,
    require_decides,
    require_move,
    require_writable,
)
from incidents.timers import clock

LONGEST = 20_000
TEXTS = {
    "impact": "The impact",
    "root_cause": "The root cause",
    "contributing_factors": "What contributed",
    "no_actions_reason": "The reason",
}
LARGEST = 2_147_483_647
# What their columns hold at most.
NUMBERS = {
    "users_affected": Decimal(LARGEST),
    "downtime_minutes": Decimal(LARGEST),
    "budget_minutes": Decimal("999999999.9"),
    "revenue_lost": Decimal("999999999999.99"),
}
FACTS = [*TEXTS, *NUMBERS, "currency", "data_lost", "timeline_checked"]


@transaction.atomic
def write_facts(review: Review, *, version: int, actor: User, **facts: Any) -> Review:
    """Change what is stated: impact, causes, why nothing is done, that the timeline is checked.

    `version`: of the review as it was read. Raises Stale, with both texts, where somebody else has
    written since; nothing is changed then.
    """
    review = lock(review)
    require_writable(review)
    for name in facts:
        if name not in FACTS:
            raise DomainError(f"{name!r} is no fact of a review.", field=name)
    if version != review.version:
        theirs = {name: fact_of(review, name) for name in facts}
        raise Stale(
            "Somebody else has changed it since you read it: nothing was stored. "
            "Put both texts together, and send them with the present version.",
            state=review.state,
            version=review.version,
            yours=facts,
            theirs=theirs,
        )
    changed = _set(review, facts, actor)
    if changed:
        review.version += 1
        review.save(update_fields=[*changed, "version"])
    return review


def fact_of(review: Review, name: str) -> Any:
    """A fact of the review by the name that `write_facts` knows it by."""
    if name == "timeline_checked":
        return review.timeline_checked_at is not None
    return getattr(review, name)


@transaction.atomic
def publish(review: Review, *, actor: User, note: str = "") -> Review:
    """Held → Published: an immutable revision of the document, which everybody can read.

    Raises Refused with what is missing; Forbidden for who does not decide.
    """
    review = lock(review)
    require_move(review, "publish", "published")
    require_decides(review, actor, "publish it")
    require_complete(review)
    now = clock.now()
    review.publish(at=now)
    review.published_by = actor
    review.save(update_fields=["state", "published_at", "published_by"])
    revision = make_revision(
        review, actor=actor, at=now, note=fitting(note, "The note", field="note")
    )
    opening.finish_steps_of(review, ReviewState.PUBLISHED, now)
    core.record(
        review.incident,
        Kind.REVIEW_PUBLISHED,
        actor=actor,
        at=now,
        summary=f"The review was published. Root cause: {review.root_cause}",
        data={"review": review.pk, "revision": revision.number},
    )
    announcing.published(review, now=now)
    reminding.await_next(review, now)
    return review


@transaction.atomic
def close(review: Review, *, actor: User) -> Review:
    """Published → Closed: every step is done, and every required action item.

    Raises Refused with what is open; Forbidden for who does not decide.
    """
    review = lock(review)
    require_move(review, "close", "closed")
    require_decides(review, actor, "close it")
    if missing := reminding.unmet_to_close(review):
        raise Refused(
            f"The review of {review.incident.reference} cannot be closed yet: "
            + " ".join(one.message for one in missing),
            state=review.state,
            allowed=moves_of(review),
            unmet=missing,
            code="unmet_criteria",
        )
    now = clock.now()
    review.close(at=now)
    review.closed_by = actor
    review.save(update_fields=["state", "closed_at", "closed_by"])
    reminding.release(review)
    core.record(
        review.incident,
        Kind.REVIEW_CLOSED,
        actor=actor,
        at=now,
        summary="The review is closed: what was decided is done.",
    )
    return review


def _set(review: Review, facts: Mapping[str, Any], actor: User) -> list[str]:
    """Put them on the row; gives the columns that changed."""
    wanted = {name: _cleaned(name, value) for name, value in facts.items()}
    checked = wanted.pop("timeline_checked", None)
    if wanted.get("revenue_lost") is not None and not (wanted.get("currency") or review.currency):
        raise DomainError("Say in which currency, e.g. EUR.", field="currency")
    changed = [name for name, value in wanted.items() if getattr(review, name) != value]
    for name in changed:
        setattr(review, name, wanted[name])
    if checked is not None and checked != (review.timeline_checked_at is not None):
        review.timeline_checked_at = clock.now() if checked else None
        review.timeline_checked_by = actor if checked else None
        changed += ["timeline_checked_at", "timeline_checked_by"]
    return changed


def _cleaned(name: str, value: Any) -> Any:
    if name in TEXTS:
        return fitting(value, TEXTS[name], field=name, longest=LONGEST)
    if name in NUMBERS:
        return _number(name, value)
    if name == "currency":
        if value and not (len(value) == 3 and value.isascii() and value.isalpha()):
            raise DomainError("A currency has three letters, e.g. EUR.", field=name)
        return value.upper()
    if name == "data_lost" and value not in Incident.DataLoss.values:
        allowed = ", ".join(Incident.DataLoss.values)
        raise DomainError(f"{value!r} is unknown; use one of {allowed}.", field=name)
    return value


def _number(name: str, value: Any) -> Any:
    if value is None:
        return None
    if value < 0:
        raise DomainError("A negative number makes no sense here.", field=name)
    if value > NUMBERS[name]:
        raise DomainError(f"At most {NUMBERS[name]}.", field=name)
    return value if name in {"users_affected", "downtime_minutes"} else Decimal(str(value))
