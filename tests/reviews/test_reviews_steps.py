"""Steps after the incident: who is to do them by when, and what shows that they are done."""

from datetime import UTC, datetime
from typing import Any

import pytest

from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind, Service, User
from incidents.reviews import services as reviews
from incidents.reviews.models import FollowUpStep, Review
from incidents.timers.clock import VirtualClock
from tests.escalation.conftest import give_phone
from tests.factories import MembershipFactory, UserFactory
from tests.reviews.conftest import Publish
from tests.reviews.stage import heard, letters, live, resolved, review_of

pytestmark = pytest.mark.django_db

PLANS: list[dict[str, Any]] = [
    {
        "title": "Right after",
        "within": "1 h",
        "steps": ["Verify it", "Keep the logs"],
        "commands": ["export --id=REFERENCE"],
    },
    {"title": "Review", "within": "48 h", "steps": ["Hold the post-incident review"]},
    {"title": "Fix it", "within": "1 week", "role": "engineering-lead", "steps": ["Deploy it"]},
]


@pytest.fixture
def lena(team, clock) -> User:
    lena = UserFactory(username="lena")
    MembershipFactory(team=team, user=lena, function="engineering-lead")
    give_phone(lena)
    return lena


@pytest.fixture
def over(runbook: Publish, phones: None, lena: User, service: Service, bob: User) -> Incident:
    """Monday at 10:00, under a runbook that wants three things afterwards."""
    runbook(
        {
            "rules": [{"severities": ["SEV1"], "required": True, "latest": "1 week"}],
            "follow_ups": PLANS,
        }
    )
    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")
    core.acknowledge(incident, actor=bob)
    return resolved(incident, actor=bob)


def step(review: Review, text: str) -> FollowUpStep:
    return reviews.steps_of(review).get(text=text)


def test_it_works(review: Review, bob: User, lena: User):
    plans = list(review.follow_ups.all())

    assert [(one.title, one.due_at, one.owner) for one in plans] == [
        ("Right after", datetime(2026, 3, 2, 11, tzinfo=UTC), None),
        ("Review", datetime(2026, 3, 4, 10, tzinfo=UTC), None),
        ("Fix it", datetime(2026, 3, 9, 10, tzinfo=UTC), lena),
    ]
    assert plans[0].commands == [f"export --id={review.incident.reference}"]
    done = reviews.finish_step(
        step(review, "Keep the logs"), note="In S3", link="https://s3.example.org/1", actor=bob
    )
    assert (str(done.done_by), done.note, done.link) == ("Bob", "In S3", "https://s3.example.org/1")
    entry = review.incident.timeline.get(kind=Kind.REVIEW_STEP_DONE)
    assert entry.summary == "Done: Keep the logs (In S3)"


def test_whoever_is_to_do_it_hears_when_its_hour_is_over_and_then_their_manager(
    review: Review, clock: VirtualClock
):
    assert live(clock, days=1, hours=1) == [
        ("Mon 02 11:00", "bob", "To do now"),
        ("Tue 03 11:00", "alice", "Overdue after an incident"),
    ]


def test_what_is_done_is_told_of_no_more(review: Review, bob: User, clock: VirtualClock):
    reviews.finish_step(step(review, "Verify it"), actor=bob)
    clock.forward(hours=1)

    (told,) = letters()

    assert "- Keep the logs\n- export --id=" in told.text
    assert "Verify it" not in told.text
    reviews.finish_step(step(review, "Keep the logs"), actor=bob)
    assert live(clock, days=2) == []


def test_what_has_a_role_is_told_to_whoever_has_it(review: Review, bob: User, clock: VirtualClock):
    for text in ["Verify it", "Keep the logs"]:
        reviews.finish_step(step(review, text), actor=bob)

    told = [one for one in live(clock, days=9) if "review" not in one[2].lower()]

    assert told == [
        ("Mon 09 09:00", "lena", "To do soon"),
        ("Mon 09 10:00", "lena", "To do now"),
        ("Tue 10 10:00", "alice", "Overdue after an incident"),
    ]


def test_the_review_does_by_itself_what_the_runbook_says_of_it(
    review: Review, bob: User, clock: VirtualClock
):
    clock.forward(days=1)
    reviews.hold(review, actor=bob)

    held = step(review, "Hold the post-incident review")
    assert held.done_at == clock.at
    assert [one.text for one in reviews.open_steps(review)] == [
        "Verify it",
        "Keep the logs",
        "Deploy it",
    ]


def test_one_that_is_not_needed_says_why_and_may_be_needed_after_all(review: Review, bob: User):
    skipped = reviews.skip_step(step(review, "Keep the logs"), reason="There are none", actor=bob)
    assert (skipped.is_needed, skipped.note) == (False, "There are none")
    assert skipped.text not in [one.text for one in reviews.open_steps(review)]

    again = reviews.undo_step(skipped, actor=bob)

    assert (again.is_needed, again.done_at) == (True, None)
    with pytest.raises(DomainError, match="The reason is missing"):
        reviews.skip_step(again, reason="", actor=bob)


def test_what_is_to_be_done_after_all_is_told_of_as_before(
    review: Review, bob: User, clock: VirtualClock
):
    live(clock, days=3)
    reviews.undo_step(reviews.finish_step(step(review, "Verify it"), actor=bob), actor=bob)

    told = [one for one in live(clock, days=17) if one[2].startswith(("To do", "Overdue"))]

    assert [one for one in told if one[1] != "lena"] == [
        ("Tue 10 10:00", "alice", "Overdue after an incident"),
        ("Tue 10 11:00", "alice", "Overdue after an incident"),
        ("Tue 10 11:00", "bob", "Overdue after an incident"),
        ("Tue 17 11:00", "alice", "Overdue after an incident"),
        ("Tue 17 11:00", "bob", "Overdue after an incident"),
    ]


def test_evidence_is_a_link_that_a_browser_may_follow(review: Review, bob: User):
    with pytest.raises(DomainError, match="http"):
        reviews.finish_step(step(review, "Verify it"), link="javascript:alert(1)", actor=bob)


def test_it_is_given_to_somebody_else(review: Review, alice: User, bob: User, clock: VirtualClock):
    reviews.assign_follow_up(review.follow_ups.get(title="Right after"), owner=alice, actor=bob)
    clock.forward(hours=1)

    assert heard() == [("alice", "To do now")]


def test_nothing_is_done_any_more_where_there_is_no_review(review: Review, alice: User, clock):
    reviews.waive(review, reason="No.", actor=alice)
    heard()

    assert live(clock, days=14) == []
    with pytest.raises(Refused):
        reviews.finish_step(step(review, "Verify it"), actor=alice)
    assert review_of(review.incident).state == "waived"
