import pytest

from incidents.notifications import services
from incidents.notifications.models import Delivery
from incidents.timers import clock as house_clock
from tests.notifications.conftest import post

pytestmark = pytest.mark.django_db


def test_it_works(incident, bob, reach, wire):
    reach(bob, "chat")

    reached = services.message(bob, cause="update 1", subject="News", body="…", incident=incident)
    post()

    assert reached
    assert [(sent.address, sent.urgency) for sent in wire.sent] == [("chat", "message")]


def test_it_says_when_a_person_cannot_be_reached(bob, settings):
    settings.SMTP_HOST = ""

    assert not services.message(bob, cause="update 1", subject="News", body="…")
    assert not Delivery.objects.exists()


def test_it_sends_to_an_address_that_belongs_to_nobody(wire):
    subscriber = services.Address("recorder", "subscriber")

    assert services.message(subscriber, cause="update 1", subject="News", body="…")
    post()

    assert [sent.address for sent in wire.sent] == ["subscriber"]


def test_it_is_not_bound_to_the_paging_epoch(incident, bob, reach, wire):
    reach(bob, "chat")
    services.message(bob, cause="update 1", subject="News", body="…", incident=incident)
    type(incident).objects.filter(pk=incident.pk).update(paging_epoch=9)

    post()

    assert len(wire.sent) == 1


def test_it_tells_many_at_once(incident, alice, bob, reach, wire, django_assert_num_queries):
    reach(alice, "alice")
    reach(bob, "bob")
    orders = [
        services.MessageOrder(person, "update 1", "News", "…", incident) for person in (alice, bob)
    ]

    with django_assert_num_queries(4):
        unreached = services.message_many(orders, house_clock.now())
    post()

    assert unreached == []
    assert {sent.address for sent in wire.sent} == {"alice", "bob"}
