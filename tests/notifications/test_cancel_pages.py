import pytest

from incidents.core import services as core
from incidents.notifications import services
from incidents.notifications.models import Delivery
from tests.notifications.conftest import page, post

pytestmark = pytest.mark.django_db


def test_it_works(incident, bob, reach, wire):
    reach(bob, "phone")
    page(incident, bob)

    cancelled = services.cancel_pages(incident)
    post()

    assert cancelled == 1
    assert Delivery.objects.get().state == "cancelled"
    assert wire.sent == []


def test_it_leaves_messages_alone(incident, bob, reach, wire):
    reach(bob, "phone")
    services.message(bob, cause="update 1", subject="News", body="…", incident=incident)

    cancelled = services.cancel_pages(incident)
    post()

    assert cancelled == 0
    assert len(wire.sent) == 1


def test_an_acknowledgement_is_enough_even_if_nobody_cancels(incident, bob, reach, wire, given_up):
    reach(bob, "phone")
    page(incident, bob)

    core.acknowledge(incident, actor=bob)
    post()

    assert wire.sent == []
    assert Delivery.objects.get().state == "cancelled"
    assert given_up == []


def test_a_resolved_incident_pages_nobody(incident, bob, reach, wire):
    reach(bob, "phone")
    core.dismiss(incident, reason="False alarm", actor=bob)
    incident.refresh_from_db()

    page(incident, bob)
    post()

    assert wire.sent == []
    assert "resolved" in Delivery.objects.get().last_error
