"""What was published stays: each edition of the document is an immutable revision."""

from datetime import datetime

from django.db import transaction

from incidents.core.errors import DomainError, Refused
from incidents.core.models import Kind, User
from incidents.core.services import record
from incidents.reviews import reading
from incidents.reviews.document import compose
from incidents.reviews.models import Review, Revision
from incidents.reviews.services import reminding
from incidents.reviews.services.recording import (
    lock,
    moves_of,
    require_decides,
    require_move,
    require_text,
)
from incidents.timers import clock


def make_revision(review: Review, *, actor: User | None, at: datetime, note: str = "") -> Revision:
    """The document as it is now, kept for ever. Call inside the verb, with the review locked."""
    last = review.revisions.order_by("-number").first()
    return Revision.objects.create(
        review=review,
        number=last.number + 1 if last else 1,
        document=compose(reading.read(review)),
        note=note,
        author=actor,
        at=at,
    )


def require_complete(review: Review) -> None:
    """Raises Refused with everything that a document which is published has to say."""
    if missing := reminding.unmet_to_publish(review):
        raise Refused(
            f"The review of {review.incident.reference} cannot be published yet: "
            + " ".join(one.message for one in missing),
            state=review.state,
            allowed=moves_of(review),
            unmet=missing,
            code="unmet_criteria",
        )


@transaction.atomic
def correct(review: Review, *, note: str, actor: User) -> Revision:
    """Publish what was changed since as another revision. `note`: what was corrected, and why.

    Raises Refused with what is missing; Forbidden for who does not decide.
    """
    review = lock(review)
    require_move(review, "correct", "corrected")
    require_decides(review, actor, "correct it")
    require_complete(review)
    note = require_text(note, "What was corrected", field="note", longest=2_000)
    if not reading.has_changed(review):
        raise DomainError("Nothing has changed since the last revision.", code="unchanged")
    revision = make_revision(review, actor=actor, at=clock.now(), note=note)
    record(
        review.incident,
        Kind.REVIEW_PUBLISHED,
        actor=actor,
        summary=f"Review corrected, revision {revision.number}: {note}",
        data={"review": review.pk, "revision": revision.number},
    )
    return revision
