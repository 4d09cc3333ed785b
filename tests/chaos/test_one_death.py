"""One process dies, or sleeps too long, at the worst moment. Failpoints choose it."""

import os
import signal
import time

import pytest

from tests.chaos.asking import PATIENCE, beats, verdict_of
from tests.chaos.servers import eventually
from tests.proof.report import note
from tests.sizes import size

pytestmark = pytest.mark.chaos


def test_an_engine_killed_in_the_middle_of_a_step_delays_it_only(house):
    house.start_web()
    survivor = house.start("clock")
    assert house.alert("disk-full", "calm-0").status_code == 202
    eventually(lambda: house.wire.calls("calm-0-a"), within=PATIENCE)
    os.kill(survivor.pid, signal.SIGSTOP)
    doomed = house.start("clock", failpoints="timer.escalation.step=kill")
    eventually(lambda: beats(house, doomed.pid), within=PATIENCE)
    house.tell("UPDATE timers_timer SET due_at = now() WHERE kind = 'escalation.step'")
    assert eventually(doomed.poll, within=PATIENCE) == -signal.SIGKILL

    assert house.wire.calls("calm-0-b") == []
    died = time.time()
    os.kill(survivor.pid, signal.SIGCONT)

    eventually(lambda: house.wire.calls("calm-0-b"), within=PATIENCE)
    late = house.wire.calls("calm-0-b")[0].at - died
    note("An engine killed in mid-step: the step comes", f"{late:.1f} s", "≤ 10 s", met=late <= 10)
    assert late <= size(10, 30)
    assert len(house.wire.calls("calm-0-b")) == 1
    assert verdict_of(house).faults == []


def test_a_worker_killed_after_sending_repeats_under_the_same_key(house):
    house.start_web()
    doomed = house.start("worker", failpoints="send.before_mark=kill")
    assert house.alert("disk-full", "calm-0").status_code == 202
    assert eventually(doomed.poll, within=PATIENCE) == -signal.SIGKILL

    house.start("clock")
    sent = "SELECT 1 FROM notifications_delivery WHERE state = 'sent'"
    eventually(lambda: house.ask(sent), within=PATIENCE)
    keys = [call.headers["webhook-id"] for call in house.wire.calls("calm-0-a")]
    assert len(keys) == 2 and len(set(keys)) == 1


def test_the_late_mark_of_a_sender_that_slept_is_refused(house):
    house.start_web()
    other = house.start("clock")
    eventually(lambda: beats(house, other.pid), within=PATIENCE)
    os.kill(other.pid, signal.SIGSTOP)
    sleeper = house.start("worker", failpoints="send.after_body=stop")
    assert house.alert("disk-full", "calm-0").status_code == 202
    eventually(lambda: state_of(sleeper.pid) == "T", within=PATIENCE)
    first = house.wire.calls("calm-0-a")

    os.kill(other.pid, signal.SIGCONT)
    marked = "SELECT state, sent_at, provider_id, ended_at, lease FROM notifications_delivery"
    eventually(lambda: house.ask(marked)[0][0] == "sent", within=PATIENCE)
    before = house.ask(marked)
    os.kill(sleeper.pid, signal.SIGCONT)

    late = "SELECT 1 FROM notifications_attempt WHERE detail LIKE '%The lease had been lost%'"
    eventually(lambda: house.ask(late), within=PATIENCE)
    calls = house.wire.calls("calm-0-a")
    assert house.ask(marked) == before
    assert len(first) == 1 and len(calls) == 2
    assert len({call.headers["webhook-id"] for call in calls}) == 1
    note("A sender stopped beyond its lease", "its mark was refused", "refused", met=True)


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]
