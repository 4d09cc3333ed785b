"""What was published stays: each edition of the document is an immutable revision."""

from datetime import datetime

from django.db import transaction

from incidents.core.errors import DomainError, Refused
from incidents.core.models import Kind, User
from incidents.core.services import lock, record
from incidents.core.services.recording import require_text
from incidents.reviews import reading
from incidents.reviews.document import compose
from incidents.reviews.models import Review, ReviewState, Revision
from incidents.timers import clock

PUBLIC = [ReviewState.PUBLISHED, ReviewState.CLOSED]


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


@transaction.atomic
def correct(review: Review, *, note: str, actor: User) -> Revision:
    """Publish what was changed since as another revision. `note`: what was corrected, and why."""
    incident = lock(review.incident)
    rows = Review.objects.select_for_update(no_key=True, of=("self",)).with_context()
    review = rows.get(pk=review.pk)
    if review.state not in PUBLIC:
        raise Refused(f"{review} is not published yet.", state=review.state, allowed=["publish"])
    note = require_text(note, "What was corrected", field="note", longest=2_000)
    if not reading.has_changed(review):
        raise DomainError("Nothing has changed since the last revision.", code="unchanged")
    revision = make_revision(review, actor=actor, at=clock.now(), note=note)
    record(
        incident,
        Kind.REVIEW_PUBLISHED,
        actor=actor,
        summary=f"Review corrected, revision {revision.number}: {note}",
        data={"review": review.pk, "revision": revision.number},
    )
    return revision
