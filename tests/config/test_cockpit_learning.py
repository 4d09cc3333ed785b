"""The cockpit's part about what was learned: reviews that are due, overdue items, what holds."""

import pytest
from django.test import Client

from config.cockpit.learning import learning
from incidents.core import services as core
from incidents.core.models import Incident, Service
from incidents.reviews import services as reviews
from incidents.runbooks import services as runbooks
from tests.reviews.desk import over

pytestmark = pytest.mark.django_db


@pytest.fixture
def item(incident, alice, bob):
    return reviews.add_item(incident, actor=alice, title="Rotate the logs", owner=bob)


def page(user) -> str:
    client = Client()
    client.force_login(user)
    return " ".join(client.get("/admin/").text.split())


def test_it_is_not_there_where_nothing_was_learned(incident, alice) -> None:
    assert 'id="learning"' not in page(alice)


def test_it_shows_overdue_items_by_team_with_their_age(item, incident, alice, clock) -> None:
    reviews.add_item(incident, actor=alice, title="Nobody's")
    clock.at = clock.at.replace(day=26)

    text = page(alice)

    assert "2 overdue, the oldest for 10 days" in text
    assert "1 without an owner" in text


def test_it_shows_how_much_of_what_was_done_holds(item, bob, alice, clock) -> None:
    reviews.finish_item(item, actor=bob, evidence="Deployed")

    assert "100 % of what was to prevent something holds (1 done)" in page(alice)


def test_it_shows_the_reviews_that_are_due_and_since_when(service, team, alice, bob, clock) -> None:
    runbooks.adopt("schedgen", team=team, actor=alice)
    adopted = Service.objects.get(pk=service.pk)
    incident = core.declare(title="The disk is full", service=adopted, severity="SEV2")
    over(incident, bob)
    clock.forward(days=4)

    [due] = learning(alice, clock.at).reviews
    text = page(alice)

    assert due.incident == incident
    assert f"{incident.reference}</a> The disk is full" in text
    assert "overdue" in text


def test_drills_and_what_is_private_are_left_out(item, incident, alice, charlie, clock) -> None:
    Incident.objects.filter(pk=incident.pk).update(is_private=True)
    assert learning(charlie, clock.at).is_empty

    Incident.objects.filter(pk=incident.pk).update(is_private=False, is_drill=True)
    assert learning(alice, clock.at).is_empty
