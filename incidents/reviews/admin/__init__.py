"""The pages of this room in the admin."""

from incidents.reviews.admin import items, meeting, reviews, verbs

__all__ = ["items", "meeting", "reviews", "verbs"]
