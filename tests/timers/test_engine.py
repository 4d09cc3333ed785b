"""The engine makes due things happen: once, in batches, and around what is broken."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction

from incidents.core.models import Team
from incidents.timers import engine, services
from incidents.timers.models import Timer
from incidents.timers.signals import timer_failed
from tests.factories import TeamFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def rings(monkeypatch):
    """Registers kind `test.ring`; collects (subject, key) in the order in which they happened."""
    monkeypatch.setattr(engine, "_handlers", dict(engine._handlers))
    happened = []

    def ring(due, *, now):
        happened.extend((one.subject.name, one.timer.key) for one in due)

    engine.register("test.ring", model="incidents.Team", handle=ring)
    return happened


@pytest.fixture
def team():
    return TeamFactory(name="Payments", slug="payments")


def test_it_makes_a_due_timer_happen_once(rings, team, clock):
    services.schedule("test.ring", team, due_at=clock.at + timedelta(minutes=5))

    engine.tick()
    assert rings == []

    clock.forward(minutes=5)
    engine.tick()
    engine.tick()

    assert rings == [("Payments", "")]
    timer = Timer.objects.get()
    assert timer.state == Timer.State.DONE
    assert timer.lateness == 0


def test_it_replaces_the_pending_timer_of_the_same_key(rings, team, clock):
    services.schedule("test.ring", team, due_at=clock.at, key="a")
    services.schedule("test.ring", team, due_at=clock.at + timedelta(hours=1), key="a")
    services.schedule("test.ring", team, due_at=clock.at, key="b")

    engine.tick()

    assert rings == [("Payments", "b")]
    assert Timer.objects.pending().count() == 1


def test_it_does_nothing_for_a_cancelled_timer(rings, team, clock):
    services.schedule("test.ring", team, due_at=clock.at)

    assert services.cancel("test.ring", team) == 1
    engine.tick()

    assert rings == []
    assert Timer.objects.get().state == Timer.State.CANCELLED


def test_it_lets_a_handler_schedule_the_next_timer_under_the_same_key(team, clock, rings):
    def again(due, *, now):
        for one in due:
            rings.append(now)
            services.schedule("test.ring", one.subject, due_at=now + timedelta(minutes=1))

    engine.register("test.ring", model="incidents.Team", handle=again)
    services.schedule("test.ring", team, due_at=clock.at)

    engine.tick()
    clock.forward(minutes=1)
    engine.tick()

    assert len(rings) == 2
    assert Timer.objects.pending().count() == 1


def test_a_bigger_batch_costs_no_more_queries(rings, clock, django_assert_max_num_queries):
    counts = []
    for size in [2, 40]:
        for number in range(size):
            team = TeamFactory(name=f"Team {number} of {size}")
            services.schedule("test.ring", team, due_at=clock.at)
        with django_assert_max_num_queries(20) as captured:
            engine.tick()
        counts.append(len(captured))

    assert len(rings) == 42
    assert counts[0] == counts[1]


def test_it_leaves_timers_of_an_unknown_kind_alone(team, clock):
    services.schedule("of.a.newer.release", team, due_at=clock.at)

    engine.tick()

    assert Timer.objects.get().state == Timer.State.PENDING


def test_it_voids_a_timer_whose_subject_is_gone(rings, clock):
    gone = TeamFactory(name="Gone")
    services.schedule("test.ring", gone, due_at=clock.at)
    gone.delete()

    engine.tick()

    assert rings == []
    assert Timer.objects.get().state == Timer.State.VOID


class TestATimerThatRaises:
    @pytest.fixture(autouse=True)
    def _broken(self, rings):
        def ring(due, *, now):
            for one in due:
                if one.timer.key == "broken":
                    raise ValueError("this row is bad")
                rings.append((one.subject.name, one.timer.key))

        engine.register("test.ring", model="incidents.Team", handle=ring)

    def test_it_does_not_stop_the_others_of_its_batch(self, rings, team, clock):
        for key in ["a", "broken", "b"]:
            services.schedule("test.ring", team, due_at=clock.at, key=key)

        engine.tick()

        states = dict(Timer.objects.values_list("key", "state"))
        assert states == {"a": "done", "broken": "pending", "b": "done"}
        assert {key for _, key in rings} == {"a", "b"}

    def test_the_others_of_a_slow_batch_stay_its_engine_s(self, team, clock):
        free_for_others = []

        def ring(due, *, now):
            if any(one.timer.key == "broken" for one in due):
                raise ValueError("this row is bad")
            clock.forward(seconds=4)
            waiting = Timer.objects.due(clock.at).exclude(key="broken")
            free_for_others.extend(waiting.values_list("key", flat=True))

        engine.register("test.ring", model="incidents.Team", handle=ring)
        for key in ["broken", "a", "b", "c", "d", "e", "f", "g"]:
            services.schedule("test.ring", team, due_at=clock.at, key=key)

        engine.tick()

        assert free_for_others == []
        assert Timer.objects.filter(state="done").count() == 7

    def test_it_is_pushed_back_with_a_growing_delay(self, team, clock):
        services.schedule("test.ring", team, due_at=clock.at, key="broken")
        delays = []

        for _ in range(3):
            engine.tick()
            timer = Timer.objects.get()
            delays.append((timer.due_at - clock.at).total_seconds())
            clock.at = timer.due_at

        assert delays == [5, 10, 20]
        assert timer.state == Timer.State.PENDING
        assert "this row is bad" in timer.last_error

    def test_it_is_announced_at_its_third_failure_in_a_row(self, team, clock):
        services.schedule("test.ring", team, due_at=clock.at, key="broken")
        told = []
        timer_failed.connect(receiver := lambda reason, **_: told.append(reason))

        for expected in [0, 0, 1, 1]:
            engine.tick()
            assert len(told) == expected
            clock.at = Timer.objects.get().due_at
        timer_failed.disconnect(receiver)


class TestATimerThatKillsItsEngine:
    def _crash(self):
        """What a killed engine leaves behind: a claim with raised attempts and an ended lease."""
        claimed = engine._claim(suspects=False) or engine._claim(suspects=True)
        assert claimed

    def test_it_happens_when_the_lease_of_the_dead_engine_has_ended(self, rings, team, clock):
        services.schedule("test.ring", team, due_at=clock.at)
        self._crash()

        engine.tick()
        assert rings == []

        clock.forward(seconds=6)
        engine.tick()
        assert rings == [("Payments", "")]

    def test_it_is_quarantined_at_the_third_crash(self, rings, team, clock):
        services.schedule("test.ring", team, due_at=clock.at)
        told = []
        timer_failed.connect(receiver := lambda reason, **_: told.append(reason))
        for _ in range(3):
            self._crash()
            clock.forward(seconds=6)

        engine.tick()
        timer_failed.disconnect(receiver)

        assert rings == []
        assert Timer.objects.get().state == Timer.State.QUARANTINED
        assert len(told) == 1

    def test_it_does_not_drag_its_batch_into_quarantine(self, rings, team, clock):
        services.schedule("test.ring", team, due_at=clock.at, key="killer")
        services.schedule("test.ring", team, due_at=clock.at, key="innocent")
        self._crash()
        clock.forward(seconds=6)

        suspects = engine._claim(suspects=True)

        assert len(suspects) == 1

    def test_it_can_be_released_from_quarantine(self, rings, team, clock):
        services.schedule("test.ring", team, due_at=clock.at)
        for _ in range(3):
            self._crash()
            clock.forward(seconds=6)
        engine.tick()

        assert services.retry(Timer.objects.get(state=Timer.State.QUARANTINED))
        engine.tick()

        assert rings == [("Payments", "")]
        assert not services.retry(Timer.objects.first())


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
class TestOnPostgres:
    def test_four_engines_make_each_of_400_timers_happen_once(self, rings):
        teams = [TeamFactory(name=f"Team {number}") for number in range(100)]
        now = engine.clock.now()
        services.schedule_many(
            [
                services.Wanted("test.ring", team, now, key=str(key))
                for team in teams
                for key in range(4)
            ]
        )

        def work():
            while Timer.objects.pending().exists():
                engine.tick()
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)

        assert len(rings) == 400
        assert max(Counter(rings).values()) == 1

    def test_it_does_not_wait_for_a_locked_subject(self, rings):
        busy, free = TeamFactory(name="Busy"), TeamFactory(name="Free")
        now = engine.clock.now()
        services.schedule("test.ring", busy, due_at=now)
        services.schedule("test.ring", free, due_at=now)
        locked, release = threading.Event(), threading.Event()

        def hold():
            with transaction.atomic():
                Team.objects.select_for_update(no_key=True).get(pk=busy.pk)
                locked.set()
                release.wait(10)
            connection.close()

        holder = threading.Thread(target=hold)
        holder.start()
        locked.wait(10)
        engine.tick(limit=4)
        assert rings == [("Free", "")]

        release.set()
        holder.join(10)
        threading.Event().wait(0.3)
        engine.tick()
        assert ("Busy", "") in rings


def test_it_does_nothing_for_a_timer_cancelled_after_the_claim(rings, team, clock):
    services.schedule("test.ring", team, due_at=clock.at)
    claimed = engine._claim(suspects=False)

    services.cancel("test.ring", team)
    engine._run(claimed)

    assert rings == []
    assert Timer.objects.get().state == Timer.State.CANCELLED


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_verb_does_not_wait_for_the_rest_of_the_batch(rings, team, clock):
    """Its subject is busy, so the engine has no business with its timer."""
    search = TeamFactory(name="Search", slug="search")
    for subject in [team, search]:
        services.schedule("test.ring", subject, due_at=clock.at)
    handling, release = threading.Event(), threading.Event()

    def slow(due, *, now):
        rings.extend(one.subject.name for one in due)
        handling.set()
        release.wait(5)

    engine.register("test.ring", model="incidents.Team", handle=slow)
    others = threading.Thread(target=_tick_once)
    with transaction.atomic():
        Team.objects.select_for_update(no_key=True).get(pk=search.pk)
        others.start()
        assert handling.wait(5)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '500ms'")
        cancelled = services.cancel("test.ring", search)
    release.set()
    others.join()

    assert cancelled == 1
    assert rings == ["Payments"]


def _tick_once():
    try:
        engine._run(engine._claim(suspects=False))
    finally:
        connection.close()


def test_a_timer_that_cannot_even_be_pushed_back_stops_no_other(rings, team, clock, monkeypatch):
    def fail(_due, *, now):
        raise RuntimeError("poison")

    def refuse(**_):
        raise RuntimeError("nobody can be told either")

    monkeypatch.setattr(engine, "FAILURES_TO_ANNOUNCE", 1)
    engine.register("test.poison", model="incidents.Team", handle=fail)
    timer_failed.connect(refuse)
    try:
        services.schedule("test.poison", team, due_at=clock.at - timedelta(seconds=1))
        services.schedule("test.ring", team, due_at=clock.at)

        engine.tick()
    finally:
        timer_failed.disconnect(refuse)

    assert rings == [("Payments", "")]
    poison = Timer.objects.get(kind="test.poison")
    assert (poison.state, poison.attempts) == (Timer.State.PENDING, 1)  # due again after its lease


def test_while_the_database_is_away_it_does_not_try_each_timer(rings, team, clock, monkeypatch):
    tries = []

    def fail(_due, *, now):
        tries.append(1)
        raise RuntimeError("connection lost")

    def refuse(*_args):
        raise RuntimeError("connection refused")

    monkeypatch.setattr(engine, "_push_back", refuse)
    monkeypatch.setattr(engine, "_is_database_there", lambda: False)
    engine.register("test.poison", model="incidents.Team", handle=fail)
    for key in "abc":
        services.schedule("test.poison", team, due_at=clock.at, key=key)

    with pytest.raises(RuntimeError, match="connection refused"):
        engine.tick()

    assert len(tries) == 2  # the batch, and the first of it
