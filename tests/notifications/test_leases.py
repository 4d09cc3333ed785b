from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.notifications import engine, marks
from incidents.notifications.models import Delivery
from incidents.notifications.transports.base import Sent
from tests.notifications.conftest import LEASE_AND_MORE, SOON, busy, claim, gone, page, post

pytestmark = pytest.mark.django_db


def test_an_expired_lease_is_simply_due_again(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    delivery = page(incident, bob)
    claim()  # and its process dies

    post()
    while_leased = list(wire.sent)
    clock.forward(seconds=LEASE_AND_MORE)
    post()

    assert while_leased == []
    assert [sent.id for sent in wire.sent] == [str(delivery.pk)]
    assert [a.outcome for a in delivery.tries.all()] == ["interrupted", "sent"]


def test_what_was_marked_too_late_changes_nothing(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    delivery = page(incident, bob)
    paused = claim()[0]
    clock.forward(seconds=LEASE_AND_MORE)
    post()

    marks.failed([paused], gone())
    marks.sent([paused], Sent("late"))

    delivery.refresh_from_db()
    assert (delivery.state, delivery.provider_id) == ("sent", "recorder-1")
    assert "lost" in delivery.tries.get(number=1).detail


def test_a_sender_that_was_paused_does_not_connect(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    delivery = page(incident, bob)
    paused = claim()[0]
    clock.forward(seconds=LEASE_AND_MORE)

    engine._send(paused)

    delivery.refresh_from_db()
    assert wire.sent == []
    assert (delivery.state, delivery.unfinished) == ("pending", 0)
    assert delivery.tries.get().outcome == "not_started"


def test_a_sender_looks_again_before_it_connects(incident, bob, reach, wire):
    reach(bob, "phone")
    page(incident, bob)
    parcel = claim()[0]
    core.acknowledge(incident, actor=bob)

    engine._send(parcel)
    post()

    assert wire.sent == []
    assert Delivery.objects.get().state == "cancelled"


def test_a_sender_looks_again_whether_the_person_is_still_here(incident, bob, reach, wire):
    reach(bob, "phone")
    page(incident, bob)
    parcel = claim()[0]
    core.deactivate_person(bob, actor=None)

    engine._send(parcel)
    post()

    assert [sent for sent in wire.sent if sent.address == "phone"] == []


def test_what_kills_its_senders_does_not_kill_for_ever(incident, bob, reach, wire, clock, given_up):
    reach(bob, "phone")
    delivery = page(incident, bob, give_up_after=timedelta(hours=1))
    for _ in range(3):
        assert len(claim()) == 1
        clock.forward(seconds=LEASE_AND_MORE)

    post()

    delivery.refresh_from_db()
    assert wire.sent == []
    assert (delivery.state, delivery.attempts) == ("failed", 3)
    assert "Quarantined" in delivery.last_error
    assert len(given_up) == 1


def test_what_kills_its_senders_goes_to_the_next_address(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    reach(bob, "chat")
    page(incident, bob, give_up_after=timedelta(hours=1))
    for _ in range(3):
        claim()
        clock.forward(seconds=LEASE_AND_MORE)

    post()

    assert [sent.address for sent in wire.sent] == ["chat"]


def test_failures_are_not_crashes(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    wire.refusals["phone"] = busy()
    delivery = page(incident, bob, give_up_after=timedelta(hours=1))

    for _ in range(5):
        post()
        clock.forward(seconds=SOON.total_seconds())

    delivery.refresh_from_db()
    assert delivery.attempts == 5
    assert (delivery.state, delivery.unfinished) == ("pending", 0)


def test_what_waited_through_an_outage_is_tried_once(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    page(incident, bob)
    clock.forward(hours=2)

    post()

    assert len(wire.sent) == 1
