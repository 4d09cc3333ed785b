"""Whether an incident is reviewed, from when to when, and by whom: as its runbook says."""

from datetime import UTC, datetime

import pytest

from incidents.core.models import Incident, Kind
from tests.reviews.stage import heard, review_of

pytestmark = pytest.mark.django_db


def test_it_works(over: Incident):
    review = review_of(over)

    assert review.state == "due"
    assert review.earliest_at == datetime(2026, 3, 3, 10, tzinfo=UTC)
    assert review.latest_at == datetime(2026, 3, 5, 10, tzinfo=UTC)
    assert str(review.facilitator) == "Bob"
    assert over.review_due_at == review.latest_at
    assert heard() == [("bob", "Review to be held")]
    assert over.timeline.filter(kind=Kind.REVIEW_OPENED).count() == 1
