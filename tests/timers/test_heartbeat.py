"""One sees from outside whether the engines run, and looking costs them next to nothing."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from incidents.notifications import engine as outbox
from incidents.timers import engine, heart, services
from incidents.timers.models import Heartbeat

pytestmark = pytest.mark.django_db


@pytest.fixture
def living(monkeypatch):
    """This process is one that runs engines, and nothing was heard of it yet."""
    monkeypatch.setattr(heart, "_is_beating", True)
    monkeypatch.setattr(heart, "_last", {})


@pytest.fixture
def elapsed(monkeypatch):
    """Move the stopwatch by hand: `elapsed(5)`."""
    watch = [100.0]
    monkeypatch.setattr(heart.time, "monotonic", lambda: watch[0])
    return lambda seconds: watch.__setitem__(0, watch[0] + seconds)


def test_both_engines_are_heard_of_when_they_ran(living, clock):
    engine.tick()
    outbox.dispatch()

    pulses = services.alive(clock.at)
    assert {name: pulse.processes for name, pulse in pulses.items()} == {"clock": 1, "outbox": 1}
    assert pulses["clock"].last_at == clock.at


def test_a_long_tick_is_no_death(living, clock, elapsed, incident, monkeypatch):
    alive = []

    def take_long(_timer, _subject, _now):
        elapsed(4)
        alive.append(services.alive(clock.forward(seconds=4))["clock"].is_alive)

    monkeypatch.setattr(engine, "BATCH", 1)
    monkeypatch.setattr(engine, "_handlers", dict(engine._handlers))
    engine.register("test.slow", model="incidents.Incident", handle=engine.each(take_long))
    elapsed(100)
    for key in "abcd":
        services.schedule("test.slow", incident, due_at=clock.at, key=key)

    engine.tick()

    assert alive == [True] * 4


def test_an_engine_that_never_ran_is_not_alive(clock):
    pulses = services.alive(clock.at)

    assert [pulse.is_alive for pulse in pulses.values()] == [False, False]
    assert pulses["clock"].last_at is None


def test_ten_seconds_of_silence_are_suspicious(living, clock):
    engine.tick()
    heard = clock.at

    assert services.alive(clock.forward(seconds=10))["clock"].is_alive
    later = services.alive(clock.forward(seconds=1))["clock"]

    assert not later.is_alive
    assert later.last_at == heard


def test_it_writes_at_most_once_in_three_seconds(living, clock, elapsed):
    engine.tick()
    clock.forward(seconds=3)
    elapsed(2.9)
    with CaptureQueriesContext(connection) as queries:
        heart.beat("clock")
    assert len(queries) == 0

    elapsed(0.11)
    heart.beat("clock")

    assert Heartbeat.objects.get().at == clock.at


def test_every_process_is_heard_of_by_itself(living, clock, elapsed, monkeypatch):
    heart.beat("clock")
    monkeypatch.setattr(heart.os, "getpid", lambda: 424242)
    elapsed(5)
    heart.beat("clock")

    assert services.alive(clock.at)["clock"].processes == 2


def test_a_shell_that_ticks_once_is_no_sign_of_life(clock):
    engine.tick()

    assert not Heartbeat.objects.exists()


def test_a_heart_that_fails_stops_no_engine(living, clock, monkeypatch):
    def fail(*_args, **_kwargs):
        raise DatabaseError("disk full")

    monkeypatch.setattr(Heartbeat.objects, "bulk_create", fail)

    assert engine.tick() == 0
    assert outbox.dispatch() == 0
    assert services.alive(clock.at)["clock"].last_at is None


def test_processes_that_are_long_gone_are_forgotten(living, clock):
    heart.beat("clock")
    clock.forward(hours=24, seconds=1)
    Heartbeat.objects.create(name="clock", process="other:1", at=clock.at - timedelta(hours=1))

    services.prune()

    assert [one.process for one in Heartbeat.objects.all()] == ["other:1"]
