"""Whether an incident is reviewed, from when to when, and by whom: as its runbook says."""

from datetime import UTC, datetime

import pytest

from incidents.core import services as core
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import Incident, Kind, Service, User
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from incidents.timers.models import Timer
from tests.factories import MembershipFactory, UserFactory
from tests.reviews.conftest import Publish
from tests.reviews.stage import heard, letters, resolved, review_of

pytestmark = pytest.mark.django_db


def incident_of(service: Service, severity: str, actor: User) -> Incident:
    incident = core.declare(title="Something", service=service, severity=severity)
    core.acknowledge(incident, actor=actor)
    return resolved(incident, actor=actor)


def test_it_works(over: Incident):
    review = review_of(over)

    assert (review.state, review.is_required) == ("due", True)
    assert review.earliest_at == datetime(2026, 3, 3, 10, tzinfo=UTC)
    assert review.latest_at == datetime(2026, 3, 5, 10, tzinfo=UTC)
    assert str(review.facilitator) == "Bob"
    assert review.root_cause == "Logs were not rotated"
    assert over.review_due_at == review.latest_at
    assert heard() == [("bob", "Review to be held")]
    entry = over.timeline.get(kind=Kind.REVIEW_OPENED)
    assert "2026-03-05 10:00 UTC" in entry.summary


def test_it_says_until_when_who_comes_and_what_is_to_be_done_first(
    runbook: Publish, phones: None, service: Service, bob: User, clock
):
    plan = {"title": "Right after", "within": "1 h", "steps": ["Verify it", "Keep the logs"]}
    runbook({**{"rules": [{"severities": ["SEV1"], "required": True}]}, "follow_ups": [plan]})
    incident_of(service, "SEV1", bob)

    (told,) = letters()

    assert "To be held by Monday 9 March 2026, 17:00 UTC." in told.text
    assert "To come: Bob, Alice." in told.text
    assert "Right after, by Monday 2 March 2026, 11:00 UTC: Verify it; Keep the logs" in told.text
    assert "/i/INC-2026-03-02-001/" in told.text


def test_it_only_suggests_one_where_the_runbook_encourages_it(
    runbook: Publish, phones: None, service: Service, bob: User, clock
):
    runbook()
    incident = incident_of(service, "SEV3", bob)

    assert not Review.objects.exists()
    assert incident.review_due_at is None
    assert heard() == [("bob", "Worth a review? SEV3 Checkout")]


def test_it_opens_none_where_the_runbook_says_nothing(
    runbook: Publish, phones: None, service: Service, bob: User, clock
):
    runbook()
    incident_of(service, "SEV4", bob)

    assert not Review.objects.exists()
    assert heard() == []


def test_anybody_who_responds_may_ask_for_one(
    runbook: Publish, phones: None, service: Service, alice: User, bob: User, clock
):
    runbook()
    incident = incident_of(service, "SEV4", bob)

    review = reviews.request(incident, reason="It was odd.", actor=alice)

    assert (review.is_required, str(review.asked_by)) == (False, "Alice")
    assert review.latest_at == datetime(2026, 3, 9, 17, tzinfo=UTC)
    assert heard() == [("bob", "Review to be held")]
    with pytest.raises(Refused, match="already"):
        reviews.request(incident, reason="Again.", actor=bob)


def test_one_may_be_asked_for_only_when_the_incident_is_over(incident: Incident, bob: User):
    with pytest.raises(Refused, match="not over yet"):
        reviews.request(incident, reason="Now.", actor=bob)
    with pytest.raises(DomainError, match="The reason is missing"):
        reviews.request(incident, reason=" ", actor=bob)


def test_a_manager_waives_it_with_a_reason(review: Review, over: Incident, alice: User, bob: User):
    with pytest.raises(Forbidden):
        reviews.waive(review, reason="No time.", actor=bob)

    reviews.waive(review, reason="The same as last week's.", actor=alice)

    review = review_of(over)
    assert (review.state, str(review.waived_by)) == ("waived", "Alice")
    assert not Timer.objects.pending().of(review).exists()
    assert review.incident.review_due_at is None
    assert heard() == [("bob", "No review")]


def test_whoever_asked_for_one_may_waive_it_and_one_may_be_asked_for_again(
    runbook: Publish, phones: None, service: Service, alice: User, bob: User, clock
):
    runbook()
    incident = incident_of(service, "SEV4", bob)
    review = reviews.request(incident, reason="It was odd.", actor=bob)

    reviews.waive(review, reason="It was not.", actor=bob)
    again = reviews.request(incident, reason="It was.", actor=alice)

    assert (again.pk, again.state, str(again.asked_by)) == (review.pk, "due", "Alice")
    assert review_of(incident).waived_by is None
    entry = incident.timeline.filter(kind=Kind.REVIEW_OPENED).latest("pk")
    assert (entry.actor, entry.summary.endswith("Alice asked for it: It was.")) == (alice, True)
    assert Timer.objects.pending().of(again).exists()


def test_attendees_are_whom_the_runbook_means(
    runbook: Publish, phones: None, service: Service, bob: User, charlie: User, team, clock
):
    lena, otto = UserFactory(username="lena"), UserFactory(username="otto")
    MembershipFactory(team=team, user=lena, function="engineering-lead")
    MembershipFactory(team=team, user=otto, function="product-owner")
    lines = [
        {"who": "Incident commander", "facilitates": True},
        {"who": "On-call engineer"},
        {"who": "All responders"},
        {"who": "Owners of the affected services"},
        {"who": "Engineering lead"},
        {"who": "Product owner", "severities": ["SEV1"]},
        {"who": "Legal counsel"},
    ]
    runbook({"rules": [{"severities": ["SEV1", "SEV2"], "required": True}], "attendees": lines})
    incident = core.declare(title="Down", service=service, severity="SEV1")
    core.acknowledge(incident, actor=charlie)
    resolved(incident, actor=bob)

    come = {(str(one.user or "nobody"), one.role) for one in review_of(incident).attendees.all()}

    assert come == {
        ("Bob", "Incident commander"),
        ("Charlie", "On-call engineer"),
        ("Alice", "Owners of the affected services"),
        ("Lena", "Engineering lead"),
        ("Otto", "Product owner"),
        ("nobody", "Legal counsel"),
    }


def test_nobody_hears_of_a_private_incident_who_may_not_see_it(
    runbook: Publish, phones: None, service: Service, alice: User, bob: User, clock
):
    runbook()
    incident = core.declare(
        title="A breach", service=service, severity="SEV1", is_private=True, audience=[bob]
    )
    core.acknowledge(incident, actor=bob)
    resolved(incident, actor=bob)

    review = review_of(incident)

    assert [str(one.user) for one in review.attendees.exclude(user=None)] == ["Bob"]
    assert {who for who, _ in heard()} == {"bob"}
    assert not Review.objects.visible_to(alice).exists()
    with pytest.raises(DomainError, match="may not see"):
        reviews.add_attendee(review, user=alice, actor=bob)
