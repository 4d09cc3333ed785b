"""Real threads, real connections, real locks."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction

from incidents.core import services as core
from incidents.core.models import Incident, User
from incidents.notifications import claims, engine, lanes, services
from incidents.notifications.models import Attempt, Delivery
from incidents.notifications.transports.base import TransportError
from incidents.timers import clock as house_clock
from tests.chaos.servers import Manner, eventually, provider
from tests.notifications.conftest import claim, order, page

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def each_by_itself(settings):
    settings.PAGE_INTERVAL = timedelta(0)


@pytest.fixture
def incident(service):
    """In real time."""
    return core.declare(title="Checkout is down", service=service, severity="SEV1")


def together(*deeds: Callable[[], Any]) -> list[Any]:
    """Do these at the same moment, each in a thread and connection of its own."""
    start = threading.Barrier(len(deeds))
    results: list[Any] = [None] * len(deeds)

    def run(index: int, deed: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            start.wait()
            results[index] = deed()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_dispatchers_claim_different_deliveries(service, bob, reach):
    reach(bob, "phone")
    for number in range(40):
        page(core.declare(title=f"Outage {number}", service=service), bob)

    def claim_some() -> list[claims.Parcel]:
        return [parcel for _ in range(10) for parcel in claim(4)]

    first, second = together(claim_some, claim_some)

    claimed = [parcel.delivery.pk for parcel in first + second]
    assert len(claimed) == len(set(claimed)) == 40
    assert Attempt.objects.count() == 40


def test_two_dispatchers_share_the_pages_of_one_incident(incident, bob, reach, wire):
    reach(bob, "phone")
    for number in range(20):
        page(incident, bob, f"cause {number}")

    together(*[lambda: [engine.dispatch(wait=True) for _ in range(20)]] * 3)
    while engine.dispatch(wait=True):
        pass

    assert len({sent.id for sent in wire.sent}) == len(wire.sent) == 20


def test_a_claim_does_not_wait_for_whoever_is_acknowledging(incident, alice, bob, reach, wire):
    reach(bob, "phone")
    page(incident, bob)
    locked, release = threading.Event(), threading.Event()

    def acknowledge() -> None:
        with transaction.atomic():
            core.acknowledge(incident, actor=alice)
            locked.set()
            release.wait(5)

    def claim_meanwhile() -> float:
        locked.wait(5)
        began = time.monotonic()
        assert engine.dispatch(wait=True) == 0
        release.set()
        return time.monotonic() - began

    _, took = together(acknowledge, claim_meanwhile)
    engine.dispatch(wait=True)

    assert took < 1
    assert wire.sent == []
    assert Delivery.objects.get().state == "cancelled"


def test_a_busy_incident_does_not_hold_up_the_others(incident, service, bob, reach, wire):
    reach(bob, "phone")
    for number in range(10):
        page(incident, bob, f"cause {number}")
    other = core.declare(title="Another outage", service=service)
    page(other, bob, "of another")
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            core.lock(incident)
            locked.set()
            release.wait(5)

    def send() -> None:
        locked.wait(5)
        engine.dispatch(wait=True)
        release.set()

    together(hold, send)

    assert [sent.reference for sent in wire.sent] == [other.reference]


def test_no_claim_commits_after_the_acknowledgement(service, bob, reach):
    reach(bob, "phone")

    for number in range(60):
        incident = core.declare(title=f"Outage {number}", service=service)
        page(incident, bob, f"cause {number}")
        together(
            lambda: [engine.dispatch(wait=True) for _ in range(3)],
            lambda incident=incident: core.acknowledge(incident, actor=bob),  # type: ignore[misc]
        )
        engine.dispatch(wait=True)

    assert Delivery.objects.alive().count() == 0
    for attempt in Attempt.objects.select_related("delivery__incident"):
        assert attempt.started_at <= attempt.delivery.incident.acknowledged_at
    unsent = Delivery.objects.exclude(state="sent")
    assert set(unsent.values_list("state", flat=True)) <= {"cancelled"}


def test_two_addresses_that_fail_at_once_are_given_up_once(incident, bob, reach, wire, given_up):
    methods = [reach(bob, address) for address in ("phone", "chat")]
    rules = [(method, timedelta(0)) for method in methods]
    services.set_rules(bob, urgency="page", rules=rules, actor=bob)
    for address in ("phone", "chat"):
        wire.refusals[address] = TransportError("gone", permanent=True)

    for number in range(20):
        page(incident, bob, f"cause {number}")
        parcels = claim()
        assert len(parcels) == 2
        together(*[lambda parcel=parcel: engine._work(parcel) for parcel in parcels])  # type: ignore[misc]

    causes = [fact["delivery"].cause for fact in given_up]
    assert sorted(causes) == sorted(f"cause {number}" for number in range(20))


def test_a_webhook_that_hangs_delays_no_other_page(
    service, incident, alice, bob, reach, receiver, wire, settings
):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    reach(alice, receiver.url, kind="webhook")
    reach(bob, "phone")
    receiver.hang()
    for number in range(20):
        page(incident, alice, f"hangs {number}")
    engine.dispatch()
    receiver.wait_for(8)

    for number in range(20):
        page(incident, bob, f"flows {number}")
    began = time.monotonic()
    engine.dispatch()
    eventually(lambda: len(wire.sent) == 20)
    took = time.monotonic() - began
    receiver.ok()
    engine.shutdown()

    assert took < 2
    assert Delivery.objects.filter(address="phone", state="sent").count() == 20


def test_pages_do_not_wait_behind_messages(incident, bob, reach, receiver, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    reach(bob, receiver.url, kind="webhook")
    receiver.slow(0.5)
    for number in range(50):
        services.message(bob, cause=f"update {number}", subject="News", body="…")
    engine.dispatch()
    receiver.wait_for(8)

    page(incident, bob)
    began = time.monotonic()
    engine.dispatch()
    eventually(lambda: any(b"incident.page" in request.body for request in receiver.ledger))
    took = time.monotonic() - began
    receiver.ok()

    assert took < 0.5


def test_a_lease_is_renewed_while_the_request_runs(incident, bob, reach, receiver, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    settings.DELIVERY_LEASE = timedelta(seconds=0.6)
    reach(bob, receiver.url, kind="webhook")
    receiver.slow(2)
    delivery = page(incident, bob)

    for _ in range(30):
        engine.dispatch()
        time.sleep(0.1)
    eventually(lambda: Delivery.objects.get(pk=delivery.pk).state == "sent")

    assert len(receiver.ledger) == 1
    assert delivery.tries.count() == 1


def test_a_free_slot_takes_up_what_was_left_behind(incident, bob, reach, wire):
    reach(bob, "phone")
    now = house_clock.now()
    services.page_people([order(incident, bob, f"cause {number}") for number in range(200)], now)

    engine.dispatch()  # once: the rest follows by itself
    eventually(lambda: len(wire.sent) == 200, within=20)
    engine.shutdown()

    assert Delivery.objects.filter(state="sent").count() == 200
    assert len({sent.id for sent in wire.sent}) == 200


def test_it_leaves_no_connection_behind(incident, bob, reach, wire):
    reach(bob, "phone")
    for number in range(8):
        page(incident, bob, f"cause {number}")

    engine.dispatch()
    eventually(lambda: len(wire.sent) == 8)
    engine.shutdown()

    def connections() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND backend_type = 'client backend'"
            )
            return cursor.fetchone()[0]

    # The server notices a moment later that a client has gone.
    eventually(lambda: connections() == 1)


def test_shutting_down_waits_for_what_is_being_sent(incident, bob, reach, receiver, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    reach(bob, receiver.url, kind="webhook")
    receiver.slow(0.5)
    page(incident, bob)
    engine.dispatch()
    receiver.wait_for(1)

    engine.shutdown(wait=True)

    assert Delivery.objects.get().state == "sent"


def test_the_next_address_follows_without_waiting_for_a_tick(incident: Incident, bob, reach, wire):
    reach(bob, "phone")
    reach(bob, "desk", kind="console")
    wire.refusals["phone"] = TransportError("gone", permanent=True)
    page(incident, bob)

    engine.dispatch()

    eventually(lambda: Delivery.objects.filter(address="desk", state="sent").exists())


def test_nothing_new_is_claimed_while_it_shuts_down(incident, bob, reach, receiver, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    reach(bob, receiver.url, kind="webhook")
    reach(bob, "desk", kind="console")
    receiver._behave(Manner(status=410, delay=0.5))
    page(incident, bob)
    engine.dispatch()
    receiver.wait_for(1)

    engine.shutdown(wait=True)

    assert engine._lanes == {}


def test_what_was_claimed_ahead_goes_around_those_who_hang(
    service, incident, alice, bob, reach, receiver, settings, monkeypatch
):
    """The lane was quick and claimed ahead; then all its slots hang."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    monkeypatch.setattr(lanes.Lane, "ahead", lambda self: 32)
    with provider() as other:
        reach(alice, receiver.url, kind="webhook")
        reach(bob, other.url, kind="webhook")
        for number in range(9):
            page(incident, alice, f"first {number}")
        for number in range(8):
            page(incident, alice, f"hangs {number}")
        for number in range(10):
            page(incident, bob, f"flows {number}")
        receiver.slow(0.3)
        engine.dispatch()
        eventually(lambda: len(receiver.ledger) > 8)
        receiver.hang()

        eventually(lambda: (engine.dispatch(), len(other.ledger) == 10)[1], within=8, every=0.2)

        receiver.ok()
        engine.shutdown()


def test_what_was_claimed_ahead_is_given_back_when_it_shuts_down(
    service, alice, reach, receiver, settings, monkeypatch
):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    monkeypatch.setattr(lanes.Lane, "ahead", lambda self: 32)
    reach(alice, receiver.url, kind="webhook")
    for number in range(30):
        page(core.declare(title=f"Outage {number}", service=service), alice)
    receiver.slow(0.2)

    engine.dispatch()
    eventually(lambda: len(receiver.ledger) > 8, within=20)
    engine.shutdown()

    sent = Delivery.objects.filter(state=Delivery.State.SENT).count()
    assert Delivery.objects.filter(state=Delivery.State.PENDING).count() == 30 - sent
    assert len(receiver.ledger) == sent


def test_a_claim_that_finds_all_in_other_hands_looks_again(incident, bob, reach, wire, settings):
    """Another process claims for the same person: it is over in a moment."""
    settings.PAGE_INTERVAL = timedelta(minutes=1)
    reach(bob, "phone")
    page(incident, bob)
    locked = threading.Event()

    def claim_elsewhere() -> None:
        with transaction.atomic():
            list(User.objects.select_for_update(no_key=True).filter(pk=bob.pk))
            locked.set()
            time.sleep(claims.A_CLAIM)

    def dispatch() -> int:
        locked.wait(5)
        return engine.dispatch(wait=True)

    assert together(claim_elsewhere, dispatch)[1] == 1
    assert len(wire.sent) == 1


def test_two_dispatchers_do_not_page_a_person_twice_in_a_minute(
    service, bob, reach, wire, settings
):
    settings.PAGE_INTERVAL = timedelta(minutes=1)
    reach(bob, "phone")
    for number in range(12):
        page(core.declare(title=f"Outage {number}", service=service), bob)

        together(*[lambda: engine.dispatch(wait=True)] * 4)

    assert [sent.others for sent in wire.sent] == [[]]
    waiting = Delivery.objects.filter(state="pending", attempts=0, waits_since__isnull=False)
    assert waiting.count() == 11
