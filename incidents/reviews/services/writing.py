"""Writing the document: sections that nobody overwrites unseen, what belongs to the timeline."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from incidents.core.errors import DomainError, Refused
from incidents.core.models import TimelineEntry, User
from incidents.reviews import reading
from incidents.reviews.document.sections import OF_THE_REVIEW, WRITTEN, is_written
from incidents.reviews.errors import Stale
from incidents.reviews.markdown import LONGEST
from incidents.reviews.models import Mark, Review, ReviewState, Section
from incidents.timers import clock

LONGEST_ENTRY = 2_000
KEPT: Any = object()
# How long before it began something may have happened that belongs to its story.
EARLIER = timedelta(days=365)


@dataclass(frozen=True)
class Stored:
    """A section as it is stored; `version` 0: nobody has written it yet."""

    key: str
    text: str
    version: int
    by: str = ""


@transaction.atomic
def write_section(review: Review, *, key: str, text: str, version: int, actor: User) -> Stored:
    """Write a section of the document, in Markdown.

    `version`: the one that the writer saw, 0 where nobody had written yet. Raises Stale, with both
    texts, where somebody else was faster. Empty text: what the section says by itself.
    """
    review = _locked(review)
    _require_place(review, key)
    text = _text(text, "The text", "text", LONGEST)
    present = stored_section(review, key)
    if present.version != version:
        raise Stale(
            f"{present.by or 'Somebody'} changed it while you wrote. Nothing is lost: put both "
            "texts together, and send that with the version that is stored now.",
            state=review.state,
            version=present.version,
            yours={"text": text},
            theirs={"text": present.text},
        )
    after = present.version + 1
    if key in OF_THE_REVIEW:
        setattr(review, key, text)
        review.version = after
        review.save(update_fields=[key, "version"])
    else:
        facts = {"text": text, "version": after, "by": actor, "at": clock.now()}
        Section.objects.update_or_create(review=review, key=key, defaults=facts)
    return Stored(key, text, after, str(actor))


def stored_section(review: Review, key: str) -> Stored:
    """As it is stored; causes and impact are facts of the review and share its version."""
    if key in OF_THE_REVIEW:
        return Stored(key, getattr(review, key), review.version)
    row = Section.objects.filter(review=review, key=key).select_related("by").first()
    return Stored(key, row.text, row.version, str(row.by or "")) if row else Stored(key, "", 0)


@transaction.atomic
def mark_entry(
    review: Review,
    *,
    entry: TimelineEntry,
    actor: User,
    belongs: bool,
    at: datetime | None = KEPT,
    text: str = KEPT,
) -> Mark:
    """Say whether an entry of the timeline belongs to the document, and when it really was.

    `at` None and `text` empty: as it was recorded; left out: as somebody has corrected it. The
    timeline itself stays as it is.
    """
    review = _locked(review)
    if entry.incident_id != review.incident_id:
        raise DomainError("This entry is of another incident.", field="entry")
    mark = Mark.objects.filter(review=review, entry=entry).first()
    mark = mark or Mark(review=review, entry=entry)
    mark.belongs = belongs
    if at is not KEPT:
        mark.at = _moment(review, at)
    if text is not KEPT:
        mark.text = _text(text, "The text", "text", LONGEST_ENTRY)
    return _signed(mark, actor)


@transaction.atomic
def add_entry(review: Review, *, at: datetime, text: str, actor: User) -> Mark:
    """Add to the document's timeline what nobody had written down when it happened."""
    review = _locked(review)
    text = _text(text, "What happened", "text", LONGEST_ENTRY)
    if not text:
        raise DomainError("What happened is missing: write it down.", field="text")
    return _signed(Mark(review=review, at=_moment(review, at), text=text), actor)


@transaction.atomic
def change_entry(mark: Mark, *, actor: User, belongs: bool, at: datetime, text: str) -> Mark:
    """Change an entry that somebody added; one that does not belong is left out."""
    review = _locked(mark.review)
    mark = Mark.objects.get(pk=mark.pk)
    if mark.entry_id is not None:
        raise DomainError("Only added entries are changed; mark the others.", field="entry")
    cleaned = _text(text, "What happened", "text", LONGEST_ENTRY)
    mark.belongs, mark.at, mark.text = belongs, _moment(review, at), cleaned or mark.text
    return _signed(mark, actor)


# --- Steps ----------------------------------------------------------------------------------------


def _locked(review: Review) -> Review:
    """As it is now, locked; what is waived has no document to write."""
    rows = Review.objects.select_for_update(no_key=True, of=("self",)).with_context()
    found = rows.get(pk=review.pk)
    if found.state == ReviewState.WAIVED:
        raise Refused(f"{found} is waived: there is nothing to write.", state=found.state)
    return found


def _require_place(review: Review, key: str) -> None:
    """Only what the runbook names, or what every document has."""
    known = [place.key for place in reading.places(review) if is_written(place.key)]
    known += [key for key in WRITTEN if key not in known]
    if key not in known:
        allowed = ", ".join(known)
        raise DomainError(f"There is no section {key!r}; use one of {allowed}.", field="key")


def _text(text: str, what: str, field: str, longest: int) -> str:
    cleaned = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").replace("\r\n", "\n").strip()
    if len(cleaned) > longest:
        raise DomainError(f"{what} is longer than {longest} characters.", field=field)
    return cleaned


def _moment(review: Review, at: Any) -> Any:
    """Within the story: not in the future, and not years before it."""
    if at is None:
        return None
    began = review.incident.started_at or review.incident.declared_at
    if at > clock.now() or at < began - EARLIER:
        raise DomainError("That time is not within its story.", field="at")
    return at


def _signed(mark: Mark, actor: User) -> Mark:
    mark.marked_by, mark.marked_at = actor, clock.now()
    mark.save()
    return mark
