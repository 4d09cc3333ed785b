"""The auditor beside a loop: now and then, in a thread of its own, and never in the loop's way."""

import threading

import pytest
from django.utils.module_loading import import_string

from config import auditor, rounds
from config.auditor import Auditor
from config.celery import app as celery


@pytest.fixture
def elapsed(monkeypatch):
    watch = [100.0]
    monkeypatch.setattr(auditor.time, "monotonic", lambda: watch[0])
    return lambda seconds: watch.__setitem__(0, watch[0] + seconds)


@pytest.fixture
def looks(monkeypatch):
    """Every look; each lasts until it is let go."""
    begun, free = threading.Semaphore(0), threading.Event()

    def look():
        begun.release()
        free.wait(10)

    monkeypatch.setattr(auditor.insights, "look", look)
    monkeypatch.setattr(auditor.connections, "close_all", lambda: None)
    yield begun, free
    free.set()


def test_it_looks_now_and_then_and_one_look_at_a_time(looks, elapsed):
    begun, free = looks
    beside = Auditor()
    beside.now_and_then()
    assert not begun.acquire(timeout=0.05)  # what was due while nothing ran happens first

    elapsed(20)
    beside.now_and_then()
    assert begun.acquire(timeout=10)
    elapsed(20)
    beside.now_and_then()
    assert not begun.acquire(timeout=0.05)  # the first one is still at it

    free.set()
    beside._thread.join(10)
    beside.now_and_then()
    assert begun.acquire(timeout=10)


def test_a_look_that_fails_is_tried_again(monkeypatch, elapsed):
    tries = []

    def fail():
        tries.append(1)
        raise RuntimeError("no")

    monkeypatch.setattr(auditor.insights, "look", fail)
    monkeypatch.setattr(auditor.connections, "close_all", lambda: None)
    beside = Auditor()
    for _ in range(2):
        elapsed(20)
        beside.now_and_then()
        beside._thread.join(10)

    assert len(tries) == 2


def test_without_a_beat_everything_of_its_list_is_done_all_the_same(monkeypatch, elapsed):
    done = []
    monkeypatch.setattr(rounds, "import_string", lambda task: lambda: done.append(task))
    monkeypatch.setattr(auditor.insights, "look", lambda: None)
    beside = Auditor()

    def after(seconds):
        elapsed(seconds)
        beside.now_and_then()
        beside._thread.join(10)
        made = done[:]
        done.clear()
        return made

    slow = {
        entry["task"] for entry in celery.conf.beat_schedule.values() if entry["schedule"] >= 60
    }
    assert after(20) == []
    each_minute = ["incidents.alerts.tasks.prune", "incidents.comms.tasks.keep_status_page"]
    assert sorted(after(40)) == each_minute
    assert set(after(3_600)) == slow
    assert after(20) == []


def test_what_it_does_are_tasks_that_there_are():
    for entry in celery.conf.beat_schedule.values():
        assert callable(import_string(entry["task"]))
