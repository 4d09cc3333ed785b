"""A loop does all of its parts, whichever of them fails."""

import logging

import pytest

from config import rounds
from config.rounds import do_each


@pytest.fixture(autouse=True)
def _no_database(monkeypatch):
    monkeypatch.setattr(rounds, "close_old_connections", lambda: None)


def test_pages_leave_although_a_timer_breaks_the_clock(caplog):
    done = []

    def tick():
        raise RuntimeError("a poisoned timer")

    with caplog.at_level(logging.ERROR):
        do_each(tick, lambda: done.append("pages"), lambda: done.append("audit"))

    assert done == ["pages", "audit"]
    assert "a poisoned timer" in caplog.text


def test_a_connection_that_cannot_be_looked_at_is_no_end(monkeypatch):
    tries = []

    def refuse():
        tries.append(1)
        raise OSError("the database is away")

    monkeypatch.setattr(rounds, "close_old_connections", refuse)
    do_each(lambda: None, lambda: None)

    assert len(tries) == 2
