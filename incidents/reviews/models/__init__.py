from incidents.reviews.models.actions import (
    FINISHED,
    PENDING,
    ActionItem,
    ItemEntry,
    ItemState,
    RunbookProposal,
    Suspicion,
    Telling,
)
from incidents.reviews.models.document import Mark, Revision, Section
from incidents.reviews.models.review import (
    Attendee,
    FollowUp,
    FollowUpStep,
    Review,
    ReviewState,
    Why,
)

__all__ = [
    "FINISHED",
    "PENDING",
    "ActionItem",
    "Attendee",
    "FollowUp",
    "FollowUpStep",
    "ItemEntry",
    "ItemState",
    "Mark",
    "Review",
    "ReviewState",
    "Revision",
    "RunbookProposal",
    "Section",
    "Suspicion",
    "Telling",
    "Why",
]
