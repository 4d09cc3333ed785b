"""The pages of this room in the admin."""

from incidents.reviews.admin import agreeing, items, meeting, requesting, reviews, verbs

__all__ = ["agreeing", "items", "meeting", "requesting", "reviews", "verbs"]
