"""Where a review is seen beside its own page: on the incident's, on a phone, in the terminal."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from incidents.core import services as core
from incidents.core.models import Incident, User
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from tests.reviews.stage import written

pytestmark = pytest.mark.django_db


def told(*args: str) -> str:
    out = StringIO()
    call_command("review", *args, stdout=out)
    return out.getvalue()


def test_the_incidents_page_shows_where_its_review_stands(client, review, over: Incident, alice):
    client.force_login(alice)

    page = client.get(f"/admin/incidents/incident/{over.pk}/change/").content.decode()

    assert "to be held in" in page
    assert "Bob facilitates" in page


def test_a_phone_shows_it_as_well(client, review: Review, over: Incident, bob: User):
    client.force_login(bob)

    page = client.get(f"/i/{over.reference}/").content.decode()

    assert "Bob facilitates" in page
    assert "Until Thu 05 Mar 10:00" in page


def test_anybody_who_responds_asks_for_one_on_the_incidents_page(
    client, runbook, phones, service, bob: User, clock
):
    runbook()
    incident = core.declare(title="Odd", service=service, severity="SEV4")
    core.dismiss(incident, reason="A test", actor=bob)
    client.force_login(bob)
    address = f"/i/{incident.reference}/request-review/"
    assert "What is to be learned" in client.get(address).content.decode()

    client.post(address, {"reason": "It was odd."})

    review = Review.objects.get()
    assert (review.incident, review.asked_reason) == (incident, "It was odd.")
    assert client.get(address).status_code in {302, 404, 409}


def test_the_terminal_lists_what_asks_for_something(review: Review, over: Incident, alice: User):
    assert over.reference in told("list")
    assert over.reference in told("list", "--state", "due", "--team", "payments")
    assert over.reference not in told("list", "--team", "search")

    reviews.waive(review, reason="No.", actor=alice)

    assert over.reference not in told("list")
    assert over.reference in told("list", "--all")


def test_the_terminal_shows_all_of_it(review: Review, over: Incident, bob: User):
    written(review, actor=bob)
    first = reviews.ask_why(review, ask="Why was it down?", answer="The disk was full", actor=bob)
    why = reviews.ask_why(review, ask="Why full?", parent=first, answer="[red]Logs", actor=bob)
    reviews.mark_cause(why, is_cause=True, actor=bob)
    reviews.add_item(over, title="Rotate the logs", owner=bob, actor=bob)
    reviews.hold(review, actor=bob)

    shown = told("show", over.reference)

    assert "Nothing watches the disk" in shown
    assert "Why full? [red]Logs ← a cause" in shown
    assert "Rotate the logs" in shown


def test_the_terminal_says_that_there_is_none(db):
    with pytest.raises(CommandError, match="There is no review of INC-1"):
        told("show", "INC-1")
