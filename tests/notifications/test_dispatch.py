from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.notifications import engine, services
from incidents.notifications.models import Attempt, Delivery
from incidents.notifications.transports import TRANSPORTS, recorder
from incidents.notifications.transports.base import Sent, TransportError
from incidents.timers import clock as house_clock
from tests.notifications.conftest import busy, claim, gone, order, page, post

pytestmark = pytest.mark.django_db


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
