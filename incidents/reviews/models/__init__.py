from incidents.reviews.models.review import (
    Attendee,
    FollowUp,
    FollowUpStep,
    Review,
    ReviewState,
    Why,
)

__all__ = ["Attendee", "FollowUp", "FollowUpStep", "Review", "ReviewState", "Why"]
