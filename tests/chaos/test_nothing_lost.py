"""Whatever dies, and however often, nothing that was accepted is lost. Real processes, kill -9."""

import os
import random
import signal
import time

import httpx
import pytest

from tests.chaos.asking import PATIENCE, all_called, beats, signals, verdict_of
from tests.chaos.checker import percentile
from tests.chaos.installation import Installation, kill
from tests.chaos.nemesis import FAILPOINTS, Monitors, Nemesis
from tests.chaos.servers import eventually
from tests.proof.report import note
from tests.sizes import size

pytestmark = pytest.mark.chaos

SLOTS = 8  # What one process sends at a time.


def taking(house: Installation, rng: random.Random):
    """After a signal was accepted: one incident in five is acknowledged at once."""

    def maybe(reference: str) -> None:
        try:
            if rng.random() < 0.2:
                house.acknowledge(reference)
        except httpx.TransportError:
            house.history.note("unanswered", incident=reference)

    return maybe


def test_no_page_is_lost_while_processes_are_killed(house, seed, rng):
    count = size(1_000, 25)
    doomed = {"TOCSIN_FAILPOINTS_SEED": str(seed)}
    house.environment |= doomed
    crew = {
        "web": lambda: house.start_web(failpoints=FAILPOINTS, ready=False),
        "worker 1": lambda: house.start("worker", failpoints=FAILPOINTS),
        "worker 2": lambda: house.start("worker", failpoints=FAILPOINTS),
        "clock": lambda: house.start("clock", failpoints=FAILPOINTS),
    }
    house.wire.slow(0.05)  # Something is in flight whenever somebody dies.
    nemesis = Nemesis(house, crew, rng, every=2.0)
    eventually(house.web_answers, within=PATIENCE)
    with Monitors(house, signals(count), pause=0.1, after=taking(house, rng)) as monitors:
        nemesis.rage(until=lambda: monitors.done, longest=size(1_800, 240))
        assert monitors.done, f"Seed {seed}: signals could not be delivered"
    nemesis.calm()
    house.start("clock")  # One that nobody kills.
    eventually(lambda: all_called(house), within=PATIENCE, every=0.5)

    verdict = verdict_of(house)
    met = not verdict.faults and verdict.repeats <= verdict.kills * SLOTS
    note(
        f"{count} pages while a process is killed every 2 s",
        f"{verdict.lost} lost, {verdict.repeats} calls repeated under their key, "
        f"{verdict.kills} kills",
        "0 lost, repeats ≤ kills × 8",
        met=met,
        seed=seed,
    )
    assert verdict.faults == [], f"Seed {seed}: {verdict}"
    assert verdict.accepted >= count
    assert verdict.repeats <= verdict.kills * SLOTS


def test_nothing_is_repeated_where_nothing_dies(house, seed, rng):
    """A beat too many and a rolling restart kill nothing: three workers, each with its own beat."""
    count = size(300, 20)
    house.environment |= {"DELIVERY_LEASE_SECONDS": "6", "TIMER_LEASE_SECONDS": "5"}
    house.start_web()
    workers = [house.start("worker") for _ in range(size(3, 2))]
    with Monitors(house, signals(count), pause=0.1, after=taking(house, rng)) as monitors:
        for worker in workers:
            time.sleep(2)
            successor = house.start("worker")
            eventually(lambda: beats(house, successor.pid), within=PATIENCE)  # noqa: B023
            os.kill(worker.pid, signal.SIGTERM)
            assert eventually(lambda: worker.poll() is not None, within=30)  # noqa: B023
        eventually(lambda: monitors.done, within=PATIENCE)
    eventually(lambda: all_called(house), within=PATIENCE, every=0.5)

    verdict = verdict_of(house)
    late = percentile(verdict.lateness, 1.0)
    note(
        f"{count} pages, three beats, workers restarted one after the other",
        f"{verdict.lost} lost, {verdict.repeats} repeated, latest {late:.1f} s",
        "0 lost, 0 repeated",
        met=not verdict.faults and verdict.repeats == 0,
        seed=seed,
    )
    assert verdict.faults == [], f"Seed {seed}: {verdict}"
    assert verdict.repeats == 0


def test_what_was_accepted_is_there_after_the_web_was_killed(house):
    web = house.start_web()
    keys = [f"alert-{number}" for number in range(5)]
    assert {house.alert(key).status_code for key in keys} == {202}

    kill(web)

    stored = house.ask(
        "SELECT a.dedup_key, count(DISTINCT t.id), count(DISTINCT d.id) FROM alerts_alert a "
        "JOIN timers_timer t ON t.subject_id = a.incident_id AND t.state = 'pending' "
        "JOIN notifications_delivery d ON d.incident_id = a.incident_id "
        "GROUP BY a.dedup_key ORDER BY 1"
    )
    assert [row[0] for row in stored] == keys
    assert all(timers >= 1 and deliveries == 1 for _, timers, deliveries in stored)
