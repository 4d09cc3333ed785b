"""Hosts whose clocks are wrong. Engines under libfaketime, the database's clock is right."""

import subprocess
import sys
import time

import pytest

from tests.chaos.asking import PATIENCE, beats
from tests.chaos.servers import eventually, faketime
from tests.proof.report import note
from tests.sizes import size

pytestmark = pytest.mark.chaos


def test_engines_whose_clock_is_an_hour_off_are_neither_early_nor_late(house):
    ahead, behind = faketime("+1h"), faketime("-1h")
    said = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env={**house.environment, **ahead},
        capture_output=True,
        check=True,
    )
    assert float(said.stdout) - time.time() > 3_500
    house.start_web()
    engines = [house.start("clock", settings=ahead), house.start("worker", settings=behind)]
    for engine in engines:
        eventually(lambda: beats(house, engine.pid), within=PATIENCE)  # noqa: B023

    posted = time.time()
    for world in ["quick-0", "calm-0", "calm-1", "calm-2"]:
        assert house.alert("down", world).status_code == 202
    eventually(house.last_resorts, within=PATIENCE)

    first, second = (house.wire.calls(f"quick-0-{who}")[0].at - posted for who in "ab")
    note(
        "Hosts an hour ahead and an hour behind",
        f"first page after {first:.1f} s, second after {second:.1f} s",
        "≤ 5 s, and not before 3 s",
        met=first <= 5 and second >= 2.9,
    )
    assert second >= 2.9
    assert first <= size(5, 20)
    assert not any(house.wire.calls(f"calm-{n}-b") for n in range(3))
