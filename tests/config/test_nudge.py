"""Pages leave at once: whoever commits one asks the workers to look, once."""

import threading
from contextlib import suppress

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from config import nudge
from incidents.core import services as core
from incidents.core.models import Kind
from incidents.notifications import engine, tasks


@pytest.fixture
def asked(settings, monkeypatch) -> list[str]:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    asked: list[str] = []
    monkeypatch.setattr(nudge, "_silent_until", 0.0)
    monkeypatch.setattr(nudge.app, "send_task", lambda name, **_: asked.append(name))
    return asked


def page(incident) -> None:
    core.record(incident, Kind.PAGED, summary="Bob was asked.")


@pytest.mark.django_db(transaction=True)
def test_a_thousand_pages_of_one_commit_ask_once(asked, incident):
    asked.clear()
    with transaction.atomic():
        for _ in range(3):
            page(incident)
        assert asked == []

    assert asked == ["incidents.notifications.tasks.dispatch"]


@pytest.mark.django_db(transaction=True)
def test_who_asked_in_what_was_undone_has_not_asked(asked, incident):
    asked.clear()
    with transaction.atomic():
        with suppress(ZeroDivisionError), transaction.atomic():
            page(incident)
            raise ZeroDivisionError
        page(incident)

    assert len(asked) == 1


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_is_not_asked_again_at_once(asked, monkeypatch, incident):
    asked.clear()

    def away(*_args, **_options) -> None:
        asked.append("in vain")
        raise OperationalError

    monkeypatch.setattr(nudge.app, "send_task", away)
    page(incident)
    page(incident)

    assert asked == ["in vain"]


def test_of_many_who_come_while_the_outbox_is_looked_into_one_looks_after_it(monkeypatch):
    looked, may_end = threading.Semaphore(0), threading.Event()
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        looked.release()
        may_end.wait(5)

    monkeypatch.setattr(engine, "dispatch", look)
    monkeypatch.setattr(tasks, "TURN_SECONDS", 60)
    first = threading.Thread(target=tasks.dispatch.run)
    first.start()
    assert looked.acquire(timeout=5)
    others = [threading.Thread(target=tasks.dispatch.run) for _ in range(5)]
    for other in others:
        other.start()
    waiting = [other for other in others if other.join(0.2) or other.is_alive()]
    may_end.set()
    for thread in [first, *others]:
        thread.join(5)

    assert len(waiting) == 1
    assert len(looks) == 2


def test_a_look_that_hangs_keeps_nobody_else_from_looking(monkeypatch):
    may_end, others_looked = threading.Event(), threading.Event()
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 1:
            may_end.wait(10)
        else:
            others_looked.set()

    monkeypatch.setattr(engine, "dispatch", look)
    stuck = threading.Thread(target=tasks.dispatch.run)
    stuck.start()
    other = threading.Thread(target=tasks.dispatch.run)
    other.start()

    assert others_looked.wait(5)
    may_end.set()
    for thread in [stuck, other]:
        thread.join(5)
    tasks.dispatch.run()
    assert len(looks) == 3
