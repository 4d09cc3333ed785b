"""The pages of this room in the admin."""

from incidents.reviews.admin import items, meeting, requesting, reviews, verbs

__all__ = ["items", "meeting", "requesting", "reviews", "verbs"]
