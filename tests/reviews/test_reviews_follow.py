"""The incident goes its own ways: reopened, merged, dismissed, a drill; and people leave."""

from datetime import timedelta

import icalendar
import pytest

from incidents.core import services as core
from incidents.core.errors import Refused
from incidents.core.models import Incident, Kind, Service, User
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from incidents.reviews.services import leaving
from incidents.timers.clock import VirtualClock
from incidents.timers.models import Timer
from tests.escalation.conftest import give_phone
from tests.factories import MembershipFactory, UserFactory
from tests.reviews.conftest import Publish
from tests.reviews.stage import heard, letters, live, resolved, review_of, written

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db) -> User:
    return UserFactory(username="root", is_superuser=True)


def test_a_review_waits_while_its_incident_is_open_again(
    review: Review, over: Incident, bob: User, clock: VirtualClock
):
    reviews.schedule(review, at=clock.at + timedelta(days=2), actor=bob)
    heard()

    core.reopen(over, reason="It is back.", actor=bob)

    review = review_of(over)
    assert (review.state, review.scheduled_at) == ("due", None)
    assert not Timer.objects.pending().of(review).exists()
    assert review.incident.review_due_at is None
    cancelled = letters()
    methods = {str(icalendar.Calendar.from_ical(one.calendar)["method"]) for one in cancelled}
    assert ({one.address for one in cancelled}, methods) == ({"alice", "bob"}, {"CANCEL"})
    with pytest.raises(Refused, match="open again"):
        reviews.schedule(review, at=clock.at + timedelta(days=1), actor=bob)


def test_it_begins_anew_when_the_incident_is_resolved_once_more(
    review: Review, over: Incident, bob: User, clock: VirtualClock
):
    clock.forward(days=1)
    reviews.hold(review, actor=bob)
    written(review, actor=bob, impact="Nobody could pay")
    core.reopen(over, reason="It is back.", actor=bob)
    clock.forward(days=1)
    heard()

    resolved(over, actor=bob)

    review = review_of(over)
    assert (review.state, review.held_at, review.suspended_at) == ("due", None, None)
    assert f"{review.latest_at:%a %d %H:%M}" == "Mon 09 17:00"  # 72 hours are on a Saturday
    assert review.impact == "Nobody could pay"
    assert review.timeline_checked_at is None
    assert heard() == [("bob", "Review to be held")]
    assert Review.objects.filter(incident=over).count() == 1


def test_what_was_published_stays_and_is_reviewed_once_more(
    review: Review, over: Incident, alice: User, bob: User, clock: VirtualClock
):
    reviews.hold(review, actor=bob)
    written(review, actor=bob)
    reviews.publish(review, actor=bob)
    reviews.close(review, actor=alice)

    core.reopen(over, reason="It is back.", actor=bob)
    resolved(over, actor=bob)

    review = review_of(over)
    assert (review.state, review.revisions.count()) == ("due", 1)
    reviews.hold(review, actor=bob)
    written(review, actor=bob)
    reviews.publish(review, actor=bob)
    assert review.revisions.count() == 2


def test_a_review_of_what_turns_out_a_false_alarm_is_waived(
    review: Review, over: Incident, bob: User, clock: VirtualClock
):
    core.reopen(over, reason="Look again.", actor=bob)
    heard()

    core.dismiss(over, reason="The probe was wrong.", actor=bob)

    review = review_of(over)
    assert (review.state, review.waived_reason) == ("waived", "False alarm: The probe was wrong.")
    assert live(clock, days=10) == [("Mon 02 10:00", "bob", "No review")]


def test_a_false_alarm_asks_for_none(
    runbook: Publish, phones: None, service: Service, bob: User, clock
):
    runbook()
    incident = core.declare(title="Down", service=service, severity="SEV1")

    core.dismiss(incident, reason="The probe was wrong.", actor=bob)

    assert not Review.objects.exists()


def test_what_was_merged_is_reviewed_with_the_other_and_who_worked_on_it_comes(
    runbook: Publish, phones: None, service: Service, bob: User, charlie: User, clock
):
    runbook()
    main = core.declare(title="Down", service=service, severity="SEV1")
    twin = core.declare(title="Down, too", service=service, severity="SEV1")
    core.acknowledge(twin, actor=charlie)
    core.acknowledge(main, actor=bob)

    core.merge(twin, into=main, actor=bob)
    resolved(main, actor=bob)

    assert [review.incident for review in Review.objects.all()] == [main]
    people = {str(one.user) for one in review_of(main).attendees.exclude(user=None)}
    assert people == {"Alice", "Bob", "Charlie"}
    twin.refresh_from_db()
    with pytest.raises(Exception, match=f"ask for a review of {main.reference}"):
        reviews.request(twin, reason="Why not.", actor=bob)


def test_a_review_ends_when_its_incident_turns_out_to_be_a_duplicate(
    review: Review, over: Incident, service: Service, bob: User, clock
):
    core.reopen(over, reason="It is back.", actor=bob)
    other = core.declare(title="Down, too", service=service, severity="SEV1")

    core.merge(over, into=other, actor=bob)

    review = review_of(over)
    assert (review.state, review.waived_reason) == ("waived", f"Duplicate of {other.reference}.")


def test_a_drill_is_reviewed_like_the_real_thing_by_its_own_people_only(
    runbook: Publish, phones: None, service: Service, alice: User, bob: User, clock
):
    runbook()
    core.expect_signal(
        matchers={"service": "checkout"},
        until=clock.at + timedelta(hours=1),
        audience=[bob],
        last_resort=bob,
    )
    incident = core.declare(
        title="Down", service=service, severity="SEV1", signal={"service": "checkout"}
    )
    core.acknowledge(incident, actor=bob)
    heard()

    resolved(incident, actor=bob)

    assert incident.is_drill
    told = letters()
    assert [one.address for one in told] == ["bob"]
    assert told[0].text.startswith("[DRILL]")
    assert {who for _, who, _ in live(clock, days=20)} == {"bob"}
    assert not Review.objects.real().exists()


def test_an_incident_that_was_imported_has_none(runbook: Publish, service: Service, alice, clock):
    runbook()

    core.import_incident(
        {
            "incident": {
                "title": "Long ago",
                "severity": "SEV1",
                "started_at": "2024-01-15T14:15:00Z",
                "resolved_at": "2024-01-15T15:45:00Z",
            }
        },
        service=service,
        actor=alice,
    )

    assert not Review.objects.exists()


def test_whoever_is_deactivated_hands_over_to_the_manager(
    review: Review, over: Incident, bob: User, alice: User, root: User, clock: VirtualClock
):
    core.deactivate_person(bob, actor=root)

    assert str(review_of(over).facilitator) == "Alice"
    assert heard() == [("alice", "Review handed over to you")]
    assert live(clock, days=3) == [
        ("Wed 04 10:00", "alice", "Review due soon"),
        ("Thu 05 10:00", "alice", "Review due"),
    ]


def test_whoever_takes_over_a_meeting_hears_when_it_is_and_is_invited(
    review: Review, bob: User, charlie: User, team, root: User, clock: VirtualClock
):
    team.memberships.filter(role="manager").update(user=charlie)
    give_phone(charlie)
    reviews.schedule(review, at=clock.at + timedelta(days=1), place="Room 7", actor=bob)
    heard()

    core.deactivate_person(bob, actor=root)

    over, invited = sorted(letters(), key=lambda one: one.calendar)
    assert {over.address, invited.address} == {"charlie"}
    assert "It is on Tuesday 3 March 2026, 10:00 UTC. Where: Room 7." in over.text
    assert "METHOD:REQUEST" in invited.calendar
    assert review.attendees.get(user=charlie).role == "Facilitator"


def test_a_mistake_keeps_nobody_from_being_shut_out_and_is_made_good(
    review: Review, over: Incident, bob: User, root: User, monkeypatch
):
    def broken(*_args, **_facts):
        raise RuntimeError("A mistake")

    with monkeypatch.context() as patch:
        patch.setattr(leaving.announcing, "handed_over", broken)
        core.deactivate_person(bob, actor=root)
    bob.refresh_from_db()
    assert (bob.is_active, str(review_of(over).facilitator)) == (False, "Bob")

    assert heard() == [("alice", "Review handed over to you")]
    assert str(review_of(over).facilitator) == "Alice"


def test_where_the_manager_leaves_another_one_takes_over(
    review: Review, over: Incident, bob: User, alice: User, team, root: User, clock
):
    mia = UserFactory(username="mia")
    MembershipFactory(team=team, user=mia, role="manager")
    give_phone(mia)

    core.deactivate_person(bob, actor=root)
    core.deactivate_person(alice, actor=root)

    assert str(review_of(over).facilitator) == "Mia"


def test_what_is_more_severe_the_second_time_is_reviewed(
    runbook: Publish, phones: None, service: Service, bob: User, clock: VirtualClock
):
    runbook()
    incident = core.declare(title="Slow", service=service, severity="SEV4")
    core.acknowledge(incident, actor=bob)
    resolved(incident, actor=bob)
    assert not Review.objects.exists()

    core.reopen(incident, reason="It is down now.", actor=bob)
    core.change_severity(incident, severity="SEV1", reason="Down.", actor=bob)
    resolved(incident, actor=bob)

    assert review_of(incident).is_required
    assert incident.timeline.filter(kind=Kind.REVIEW_OPENED).count() == 1
