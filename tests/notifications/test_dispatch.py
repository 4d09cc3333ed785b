from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.core import services as core
from incidents.notifications import claims, engine, services
from incidents.notifications.models import Attempt, Delivery
from incidents.notifications.signals import delivery_given_up
from incidents.notifications.transports import TRANSPORTS, recorder
from incidents.notifications.transports.base import Sent, TransportError
from incidents.timers import clock as house_clock
from tests.notifications.conftest import SOON, order, page, post

pytestmark = pytest.mark.django_db

LEASE_AND_MORE = 10


def claim(room: int = 8) -> list[claims.Parcel]:
    parcels, _ = claims.take("page", "recorder", room=room, now=house_clock.now())
    return parcels


def busy(message: str = "busy", **facts: float) -> TransportError:
    return TransportError(message, **facts)


def gone() -> TransportError:
    return TransportError("410 gone", permanent=True)


# --- What fails for now ---------------------------------------------------------------------------


def test_it_tries_again_after_a_while(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    wire.refusals["phone"] = busy()
    delivery = page(incident, bob)

    post()
    del wire.refusals["phone"]
    clock.forward(seconds=2)
    post()

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("sent", 2)
    assert [a.outcome for a in delivery.tries.all()] == ["temporary", "sent"]
    assert delivery.tries.first().detail == "busy"


def test_it_repeats_under_the_same_key(incident, bob, reach, wire, clock, monkeypatch):
    keys = []

    class Flaky:
        check = staticmethod(recorder.check)

        @staticmethod
        def send(outgoing):
            keys.append(outgoing.id)
            if len(keys) == 1:
                raise busy()
            return Sent()

    monkeypatch.setitem(TRANSPORTS, "recorder", Flaky)
    reach(bob, "phone")
    delivery = page(incident, bob)

    post()
    clock.forward(seconds=2)
    post()

    assert keys == [str(delivery.pk)] * 2


def test_it_waits_as_long_as_it_is_asked_to(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    wire.refusals["phone"] = busy(retry_after=90)
    delivery = page(incident, bob)

    post()

    delivery.refresh_from_db()
    assert delivery.due_at == clock.at + timedelta(seconds=90)


def test_a_transport_that_breaks_is_a_failure_for_now(incident, bob, reach, wire, monkeypatch):
    class Broken:
        check = staticmethod(recorder.check)

        @staticmethod
        def send(outgoing):
            raise ZeroDivisionError

    monkeypatch.setitem(TRANSPORTS, "recorder", Broken)
    reach(bob, "phone")
    delivery = page(incident, bob)

    post()

    delivery.refresh_from_db()
    assert delivery.state == "pending"
    assert "ZeroDivisionError" in delivery.tries.get().detail


# --- What is given up -----------------------------------------------------------------------------


def test_it_goes_to_the_next_address_at_once(incident, bob, reach, wire, given_up):
    reach(bob, "phone")
    reach(bob, "chat")
    wire.refusals["phone"] = gone()
    failed = page(incident, bob)

    post()

    assert [sent.address for sent in wire.sent] == ["chat"]
    assert Delivery.objects.get(address="chat").fallback_of == failed
    assert given_up == []


def test_it_carries_the_whole_message_to_the_next_address(incident, bob, reach, wire):
    reach(bob, "phone")
    reach(bob, "chat")
    wire.refusals["phone"] = gone()
    link = services.Link("Acknowledge", "https://example.org/ack")

    page(incident, bob, links=[link], body="All of it")
    post()

    assert (wire.sent[0].body, wire.sent[0].links) == ("All of it", [link])
    assert Delivery.objects.get(address="chat").paging_epoch == incident.paging_epoch


def test_it_goes_to_the_next_address_within_half_a_minute(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    reach(bob, "chat")
    wire.refusals["phone"] = busy()
    page(incident, bob, give_up_after=timedelta(minutes=3))

    for _ in range(31):
        post()
        clock.forward(seconds=1)

    assert [sent.address for sent in wire.sent] == ["chat"]


def test_it_is_announced_when_no_address_is_left(incident, bob, reach, wire, given_up):
    for address in ("phone", "chat"):
        reach(bob, address)
        wire.refusals[address] = gone()
    page(incident, bob)

    post()

    assert [fact["incident"] for fact in given_up] == [incident]
    assert given_up[0]["delivery"].address == "chat"
    assert given_up[0]["delivery"].last_error == "410 gone"


def test_it_is_announced_once_patience_has_ended(incident, bob, reach, wire, clock, given_up):
    reach(bob, "phone")
    wire.refusals["phone"] = busy()
    page(incident, bob, give_up_after=timedelta(minutes=3))

    for _ in range(200):
        post()
        clock.forward(seconds=1)

    assert len(given_up) == 1
    assert Delivery.objects.get().state == "failed"


def test_it_calls_the_delayed_address_forward(incident, bob, reach, wire, given_up):
    chat, phone = reach(bob, "chat"), reach(bob, "phone")
    rules = [(chat, timedelta(0)), (phone, timedelta(minutes=10))]
    services.set_rules(bob, urgency="page", rules=rules, actor=bob)
    wire.refusals["chat"] = gone()
    page(incident, bob)

    post()

    assert [sent.address for sent in wire.sent] == ["phone"]
    assert given_up == []


def test_who_was_reached_elsewhere_is_not_given_up(incident, bob, reach, wire, clock, given_up):
    chat, phone = reach(bob, "chat"), reach(bob, "phone")
    rules = [(chat, timedelta(0)), (phone, timedelta(minutes=1))]
    services.set_rules(bob, urgency="page", rules=rules, actor=bob)
    wire.refusals["phone"] = gone()
    page(incident, bob)

    post()
    clock.forward(minutes=1)
    post()

    assert [sent.address for sent in wire.sent] == ["chat"]
    assert given_up == []


def test_a_page_that_nobody_waits_for_is_not_announced(incident, bob, reach, wire, given_up):
    reach(bob, "phone")
    page(incident, bob)
    parcel = claim()[0]
    core.acknowledge(incident, actor=bob)

    engine._mark_failed(parcel, gone())

    assert given_up == []
    assert Delivery.objects.get().state == "failed"


def test_a_receiver_that_raises_is_told_again(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    wire.refusals["phone"] = gone()
    page(incident, bob)
    heard = []

    def listen(**facts):
        heard.append(facts)
        if len(heard) == 1:
            raise ValueError("a bug in a higher room")

    delivery_given_up.connect(listen)
    try:
        post()
        after_the_bug = Delivery.objects.get().state
        clock.forward(seconds=LEASE_AND_MORE)
        post()
    finally:
        delivery_given_up.disconnect(listen)

    assert after_the_bug == "sending"
    assert len(heard) == 2
    assert Delivery.objects.get().state == "failed"


# --- Who changed while the page waited ------------------------------------------------------------


def test_it_finds_another_address_when_the_first_was_removed(incident, bob, reach, wire):
    phone = reach(bob, "phone")
    reach(bob, "chat")
    page(incident, bob)
    services.remove_contact_method(phone, actor=bob)

    post()

    assert [sent.address for sent in wire.sent] == ["chat"]
    assert Delivery.objects.get(address="phone").state == "cancelled"


def test_it_is_given_up_when_the_only_address_was_removed(
    incident, bob, reach, wire, given_up, settings
):
    settings.EMAIL_HOST = ""
    phone = reach(bob, "phone")
    page(incident, bob)
    services.remove_contact_method(phone, actor=bob)

    post()

    assert wire.sent == []
    assert len(given_up) == 1


def test_it_does_not_page_who_was_deactivated(incident, bob, reach, wire, given_up):
    reach(bob, "phone")
    reach(bob, "chat")
    page(incident, bob)
    bob.is_active = False
    bob.save()

    post()

    assert wire.sent == []
    assert Delivery.objects.get().state == "cancelled"
    assert [fact["delivery"].recipient for fact in given_up] == [bob]


# --- Crashes and pauses ---------------------------------------------------------------------------


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

    engine._mark_failed(paused, gone())
    engine._mark_sent(paused, Sent("late"))

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


# --- Cost and order -------------------------------------------------------------------------------


def test_a_claim_costs_the_same_for_one_and_for_many(incident, bob, reach):
    reach(bob, "phone")
    page(incident, bob, "first")
    with CaptureQueriesContext(connection) as for_one:
        assert len(claim(50)) == 1
    for number in range(50):
        page(incident, bob, f"more {number}")

    with CaptureQueriesContext(connection) as for_fifty:
        assert len(claim(50)) == 50

    assert len(for_fifty) == len(for_one)


def test_nothing_to_do_costs_one_look(django_assert_max_num_queries):
    with django_assert_max_num_queries(2):  # one of them asks PostgreSQL for the time
        assert engine.dispatch() == 0


def test_it_never_claims_more_than_there_is_room_for(incident, bob, reach):
    reach(bob, "phone")
    for number in range(9):
        page(incident, bob, f"cause {number}")

    assert len(claim(8)) == 8
    assert Delivery.objects.filter(state="pending").count() == 1


def test_a_full_lane_gives_up_what_has_waited_too_long(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    services.add_contact_method(bob, kind="console", address="desk", actor=bob)
    services.vouch_for(bob.contact_methods.get(kind="console"), actor=bob)
    page(incident, bob)
    assert claim(0) == []
    clock.forward(minutes=5)

    parcels = claim(0)
    engine._work(parcels[0])

    assert Delivery.objects.get(address="phone").state == "failed"
    assert Delivery.objects.get(address="desk").state == "pending"


def test_pages_leave_before_messages(incident, bob, reach, wire):
    reach(bob, "phone")
    services.message(bob, cause="update", subject="News", body="…")
    page(incident, bob)

    engine.dispatch(wait=True)

    assert [sent.urgency for sent in wire.sent] == ["page", "message"]


def test_one_bad_message_does_not_stop_the_others(incident, alice, bob, reach, wire):
    reach(alice, "broken")
    reach(bob, "phone")
    wire.refusals["broken"] = gone()
    now = house_clock.now()
    services.page_people([order(incident, alice), order(incident, bob)], now)

    post()

    assert [sent.address for sent in wire.sent] == ["phone"]


def test_every_attempt_is_evidence(incident, bob, reach, wire):
    reach(bob, "phone")
    wire.refusals["phone"] = TransportError("x" * 5_000, permanent=True)
    page(incident, bob)

    post()

    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.outcome, len(attempt.detail)) == (1, "permanent", 1024)
    assert attempt.finished_at is not None


# --- Forgetting -----------------------------------------------------------------------------------


def test_it_forgets_after_ninety_days_and_not_before(incident, bob, reach, wire, clock):
    reach(bob, "phone")
    page(incident, bob, "ended")
    post()
    clock.forward(days=89)
    waiting = page(incident, bob, "waiting")

    at_first = services.prune()
    clock.forward(days=2)
    later = services.prune()

    assert (at_first, later) == (0, 1)
    assert Delivery.objects.get() == waiting
