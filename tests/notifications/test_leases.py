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


@pytest.mark.postgres
def test_one_statement_marks_what_the_orm_would_mark(incident, alice, bob, reach, clock):
    reach(alice, "phone"), reach(bob, "mobile")
    deliveries = [page(incident, alice), page(incident, bob)]
    Delivery.objects.update(is_confidential=True, secret="s3cret", last_error="Was away")
    of_alice, of_bob = sorted(claim(), key=lambda parcel: parcel.delivery.address, reverse=True)
    clock.forward(seconds=1)

    marks._all_sent([(of_alice, Sent("receipt"))])
    marks._all_sent_by_lease([(of_bob, Sent("receipt"))])

    own = {"id", "recipient_id", "recipient_key", "contact_method_id", "address", "dedup_key"}
    one, other = (
        {name: value for name, value in row.items() if name not in own}
        for row in Delivery.objects.filter(pk__in=[one.pk for one in deliveries]).values()
    )
    assert one == other
    assert (one["state"], one["provider_id"], one["body"]) == ("sent", "receipt", "(not kept)")
    tries = [
        delivery.tries.values("outcome", "finished_at", "detail", "provider_id")
        for delivery in deliveries
    ]
    assert list(tries[0]) == list(tries[1])


@pytest.mark.postgres
def test_of_several_marked_at_once_the_late_one_changes_nothing(
    incident, alice, bob, reach, wire, clock
):
    reach(alice, "phone"), reach(bob, "mobile")
    late, in_time = page(incident, alice), page(incident, bob)
    held = {parcel.delivery.pk: parcel for parcel in claim()}
    Delivery.objects.filter(pk=late.pk).update(lease=None, state="pending")

    marks.sent(list(held.values()), Sent("receipt"))

    late.refresh_from_db(), in_time.refresh_from_db()
    assert (late.state, late.provider_id) == ("pending", "")
    assert (in_time.state, in_time.provider_id) == ("sent", "receipt")
    assert ("lost" in late.tries.get().detail, in_time.tries.get().detail) == (True, "")


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
