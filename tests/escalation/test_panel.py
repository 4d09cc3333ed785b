import re

import pytest

from incidents.core import panels
from incidents.core import services as core
from tests.escalation.stage import reader, settle

pytestmark = pytest.mark.django_db


def shown(incident):
    (found,) = [p for p in panels.render("incident", reader(), incident) if p.title == "Escalation"]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found.html))


def test_it_shows_where_the_asking_stands_and_what_comes_next(declared, phones):
    settle()

    text = shown(declared)

    assert "Asking level 1 · Payments" in text
    assert "in 5 min 0 s the next level is asked 10:05:00" in text
    assert "Bob level 1 10:00:00 sent 10:00:00 Recorder (tests)" in text


def test_it_shows_that_a_page_waits_to_be_told_together(declared, service, clock):
    settle()
    clock.forward(seconds=20)
    other = core.declare(title="Also broken", service=service, severity="SEV1")

    settle()

    assert "waits: told together with others by 10:01:00" in shown(other)
    clock.forward(seconds=40)
    settle()
    assert "Bob level 1 10:00:20 sent 10:01:00" in shown(other)


def test_it_shows_who_acknowledged(declared, bob, clock):
    settle()
    clock.forward(minutes=2)
    core.acknowledge(declared, actor=bob)

    text = shown(declared)

    assert "Acknowledged level 1" in text
    assert "acknowledged 10:02:00" in text
    assert "in 30 min the acknowledgement expires, if nothing is done 10:32:00" in text


def test_it_shows_why_nobody_is_left(service, clock):
    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")

    text = shown(incident)

    assert "Nobody is left to ask: no escalation policy applies to it." in text
    assert "the last resort is told again" in text


def test_its_queries_do_not_grow_with_the_pages(declared, clock, django_assert_max_num_queries):
    for minutes in [0, 5, 10, 10]:
        clock.forward(minutes=minutes)
        settle()
    from incidents.escalation import panel

    with django_assert_max_num_queries(4):
        panel.render(None, declared)
