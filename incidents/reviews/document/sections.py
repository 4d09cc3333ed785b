"""The sections of a document: as the runbook names and orders them, and what each is. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# What each section is called where a runbook does not name it.
TITLES = {
    "summary": "Summary",
    "impact": "Impact",
    "timeline": "Timeline",
    "root_cause": "Root cause",
    "contributing_factors": "Contributing factors",
    "went_well": "What went well",
    "to_improve": "What could be better",
    "lessons": "Lessons learned",
    "prevention": "Prevention",
    "action_items": "Action items",
    "figures": "Figures against targets",
    "people": "Who took part",
    "escalations": "Escalations",
    "messages": "Messages sent",
    "follow_up": "Steps after the incident",
}
# How the words of a title say what it is; the first that fits.
_WORDS = [
    ("summary", r"summar|overview"),
    ("impact", r"impact"),
    ("timeline", r"timeline|what happened"),
    ("root_cause", r"root cause|five whys|5 whys|^causes?$"),
    ("contributing_factors", r"contribut"),
    ("went_well", r"went well|good"),
    ("to_improve", r"improve|better|went wrong"),
    ("lessons", r"lesson|learned|learnt"),
    ("prevention", r"prevent"),
    ("action_items", r"action"),
    ("figures", r"figures|metrics|targets"),
    ("people", r"took part|participants|attendees|responders"),
    ("escalations", r"escalation"),
    ("messages", r"messages|communication"),
    ("follow_up", r"follow.?up|steps after"),
]
# Always there, whatever the runbook names: without them it is not published, or not believed.
ALWAYS = ["impact", "timeline", "root_cause", "contributing_factors", "action_items"]
# Behind the runbook's own: what the record says by itself.
RECORD = ["figures", "people", "escalations", "messages", "follow_up"]
# What people write there; the others are composed of facts alone.
WRITTEN = ["summary", "went_well", "to_improve", "lessons", "prevention"]
# Kept as facts of the review itself.
OF_THE_REVIEW = ["impact", "root_cause", "contributing_factors"]


@dataclass(frozen=True)
class Place:
    """A section: `key` says what it is, `title` how this runbook calls it."""

    key: str
    title: str
    is_asked_for: bool = True


def places(titles: Iterable[str], written: Iterable[str] = ()) -> list[Place]:
    """In order: the runbook's `titles`, what must not be left out, what was `written` beside.

    What a title means is found by its words; one that means nothing known is a section of its own.
    """
    found: dict[str, Place] = {}
    for title in titles:
        key = key_of(title)
        if key in found:
            key = slug_of(title)
        found.setdefault(key, Place(key, title))
    head = [] if "summary" in found else ["summary"]
    for key in [*head, *_beside(found, written)]:
        found = _put_in(found, Place(key, TITLES.get(key, _title_of(key)), is_asked_for=False))
    record = [Place(key, TITLES[key], is_asked_for=False) for key in RECORD if key not in found]
    return [*found.values(), *record]


def _put_in(found: dict[str, Place], place: Place) -> dict[str, Place]:
    """Behind the last of those that usually stand before it."""
    order = list(TITLES)
    usual = order[: order.index(place.key)] if place.key in order else order
    before = [key for key in found if key in usual]
    at = list(found).index(before[-1]) + 1 if before and place.key != "summary" else 0
    if place.key not in order:
        at = len(found)
    items = list(found.items())
    return dict([*items[:at], (place.key, place), *items[at:]])


def _beside(found: dict[str, Place], written: Iterable[str]) -> list[str]:
    wanted = {*ALWAYS, *written} - {"summary"}
    known = [key for key in TITLES if key in wanted and key not in found and key not in RECORD]
    return [*known, *sorted(key for key in wanted if key not in TITLES)]


def key_of(title: str) -> str:
    words = " ".join(title.lower().split())
    known = (key for key, pattern in _WORDS if re.search(pattern, words))
    return next(known, slug_of(title))


def slug_of(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:64] or "section"


def _title_of(key: str) -> str:
    return key.replace("_", " ").capitalize()


def is_written(key: str) -> bool:
    """Whether people write into the section of this key."""
    return key in WRITTEN or key in OF_THE_REVIEW or key not in TITLES
