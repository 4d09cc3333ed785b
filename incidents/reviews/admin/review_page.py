"""What the page of one review shows: where it stands, the agenda, the document as it is written.

Made to be held up on a projector: the parts that people change while they talk are fragments that
live.js fetches again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.urls import reverse

from incidents.core import services as core
from incidents.core.models import Incident
from incidents.reviews import reading, section, services
from incidents.reviews.admin.meeting import responders
from incidents.reviews.document import Edition, compose, lay
from incidents.reviews.document.facts import Facts
from incidents.reviews.document.layout import EMPTY, Block
from incidents.reviews.document.sections import is_written
from incidents.reviews.document.timeline import Gap, Row, gap_text, gaps, rows_of
from incidents.reviews.models import ActionItem, Review, ReviewState, Why
from incidents.reviews.section import Agenda

STATES = [*(ReviewState.DUE, ReviewState.SCHEDULED, ReviewState.HELD), ReviewState.PUBLISHED]
STATES += [ReviewState.CLOSED]
# How often each kind of section is fetched again, in seconds; 0: it does not change meanwhile.
OFTEN = {"timeline": 15, "root_cause": 5, "action_items": 5}
SELDOM = 30
# Where a runbook has no agenda.
USUAL = [
    Agenda(title="What happened", topics=["The timeline", "Close its gaps"]),
    Agenda(title="Why it happened", topics=["Root cause", "What made it worse or harder to see"]),
    Agenda(title="The response", topics=["What went well?", "What could be better?"]),
    Agenda(title="What is done about it", topics=["Action items", "Who does each, and by when"]),
]
SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True)
class Step:
    """One of the states of a review: passed, present or ahead."""

    label: str
    at: datetime | None
    place: str


@dataclass(frozen=True)
class Point:
    """A point of the agenda and how many minutes it may take."""

    title: str
    minutes: int
    topics: list[str]


@dataclass(frozen=True)
class Card:
    """A section of the document. `write`: where it is written; `blocks`: what the record says."""

    key: str
    title: str
    text: str
    is_composed: bool
    is_asked_for: bool
    blocks: tuple[Block, ...]
    write: str
    every: int

    @property
    def is_empty(self) -> bool:
        return not self.text and not self.blocks


@dataclass(frozen=True)
class Line:
    """A row of the timeline as it is marked, a gap in it, or several rows that are left out."""

    row: Row | None = None
    gap: Gap | None = None
    t: str = ""
    left_out: tuple["Line", ...] = ()

    @property
    def gap_text(self) -> str:
        return gap_text(self.gap) if self.gap else ""


@dataclass(frozen=True)
class Branch:
    """A why with what is asked behind it and what is done about it."""

    why: Why
    items: list[ActionItem]
    branches: list["Branch"]


def banner(review: Review) -> dict[str, Any]:
    return {
        "severity_label": core.policy_of(review.incident).label,
        "steps": steps(review),
        "facilitator": review.facilitator,
        "revision": review.revisions.order_by("-number").first(),
        **unmet(review),
    }


def unmet(review: Review) -> dict[str, Any]:
    """What stands in the way of the next step."""
    if review.suspended_at is not None or review.is_over:
        return {}
    if review.state == ReviewState.PUBLISHED:
        missing, wanted = services.unmet_to_close(review), "Before it can be closed:"
    else:
        missing, wanted = services.unmet_to_publish(review), "Before it can be published:"
    return {"unmet": missing, "unmet_for": wanted}


def in_place(review: Review) -> dict[str, Any]:
    """What the small forms on the page offer."""
    return {
        "people": list(responders(review.incident)),
        "kinds": ActionItem.Kind.choices,
        "priorities": ActionItem.Priority.choices,
        "answers": review.whys.exclude(answer="").order_by("pk"),
        "files": [("markdown", "Markdown"), ("html", "HTML"), ("json", "JSON"), ("yaml", "YAML")],
    }


def steps(review: Review) -> list[Step]:
    reached = {
        ReviewState.DUE: review.opened_at,
        ReviewState.SCHEDULED: review.scheduled_at,
        ReviewState.HELD: review.held_at,
        ReviewState.PUBLISHED: review.published_at,
        ReviewState.CLOSED: review.closed_at,
    }
    here = STATES.index(ReviewState(review.state)) if review.state in STATES else -1
    places = ["passed" if n < here else "present" if n == here else "ahead" for n in range(5)]
    return [
        Step(str(state.label), reached[state], place)
        for state, place in zip(STATES, places, strict=True)
    ]


def agenda(review: Review) -> list[Point]:
    """The runbook's points, else the usual ones; those without minutes share what is left."""
    points = section.of(review.incident.revision).agenda or USUAL
    taken = sum((point.takes for point in points if point.takes), timedelta())
    open_ones = [point for point in points if not point.takes]
    left = max(review.length - taken, timedelta()) / len(open_ones) if open_ones else timedelta()
    return [
        Point(
            point.title,
            round(max(point.takes or left, SHORTEST) / timedelta(minutes=1)),
            list(point.topics),
        )
        for point in points
    ]


def rules(review: Review) -> dict[str, Any]:
    """What the runbook says about the meeting and wants to be in the document."""
    said = section.of(review.incident.revision)
    return {"ground_rules": said.ground_rules, "must_include": said.must_include}


def document(review: Review) -> dict[str, Any]:
    """All sections, and what their parts need."""
    known = reading.read(review)
    laid = lay(compose(known), Edition())
    blocks = {chapter.key: chapter.blocks for chapter in laid.chapters}
    return {
        "cards": [_card(review, one, blocks) for one in compose(known)["sections"]],
        "lines": lines(known),
        "branches": branches(review),
        "items": list(_items(review)),
    }


def _card(review: Review, one: dict[str, Any], blocks: dict[str, tuple[Block, ...]]) -> Card:
    key = one["key"]
    shown = () if key in OFTEN else tuple(_record(blocks.get(key, ())))
    may = is_written(key) and review.state != ReviewState.WAIVED
    return Card(
        key=key,
        title=one["title"],
        text=one["text"],
        is_composed=one["is_composed"],
        is_asked_for=one["is_asked_for"],
        blocks=shown,
        write=reverse("admin:review-section", args=[review.pk, key]) if may else "",
        every=OFTEN.get(key, SELDOM if is_written(key) else 0),
    )


def _record(blocks: Iterable[Block]) -> Iterator[Block]:
    """What the record says: people's words stand by themselves, and what is empty is not named."""
    for block in blocks:
        if block.kind != "text" and block.text != EMPTY:
            yield block


def lines(known: Facts) -> list[Line]:
    """Every entry, also those that are left out, with the gaps of what is told between them."""
    rows = rows_of(known)
    found = {gap.after: gap for gap in gaps([row for row in rows if row.belongs], known)}
    shown: list[Line] = []
    for number, row in enumerate(rows):
        minutes = round((row.at - known.began_at).total_seconds() // 60)
        shown.append(Line(row, t=f"{minutes:+d}"))
        is_last = number + 1 == len(rows) or rows[number + 1].at != row.at
        if row.at in found and is_last:
            shown.append(Line(gap=found[row.at]))
    return _folded(shown)


def _folded(shown: list[Line]) -> list[Line]:
    """What is left out in one go becomes one line that can be opened."""
    found: list[Line] = []
    for is_out, run in groupby(
        shown, key=lambda line: line.row is not None and not line.row.belongs
    ):
        rows = tuple(run)
        found += [Line(left_out=rows)] if is_out and len(rows) > 1 else rows
    return found


def branches(review: Review) -> list[Branch]:
    items: dict[int | None, list[ActionItem]] = {}
    for item in _items(review):
        items.setdefault(item.why_id, []).append(item)
    below: dict[int | None, list[Why]] = {}
    for why in review.whys.order_by("position", "pk"):
        below.setdefault(why.parent_id, []).append(why)

    def under(parent: int | None) -> list[Branch]:
        return [Branch(why, items.get(why.pk, []), under(why.pk)) for why in below.get(parent, [])]

    return under(None)


def _items(review: Review) -> Any:
    return review.items.select_related("owner", "owning_team", "why").order_by("due_on", "pk")


def beside(review: Review) -> dict[str, Any]:
    """What stands beside the document."""
    plans = review.follow_ups.select_related("owner").prefetch_related("steps__done_by")
    return {
        "attendees": review.attendees.select_related("user"),
        "plans": list(plans),
        "revisions": review.revisions.select_related("author"),
        "has_changed": review.revisions.exists() and reading.has_changed(review),
    }


def visible(user: Any) -> Any:
    return Review.objects.filter(incident__in=Incident.objects.visible_to(user)).with_context()
