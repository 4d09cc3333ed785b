from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.core import services as core
from incidents.core.models import Incident
from incidents.notifications import services
from incidents.notifications.models import Delivery
from incidents.timers import clock as house_clock
from tests.factories import UserFactory
from tests.notifications.conftest import order, page, post

pytestmark = pytest.mark.django_db


def test_it_works(incident, bob, reach, wire):
    reach(bob, "bob's phone")

    unreached = services.page_people([order(incident, bob)], house_clock.now())
    post()

    assert unreached == []
    sent = wire.sent[0]
    assert (sent.address, sent.subject, sent.urgency) == ("bob's phone", "Checkout is down", "page")
    assert sent.reference == incident.reference
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, str(delivery.pk)) == ("sent", 1, sent.id)
    assert delivery.tries.get().outcome == "sent"


def test_it_pages_for_one_cause_once(incident, bob, reach, wire):
    reach(bob, "bob's phone")

    page(incident, bob)
    page(incident, bob)
    post()
    page(incident, bob)
    post()

    assert len(wire.sent) == 1


def test_it_pages_again_for_another_cause(incident, bob, reach, wire):
    reach(bob, "bob's phone")

    page(incident, bob, "level 1")
    page(incident, bob, "level 1, second round")
    post()

    assert len(wire.sent) == 2


def test_it_pages_for_the_same_cause_of_another_incident(incident, service, bob, reach, wire):
    reach(bob, "bob's phone")
    other = core.declare(title="Another outage", service=service)

    page(incident, bob)
    page(other, bob)
    post()

    told = {reference for sent in wire.sent for reference in [sent.reference, *sent.others]}
    assert told == {incident.reference, other.reference}


def test_it_keeps_long_causes_apart(incident, bob, reach):
    reach(bob, "bob's phone")

    now = house_clock.now()
    services.page_people(
        [order(incident, bob, "x" * 150 + "1"), order(incident, bob, "x" * 150 + "2")], now
    )

    assert Delivery.objects.count() == 2


def test_it_returns_the_orders_that_reach_nobody(incident, alice, bob, charlie, reach):
    reach(alice, "alice's phone")
    unverified = services.add_contact_method(bob, kind="recorder", address="new", actor=bob)
    reach(charlie, "charlie's phone")
    charlie.is_active = False
    charlie.save()

    orders = [order(incident, person) for person in (alice, bob, charlie)]
    unreached = services.page_people(orders, house_clock.now())

    assert [o.user for o in unreached] == [bob, charlie]
    assert not unverified.is_verified
    assert Delivery.objects.get().recipient == alice


def test_it_uses_the_account_when_there_is_no_method_and_a_mail_server(incident, bob, mailbox):
    page(incident, bob)
    post()

    assert mailbox.mails[0]["To"] == bob.email


def test_it_knows_that_nobody_is_reached_without_a_mail_server(incident, bob, settings):
    settings.SMTP_HOST = ""

    unreached = services.page_people([order(incident, bob)], house_clock.now())

    assert [o.user for o in unreached] == [bob]


def test_it_costs_the_same_for_one_and_for_many(incident, bob, reach):
    reach(bob, "bob's phone")
    crowd = [UserFactory() for _ in range(30)]
    for person in crowd:
        reach(person, f"phone of {person.username}")
    now = house_clock.now()

    with CaptureQueriesContext(
        connection,
    ) as for_one:
        services.page_people([order(incident, bob)], now)
    with CaptureQueriesContext(connection) as for_many:
        services.page_people([order(incident, person) for person in crowd], now)

    assert len(for_one) == len(for_many) == 4
    assert Delivery.objects.count() == 31


def test_it_follows_the_persons_rules(incident, bob, reach, wire, clock):
    chat, phone = reach(bob, "chat"), reach(bob, "phone")
    delay = timedelta(minutes=2)
    services.set_rules(bob, urgency="page", rules=[(chat, timedelta(0)), (phone, delay)], actor=bob)

    page(incident, bob)
    post()
    at_once = [sent.address for sent in wire.sent]
    clock.forward(minutes=2)
    post()

    assert at_once == ["chat"]
    assert [sent.address for sent in wire.sent] == ["chat", "phone"]


def test_it_does_not_send_the_delayed_one_once_somebody_took_it(incident, bob, reach, wire, clock):
    chat, phone = reach(bob, "chat"), reach(bob, "phone")
    rules = [(chat, timedelta(0)), (phone, timedelta(minutes=2))]
    services.set_rules(bob, urgency="page", rules=rules, actor=bob)
    page(incident, bob)
    post()

    core.acknowledge(incident, actor=bob)
    clock.forward(minutes=3)
    post()

    assert [sent.address for sent in wire.sent] == ["chat"]
    assert Delivery.objects.get(address="phone").state == "cancelled"


def test_it_carries_the_label_of_a_drill(incident, bob, reach, wire):
    reach(bob, "phone")
    Incident.objects.filter(pk=incident.pk).update(label_before_acknowledgement="[DRILL]")
    incident.refresh_from_db()

    page(incident, bob)
    post()

    assert wire.sent[0].subject == "[DRILL] Checkout is down"
    assert wire.sent[0].body.startswith("[DRILL] ")


def test_it_survives_hostile_text(incident, bob, reach, wire):
    reach(bob, "phone")

    page(incident, bob, subject="a\r\nBcc: all@example.org\x00", body="\x00\ud800" + "x" * 100_000)
    post()

    assert wire.sent[0].subject == "a Bcc: all@example.org\N{REPLACEMENT CHARACTER}"
    assert len(wire.sent[0].body) == 65_536


def test_it_does_not_keep_keys_to_other_doors(incident, bob, reach, wire):
    reach(bob, "phone")
    link = services.Link("Acknowledge", "https://example.org/ack/secret")

    page(incident, bob, links=[link])
    post()

    assert wire.sent[0].links == [link]
    assert Delivery.objects.get().links == []
