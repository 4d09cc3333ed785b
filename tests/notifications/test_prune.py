import pytest

from incidents.notifications import services
from incidents.notifications.models import Delivery
from tests.notifications.conftest import page, post

pytestmark = pytest.mark.django_db


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
