"""The documents in docs/reviews/ are what the house makes of one outage under each runbook."""

import pytest

from incidents.reviews.models import Review
from tests.reviews import documents
from tests.reviews.demo import RUNBOOKS

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("slug", RUNBOOKS)
def test_they_are_as_the_generator_makes_them(slug):
    made = documents.made(slug)

    for name, text in made.items():
        kept = (documents.FOLDER / name).read_text(encoding="utf-8")
        assert kept == text, f"{name} is old: python -m tests.reviews.documents"
    assert Review.objects.get().state == "published"


@pytest.mark.parametrize("slug", RUNBOOKS)
def test_they_leave_nothing_open_that_a_reader_would_ask(slug):
    text = (documents.FOLDER / f"{slug}.md").read_text(encoding="utf-8")

    assert "Nothing is written down" not in text
    assert "Draft" not in text
    assert "Nobody yet" not in text
    for heading in ["Timeline", "Root cause", "Impact", "Contributing factors", "Action items"]:
        assert f"\n## {heading}\n" in text
