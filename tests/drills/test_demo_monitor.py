import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from drills.demo.monitor import Alert, Rule, State, detection_floor, judge
from drills.demo.process import PROJECT, TargetProcess
from tests.chaos.servers import alive, eventually, provider

START = datetime(2026, 3, 2, 3, 4, 5, tzinfo=UTC)


def at(second):
    return START + timedelta(seconds=second)


THREE_STRIKES = Rule()


def alerts_for(probes, rule=THREE_STRIKES):
    """What `judge` sends for probes a second apart: `x` failed, `.` good."""
    state, sent = State(), []
    for second, probe in enumerate(probes):
        state, alert = judge(state, probe == ".", at(second), rule=rule)
        if alert:
            sent.append((second, alert))
    return sent


@pytest.mark.parametrize("probes", ["", "....", "xx", "xx.xx.xx.", "x.x.x.x."])
def test_it_stays_quiet_below_three_strikes_in_a_row(probes):
    assert alerts_for(probes) == []


def test_it_fires_at_the_third_strike_and_knows_when_it_began():
    assert alerts_for(".xxx") == [(3, Alert("firing", at(1)))]


def test_it_does_not_count_strikes_before_a_good_probe():
    assert alerts_for("xx.xxx") == [(5, Alert("firing", at(3)))]


def test_it_fires_once_per_outage():
    assert alerts_for("x" * 50) == [(2, Alert("firing", at(0)))]


def test_it_resolves_at_the_second_good_probe_in_a_row():
    fired = (2, Alert("firing", at(0)))

    assert alerts_for("xxx.x.x") == [fired]
    assert alerts_for("xxx.x..") == [fired, (6, Alert("resolved", at(0)))]


def test_it_begins_anew_after_an_outage():
    sent = alerts_for("xxx...xx.xxx")

    assert sent[2:] == [(11, Alert("firing", at(9)))]


def test_it_obeys_another_rule():
    assert alerts_for("x.", Rule(strikes=1, goods=1)) == [
        (0, Alert("firing", at(0))),
        (1, Alert("resolved", at(0))),
    ]


def test_it_knows_how_late_it_may_be():
    assert detection_floor(interval=1, timeout=2, strikes=3) == 7
    assert detection_floor(interval=1, timeout=2, strikes=3, hang=False) == 3
    assert detection_floor(interval=5, timeout=2, strikes=3) == 17
    assert detection_floor(interval=1, timeout=2, strikes=1) == 3


@contextmanager
def monitor(target, intake, *, interval=0.1, timeout=0.2, strikes=3):
    command = [sys.executable, "-m", "drills.demo.monitor", "--service", "checkout"]
    command += ["--target", target.health_url, "--alerts", f"{intake.url}api/v1/alerts/key/"]
    command += ["--interval", str(interval), "--timeout", str(timeout)]
    command += ["--strikes", str(strikes)]
    running = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: target_is_probed(target))
        yield running
    finally:
        running.kill()
        running.communicate()


def target_is_probed(target):
    """Whether somebody beside this question has asked since the service was started."""
    first = httpx.get(target.health_url).json()["served"]
    time.sleep(0.15)
    return httpx.get(target.health_url).json()["served"] > first + 1


def test_it_tells_of_a_hang_and_of_the_recovery():
    with TargetProcess() as target, provider() as intake, monitor(target, intake):
        began = datetime.now(UTC)
        target.freeze()
        firing = intake.wait_for(1)[0]
        target.restart()
        resolved = intake.wait_for(2)[1]

    assert firing.path == "/api/v1/alerts/key/"
    started_at = firing.json()["started_at"]
    assert began - timedelta(seconds=0.3) < datetime.fromisoformat(started_at) < datetime.now(UTC)
    assert firing.json() == {
        "dedup_key": "checkout:health",
        "status": "firing",
        "service": "checkout",
        "severity": "critical",
        "summary": "checkout is down: no answer within 0.2 s, 3 times in a row",
        "links": [{"href": target.health_url, "text": "Health check"}],
        "started_at": started_at,
    }
    assert resolved.json() == firing.json() | {
        "status": "resolved",
        "summary": "checkout answers again",
    }


def test_it_detects_a_hang_of_the_demo_within_its_floor():
    with (
        TargetProcess() as target,
        provider() as intake,
        monitor(target, intake, interval=1, timeout=2),
    ):
        frozen_at = time.time()
        target.freeze()
        detected = intake.wait_for(1, within=9)[0].at - frozen_at

    assert 6 <= detected <= detection_floor(interval=1, timeout=2, strikes=3) + 0.5


def test_it_detects_a_crash_sooner_than_a_hang():
    with TargetProcess() as target, provider() as intake, monitor(target, intake, interval=0.5):
        killed_at = time.time()
        target.kill()
        detected = intake.wait_for(1)[0].at - killed_at

    floor = detection_floor(interval=0.5, timeout=0.2, strikes=3, hang=False)
    assert 1 <= detected <= floor + 0.3


def test_it_repeats_an_alert_until_it_is_accepted_and_keeps_the_order():
    with TargetProcess() as target, provider() as intake, monitor(target, intake) as running:
        intake.status(503)
        target.kill()
        intake.wait_for(1)
        intake.close_before_reply()
        target.restart()
        intake.wait_for(3)
        intake.ok()
        eventually(lambda: intake.ledger[-1].json()["status"] == "resolved")
        running.terminate()
        lines = running.stderr.read().splitlines()

    statuses = [received.json()["status"] for received in intake.ledger]
    assert statuses == ["firing"] * (len(statuses) - 1) + ["resolved"]
    changes = [line.split("monitor: ")[1].partition(":")[0] for line in lines]
    assert [change for change in changes if "checkout" in change] == [
        "checkout is suspect",
        "checkout is down",
        "checkout is up",
    ]
    assert [change for change in changes if "delivered" in change] == [
        "firing not delivered yet",  # Refused,
        "firing not delivered yet",  # then hung up on: one line each, however often.
        "firing delivered",
        "resolved delivered",
    ]


def test_it_goes_on_probing_while_the_intake_hangs():
    with TargetProcess() as target, provider() as intake, monitor(target, intake):
        intake.hang()
        target.kill()
        intake.wait_for(1)
        target.restart()

        eventually(lambda: target_is_probed(target))

        assert len(intake.ledger) == 1


def test_it_ends_at_once_when_asked_to():
    with TargetProcess() as target, provider() as intake, monitor(target, intake) as running:
        running.terminate()

        assert running.wait(2) == 0
        assert intake.ledger == []


def test_it_tries_once_more_before_it_ends():
    with TargetProcess() as target, provider() as intake, monitor(target, intake) as running:
        intake.status(500)
        target.kill()
        intake.wait_for(3)  # The next try would be two seconds away.
        intake.ok()
        running.terminate()

        assert running.wait(1) == 0
        assert "firing delivered" in running.stderr.read()


OWNER = """
import subprocess, sys, time
monitor = subprocess.Popen([sys.executable, "-m", "drills.demo.monitor", *sys.argv[1:]])
print(monitor.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_when_its_parent_dies():
    with TargetProcess() as target:
        command = [sys.executable, "-c", OWNER, "--service", "checkout", "--interval", "0.1"]
        command += ["--target", target.health_url, "--alerts", target.url]
        owner = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        with owner:
            pid = int(owner.stdout.readline())
            eventually(lambda: target_is_probed(target))
            assert alive(pid)

            owner.kill()

        eventually(lambda: not alive(pid))
