"""What a responder's phone shows of the asking."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.core import services as core
from incidents.core.models import Kind
from tests.escalation.conftest import take_phone
from tests.escalation.stage import settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, bob, declared, phones):
    client.force_login(bob)
    settle()
    return lambda: re.sub(
        r"\s+", " ", re.sub(r"<[^>]*>", " ", client.get(f"/i/{declared.reference}/").text)
    )


def test_it_says_who_is_asked_next_and_when(page):
    shown = page()

    assert "10:05:00 , in 5 min 0 s : unless somebody acknowledges, Alice is asked next." in shown
    assert "Bob 10:00:00, level 1 · Recorder (tests) sent" in shown


def test_it_names_who_can_really_be_reached(page, alice):
    take_phone(alice)

    assert "Dana is asked next." in page()


def test_it_says_when_nobody_is_left(page, clock):
    for minutes in [5, 10, 10, 5, 10]:
        clock.forward(minutes=minutes)
        settle()
    assert "nobody is left, and the last resort is asked next." in page()

    clock.forward(minutes=10)
    settle()
    assert "Nobody is left to ask" in page()


def test_nobody_is_asked_while_somebody_has_it(page, declared, bob):
    core.acknowledge(declared, actor=bob)

    shown = page()

    assert "unless something is done here, people are paged again." in shown
    assert "is asked next" not in shown


def test_the_next_level_is_asked_from_the_phone(client, page, declared, bob, phones):
    phones.take()

    client.post(f"/i/{declared.reference}/escalate/", {"reason": "I am on a train"})
    settle()

    assert phones.paged() == ["alice"]
    assert declared.timeline.filter(kind=Kind.ESCALATED, actor=bob).exists()


def test_it_takes_the_same_queries_however_much_happened(client, page, declared, alice, clock):
    page()
    with CaptureQueriesContext(connection) as early:
        page()
    for n in range(50):
        core.note(declared, text=f"note {n}", actor=alice)
    for minutes in [5, 10]:
        clock.forward(minutes=minutes)
        settle()

    with CaptureQueriesContext(connection) as late:
        page()

    assert len(late) <= len(early) <= 34
