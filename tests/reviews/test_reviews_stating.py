"""What is stated, what stands in the way of publishing and closing, and two who write at once."""

import pytest

from incidents.core import services as core
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import Incident, Kind, User
from incidents.reviews import services as reviews
from incidents.reviews.errors import Stale
from incidents.reviews.models import Review
from incidents.timers.models import Timer
from tests.reviews.conftest import SECTION, Publish
from tests.reviews.stage import heard, resolved, review_of, written

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(review: Review, bob: User) -> Review:
    return reviews.hold(review, actor=bob)


def codes(refused: pytest.ExceptionInfo[Refused]) -> set[str]:
    return {one.code for one in refused.value.unmet}


def test_it_works(held: Review, bob: User, alice: User):
    written(held, actor=bob)

    review = reviews.publish(held, actor=bob)

    assert (review.state, str(review.published_by)) == ("published", "Bob")
    assert review.revisions.count() == 1
    assert review.incident.timeline.filter(kind=Kind.REVIEW_PUBLISHED).count() == 1
    assert heard() == [("alice", "Review published")]


def test_it_is_not_published_without_what_a_review_is(held: Review, bob: User):
    reviews.write_facts(held, version=1, root_cause="", actor=bob)

    with pytest.raises(Refused) as refused:
        reviews.publish(held, actor=bob)

    expected = {"timeline", "root_cause", "contributing_factors", "impact", "actions"}
    assert codes(refused) == expected
    assert review_of(held.incident).state == "held"
    assert not held.revisions.exists()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("Number or share of users affected", "users_affected"),
        ("Revenue lost", "revenue_lost"),
        ("Impact: services, data loss", "data_lost"),
    ],
)
def test_it_wants_the_figures_that_its_runbook_wants(
    runbook: Publish, phones: None, service, bob: User, clock, line: str, code: str
):
    runbook({**SECTION, "must_include": [line]})
    incident = core.declare(title="Down", service=service, severity="SEV1")
    core.acknowledge(incident, actor=bob)
    review = reviews.hold(review_of(resolved(incident, actor=bob)), actor=bob)
    without = {code: "unknown" if code == "data_lost" else None}
    written(review, actor=bob, **without)

    with pytest.raises(Refused) as refused:
        reviews.publish(review, actor=bob)

    assert codes(refused) == {code}


def test_an_action_item_does_instead_of_a_reason_why_there_is_none(held: Review, bob: User):
    written(held, actor=bob, no_actions_reason="")
    with pytest.raises(Refused) as refused:
        reviews.publish(held, actor=bob)
    assert codes(refused) == {"actions"}

    reviews.add_item(held.incident, title="Watch the disk", owner=bob, actor=bob)

    assert reviews.publish(held, actor=bob).state == "published"


def test_human_error_is_met_with_the_ground_rule_and_the_system_behind_it(held: Review, bob: User):
    written(held, actor=bob, root_cause="Human error: Bob ran it on production")
    with pytest.raises(Refused, match="no root cause") as refused:
        reviews.publish(held, actor=bob)
    assert codes(refused) == {"human_error"}

    why = reviews.ask_why(held, ask="Why was it run?", answer="It was a human error", actor=bob)
    behind = why.children.get()
    reviews.answer_why(behind, version=1, answer="Its default is production", actor=bob)

    assert reviews.publish(held, actor=bob).state == "published"


def test_only_who_decides_publishes(held: Review, bob: User, charlie: User, alice: User):
    written(held, actor=charlie)

    with pytest.raises(Forbidden):
        reviews.publish(held, actor=charlie)

    assert reviews.publish(held, actor=alice).state == "published"


def test_two_who_write_at_once_lose_nothing(review: Review, alice: User, bob: User):
    reviews.write_facts(review, version=1, impact="Alice's words", actor=alice)

    with pytest.raises(Stale) as stale:
        reviews.write_facts(review, version=1, impact="Bob's words", actor=bob)

    assert stale.value.yours == {"impact": "Bob's words"}
    assert stale.value.theirs == {"impact": "Alice's words"}
    assert stale.value.version == 2
    both = "Alice's words. Bob's words"
    reviews.write_facts(review, version=2, impact=both, actor=bob)
    assert review_of(review.incident).impact == both


def test_what_changes_nothing_leaves_the_version(review: Review, bob: User):
    reviews.write_facts(review, version=1, impact="", actor=bob)

    assert review_of(review.incident).version == 1


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"revenue_lost": 5}, "which currency"),
        ({"currency": "Euro"}, "three letters"),
        ({"users_affected": -1}, "negative"),
        ({"data_lost": "perhaps"}, "use one of"),
        ({"state": "closed"}, "no fact"),
        ({"impact": "x" * 20_001}, "longer than"),
    ],
)
def test_it_refuses_what_makes_no_sense(review: Review, bob: User, facts, message):
    with pytest.raises(DomainError, match=message):
        reviews.write_facts(review, version=1, actor=bob, **facts)


def test_it_is_closed_when_all_is_done(held: Review, alice: User, bob: User):
    item = reviews.add_item(
        held.incident, title="Watch the disk", owner=bob, is_required=True, actor=bob
    )
    written(held, actor=bob)
    review = reviews.publish(held, actor=bob)

    with pytest.raises(Refused, match="Watch the disk") as refused:
        reviews.close(review, actor=alice)
    assert codes(refused) == {"action_item"}

    reviews.finish_item(item, evidence="Deployed", actor=bob)
    closed = reviews.close(review, actor=alice)

    assert (closed.state, str(closed.closed_by)) == ("closed", "Alice")
    assert not Timer.objects.pending().of(closed).exists()


def test_a_review_that_was_waived_is_not_written(review: Review, over: Incident, alice, bob):
    reviews.waive(review, reason="No.", actor=alice)

    with pytest.raises(Refused):
        reviews.write_facts(review, version=1, impact="x", actor=bob)
    with pytest.raises(Refused):
        reviews.ask_why(review, ask="Why?", actor=bob)
