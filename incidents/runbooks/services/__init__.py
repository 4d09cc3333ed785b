"""The verbs of this room. The only place that others call."""

from incidents.runbooks.services.applying import (
    BUILT_IN,
    NotARunbook,
    Plan,
    adopt,
    apply,
    choices,
    choose,
    diff,
    load,
    users_of,
)
from incidents.runbooks.services.upkeep import (
    REVIEW_DUE,
    ask_for_review,
    bring_forward,
    mark_reviewed,
    may_review,
)

__all__ = [
    "BUILT_IN",
    "REVIEW_DUE",
    "NotARunbook",
    "Plan",
    "adopt",
    "apply",
    "ask_for_review",
    "bring_forward",
    "choices",
    "choose",
    "diff",
    "load",
    "mark_reviewed",
    "may_review",
    "users_of",
]
