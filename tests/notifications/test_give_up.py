from datetime import timedelta

import pytest

from incidents.core import services as core
from incidents.notifications import marks, services
from incidents.notifications.models import Delivery
from incidents.notifications.signals import delivery_given_up
from incidents.timers import engine as timers
from incidents.timers.models import Timer
from tests.notifications.conftest import busy, claim, gone, page, post

pytestmark = pytest.mark.django_db


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

    marks.failed([parcel], gone())

    assert given_up == []
    assert Delivery.objects.get().state == "failed"


@pytest.fixture
def faulty():
    """A receiver that raises as often as `failures` says."""

    class Faulty:
        failures, heard = 1, 0

        def __call__(self, delivery, **_):
            self.heard += 1
            if self.heard <= self.failures:
                Delivery.objects.filter(pk=delivery.pk).update(subject="half done")
                raise ValueError("a bug in a higher room")

    receiver = Faulty()
    delivery_given_up.connect(receiver)
    yield receiver
    delivery_given_up.disconnect(receiver)


def test_a_receiver_that_raises_is_told_again(incident, bob, reach, wire, clock, faulty):
    reach(bob, "phone")
    wire.refusals["phone"] = gone()
    delivery = page(incident, bob)

    post()
    delivery.refresh_from_db()
    timer = Timer.objects.pending().get(kind="notifications.given_up")
    timers.tick()
    post()

    assert (delivery.state, delivery.subject) == ("failed", "Checkout is down")
    assert timer.subject_id == incident.pk
    assert faulty.heard == 2
    assert not Timer.objects.pending().filter(kind="notifications.given_up").exists()


def test_a_receiver_that_always_raises_holds_up_nothing(
    incident, alice, bob, reach, wire, clock, faulty
):
    faulty.failures = 1_000
    reach(bob, "phone")
    reach(alice, "other")
    wire.refusals["phone"] = gone()
    page(incident, bob)

    for _ in range(60):
        post()
        timers.tick()
        clock.forward(seconds=10)
    page(incident, alice)
    post()

    assert [sent.address for sent in wire.sent] == ["other"]
    assert 3 <= faulty.heard < 15  # in ten minutes
    assert Timer.objects.pending().get(kind="notifications.given_up").failures == faulty.heard - 1


def test_what_was_taken_meanwhile_is_not_announced_again(incident, bob, reach, wire, clock, faulty):
    reach(bob, "phone")
    wire.refusals["phone"] = gone()
    page(incident, bob)
    post()
    core.acknowledge(incident, actor=bob)

    timers.tick()

    assert faulty.heard == 1


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
    settings.SMTP_HOST = ""
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
