"""Redis forgets everything, falls silent, is gone: pages leave all the same."""

import time

import pytest

from tests.chaos.asking import PATIENCE, all_called, signals, verdict_of
from tests.chaos.checker import percentile
from tests.chaos.installation import kill
from tests.chaos.nemesis import Monitors
from tests.chaos.servers import eventually
from tests.proof.report import note
from tests.sizes import size

pytestmark = pytest.mark.chaos


def test_redis_is_flushed_and_stopped(house, seed):
    """What is in Redis is a hint: flushed every 3 s, then silent, then gone."""
    count, away = size(300, 30), size(60, 8)
    house.start_web()
    house.start("worker")
    clock = house.start("clock")
    eventually(lambda: house.ask("SELECT 1 FROM timers_heartbeat HAVING count(*) > 3"), within=60)
    with Monitors(house, signals(count), pause=size(2, 1) * 0.2) as monitors:
        for _ in range(size(10, 2)):
            time.sleep(3)
            house.broker.flush()
            house.history.note("fault", fault="flush", who="redis")
        house.broker.freeze()  # Connections stay, and say nothing.
        house.history.note("fault", fault="freeze", who="redis")
        time.sleep(size(15, 5))
        house.broker.thaw()
        house.broker.stop()
        house.history.note("fault", fault="stop", who="redis")
        time.sleep(away)
        house.broker.start()
        house.history.note("fault", fault="start", who="redis")
        eventually(lambda: monitors.done, within=PATIENCE * 2)
    eventually(lambda: all_called(house), within=PATIENCE, every=0.5)

    verdict = verdict_of(house)
    late = percentile(verdict.lateness, 1.0)
    note(
        f"Redis flushed every 3 s, silent, then stopped for {away} s, {count} pages",
        f"{verdict.lost} lost, latest {late:.1f} s",
        "0 lost, ≤ 10 s late",
        met=not verdict.faults and late <= 10,
        seed=seed,
    )
    assert verdict.faults == [], f"Seed {seed}: {verdict}"
    assert late <= size(10, 30)

    # A worker alone, which had lost its broker twice, hears again.
    kill(clock)
    assert house.alert("afterwards", "calm-0").status_code == 202
    eventually(lambda: all_called(house), within=PATIENCE, every=0.5)
