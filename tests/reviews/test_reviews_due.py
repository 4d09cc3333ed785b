"""Nothing stops when the incident is over: who hears when of what is due, and nobody twice."""

from datetime import datetime

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind, Organisation, Service, User
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from incidents.reviews.services import reminding
from incidents.timers.clock import VirtualClock
from incidents.timers.models import Timer
from tests.escalation.conftest import give_phone, take_phone
from tests.factories import UserFactory
from tests.reviews.conftest import Publish
from tests.reviews.stage import heard, letters, live, resolved, review_of, written

pytestmark = pytest.mark.django_db


def test_it_works(review: Review, clock: VirtualClock):
    """Nobody does anything for four weeks."""
    assert live(clock, days=28) == [
        ("Wed 04 10:00", "bob", "Review due soon"),
        ("Thu 05 10:00", "bob", "Review due"),
        ("Fri 06 10:00", "alice", "Review overdue"),
        ("Fri 13 10:00", "alice", "Review overdue"),
        ("Fri 13 10:00", "bob", "Review overdue"),
        ("Fri 20 10:00", "alice", "Review overdue"),
        ("Fri 20 10:00", "bob", "Review overdue"),
        ("Fri 27 10:00", "alice", "Review overdue"),
        ("Fri 27 10:00", "bob", "Review overdue"),
    ]
    entry = review.incident.timeline.get(kind=Kind.REVIEW_OVERDUE)
    assert entry.summary == ("The review was to be held by 2026-03-05 10:00 UTC; Alice was told.")


def test_it_says_what_is_due_and_how_late_it_is(review: Review, clock: VirtualClock):
    live(clock, days=3, hours=23)
    clock.forward(hours=1)

    (told,) = letters()

    assert "It was to be held by Thursday 5 March 2026, 10:00 UTC, 1 day ago. Bob runs it." in (
        told.text
    )


def test_weekends_and_holidays_are_no_time_to_be_told(
    runbook: Publish, phones: None, service: Service, bob: User, clock: VirtualClock
):
    """Resolved on Maundy Thursday at 11:00 in Berlin; Friday and Monday are holidays."""
    Organisation.objects.update_or_create(
        pk=1, defaults={"timezone": "Europe/Berlin", "country": "DE"}
    )
    runbook({"rules": [{"severities": ["SEV1"], "required": True, "latest": "24 h"}]})
    clock.at = datetime.fromisoformat("2026-04-02T09:00:00+00:00")
    incident = core.declare(title="Down", service=service, severity="SEV1")
    core.acknowledge(incident, actor=bob)
    resolved(incident, actor=bob)
    heard()

    assert live(clock, days=7) == [
        ("Tue 07 07:00", "bob", "Review due soon"),
        ("Tue 07 15:00", "bob", "Review due"),
        ("Wed 08 15:00", "alice", "Review overdue"),
    ]


def test_a_scheduled_meeting_is_asked_after_when_it_is_over(
    review: Review, bob: User, clock: VirtualClock
):
    reviews.schedule(review, at=clock.at.replace(day=4, hour=14), actor=bob)
    heard()

    assert live(clock, days=4) == [
        ("Tue 03 15:00", "bob", "Review due soon"),
        ("Wed 04 15:00", "bob", "Review due"),
        ("Thu 05 15:00", "alice", "Review overdue"),
    ]


def test_what_was_held_is_to_be_published(review: Review, bob: User, clock: VirtualClock):
    clock.forward(days=1)
    reviews.hold(review, actor=bob)
    heard()

    assert live(clock, days=4) == [
        ("Wed 04 17:00", "bob", "Review due soon"),
        ("Thu 05 17:00", "bob", "Review due"),
        ("Fri 06 17:00", "alice", "Review overdue"),
    ]


def test_what_was_published_is_to_be_closed(review: Review, alice, bob, clock: VirtualClock):
    clock.forward(days=1)
    reviews.hold(review, actor=bob)
    written(review, actor=bob)
    reviews.publish(review, actor=bob)
    heard()

    told = live(clock, days=10)
    assert [who for _, who, _ in told] == ["bob", "bob", "alice"]
    reviews.close(review_of(review.incident), actor=alice)

    assert live(clock, days=28) == []


def test_a_review_that_waits_for_action_items_only_leaves_that_to_them(
    review: Review, bob: User, clock: VirtualClock
):
    clock.forward(days=1)
    reviews.hold(review, actor=bob)
    reviews.add_item(
        review.incident, title="Watch the disk", owner=bob, is_required=True, actor=bob
    )
    written(review, actor=bob)
    reviews.publish(review, actor=bob)
    heard()

    assert live(clock, days=60) == []


def test_it_goes_on_when_whoever_runs_it_cannot_be_reached(
    review: Review, bob: User, alice: User, clock: VirtualClock
):
    take_phone(bob)

    assert live(clock, days=3) == [
        ("Wed 04 10:00", "alice", "Review due soon"),
        ("Thu 05 10:00", "alice", "Review due"),
    ]


def test_administrators_hear_where_there_is_no_manager(
    over: Incident, team, bob: User, clock: VirtualClock
):
    root = UserFactory(username="root", is_superuser=True)
    give_phone(root)
    team.memberships.filter(role="manager").delete()
    heard()

    assert ("Fri 06 10:00", "root", "Review overdue") in live(clock, days=5)


def test_what_happens_twice_is_told_once(review: Review, clock: VirtualClock):
    """A timer that runs again after a crash tells nobody anew."""
    live(clock, days=2)
    timer = Timer.objects.filter(kind=reminding.REVIEW_DUE, state="done").latest("pk")
    review.refresh_from_db()

    reminding.act_on_review(timer, review, clock.at)

    assert heard() == []


def test_a_meeting_that_is_called_off_silences_nothing(
    review: Review, bob: User, clock: VirtualClock
):
    live(clock, days=18)
    reviews.schedule(review, at=clock.at.replace(day=23), reason="Late.", actor=bob)
    reviews.cancel(review, reason="Bob is ill.", actor=bob)
    letters()

    assert live(clock, days=17) == [
        ("Mon 23 09:00", "alice", "Review overdue"),
        ("Mon 30 09:00", "alice", "Review overdue"),
        ("Mon 30 09:00", "bob", "Review overdue"),
        ("Mon 06 09:00", "alice", "Review overdue"),
        ("Mon 06 09:00", "bob", "Review overdue"),
    ]
