"""No silent incident: whatever people do, whatever fails, whoever dies in between.

30 seconds by default; TOCSIN_SIMULATION_SECONDS=1800 by hand. TOCSIN_SIMULATION_SEED repeats a run:
with the same seed the machine does the same things in the same order. What failed is told in as few
steps as possible with TOCSIN_SIMULATION_SHRINK=1, which takes minutes.
"""

import os
import random
import time

import hypothesis
import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from incidents.timers import clock
from tests.proof.report import note
from tests.simulation.machine import Simulation
from tests.simulation.world import MONDAY, build

pytestmark = pytest.mark.django_db

SECONDS = float(os.environ.get("TOCSIN_SIMULATION_SECONDS", "30"))
SEED = int(os.environ.get("TOCSIN_SIMULATION_SEED", "0")) or random.SystemRandom().randrange(10**9)
PHASES = [Phase.generate, *([Phase.shrink] if os.environ.get("TOCSIN_SIMULATION_SHRINK") else [])]
EXAMPLES = 2  # between two looks at the watch


def test_no_incident_is_silent_whatever_happens(caplog):
    caplog.set_level("CRITICAL")
    clock.use(clock.VirtualClock(MONDAY))
    try:
        Simulation.world, Simulation.steps = build(), 0
    finally:
        clock.use(None)
    settings = hypothesis.settings(
        max_examples=EXAMPLES,
        stateful_step_count=60,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    until, number = time.monotonic() + SECONDS, 0
    try:
        while time.monotonic() < until:
            seed = SEED + number
            run_state_machine_as_test(hypothesis.seed(seed)(Simulation), settings=settings)
            number += 1
    except BaseException:
        print(f"Repeat it with TOCSIN_SIMULATION_SEED={seed}")  # noqa: T201
        raise
    steps, database = Simulation.steps, connection.vendor
    print(f"{steps} steps in {number * EXAMPLES} lives on {database}, seed {SEED}")  # noqa: T201
    print(dict(Simulation.happened.most_common()))  # noqa: T201
    note(
        f"Steps of the state machine without a silent incident ({database})",
        f"{steps} in {SECONDS:.0f} s",
        "0 violations",
        met=True,
        seed=SEED,
    )
    assert steps >= SECONDS
    for kind in ["paged", "exhausted", "acknowledged", "sent"]:
        assert Simulation.happened[kind], f"It was looked at {steps} times, and never {kind}"
