"""What stands in the way of publishing or closing a review. Pure: no ORM, no clock."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from incidents.core.errors import Unmet
from incidents.reviews.blame import GROUND_RULE, blames
from incidents.reviews.models import Review

# What a runbook's `must_include` means by its words.
_FIGURES = {
    "users_affected": re.compile(r"\busers?\b", re.I),
    "revenue_lost": re.compile(r"\b(?:money|revenue)\b", re.I),
    "data_lost": re.compile(r"\bdata loss\b", re.I),
    "downtime_minutes": re.compile(r"\b(?:minutes|duration)\b", re.I),
}
_ASKS = {
    "users_affected": "Say how many users were affected; 0 where it was none.",
    "revenue_lost": "Say how much money was lost; 0 where it was none.",
    "data_lost": "Say whether data was lost.",
    "downtime_minutes": "Say for how many minutes it was down.",
}


@dataclass(frozen=True)
class Question:
    """One why as it stands: its answer, and the answer that it asks behind."""

    answer: str
    behind: str = ""


def figures_asked(must_include: Iterable[str]) -> list[str]:
    """The figures of the impact that a runbook wants in every review."""
    lines = list(must_include)
    return [name for name, words in _FIGURES.items() if any(words.search(line) for line in lines)]


def unmet(
    review: Review,
    *,
    must_include: Sequence[str] = (),
    whys: Sequence[Question] = (),
    action_items: int = 0,
) -> list[Unmet]:
    """Every criterion that `review` does not meet yet for being published."""
    missing = []
    if review.timeline_checked_at is None:
        missing.append(
            Unmet("timeline", "Go through the timeline, mark what belongs, and say it is checked.")
        )
    missing += _causes(review, whys)
    missing += _impact(review, must_include)
    if not action_items and not review.no_actions_reason.strip():
        missing.append(
            Unmet("actions", "Add an action item, or write down why nothing is to be done.")
        )
    return missing


def _causes(review: Review, whys: Sequence[Question]) -> list[Unmet]:
    missing = []
    if not review.root_cause.strip():
        missing.append(Unmet("root_cause", "Write down the root cause."))
    elif blames(review.root_cause) and not _looked_behind(whys):
        missing.append(Unmet("human_error", GROUND_RULE))
    if not review.contributing_factors.strip():
        missing.append(
            Unmet("contributing_factors", "Write down what made it worse, or harder to see.")
        )
    return missing


def _looked_behind(whys: Iterable[Question]) -> bool:
    """Whether somebody asked behind an answer that gives people as the cause, and found more."""
    return any(
        why.behind and blames(why.behind) and why.answer.strip() and not blames(why.answer)
        for why in whys
    )


def _impact(review: Review, must_include: Sequence[str]) -> list[Unmet]:
    asked = figures_asked(must_include)
    missing = [Unmet(name, _ASKS[name]) for name in asked if not _is_known(review, name)]
    told = review.impact.strip() or review.users_affected is not None
    if not told and "users_affected" not in asked:
        missing.append(Unmet("impact", "Say who was affected, and how."))
    return missing


def _is_known(review: Review, name: str) -> bool:
    if name == "data_lost":
        return review.data_lost != "unknown"
    return getattr(review, name) is not None


def unmet_to_close(open_steps: Sequence[str], open_items: Sequence[str]) -> list[Unmet]:
    """What is still to be done: steps by their text, action items as they are named."""
    missing = [
        Unmet("step", f"Still to be done, or to be called not needed: {text}")
        for text in open_steps
    ]
    return [*missing, *(Unmet("action_item", line) for line in open_items)]
