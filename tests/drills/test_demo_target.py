import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from drills.demo.process import PROJECT, TargetNotHealthy, TargetNotRunning, TargetProcess
from tests.chaos.servers import alive, eventually


@pytest.fixture
def target():
    with TargetProcess() as running:
        yield running


def test_it_says_that_it_is_well_and_who_it_is(target):
    first = httpx.get(target.health_url).json()

    second = httpx.get(target.health_url).json()

    assert first == {"status": "ok", "pid": target.pid, "served": first["served"]}
    assert second["served"] == first["served"] + 1


def test_it_shows_a_checkout_and_nothing_else(target):
    assert httpx.get(target.url).json()["checkout"] == "open"
    assert httpx.get(f"{target.url}admin").status_code == 404


def test_it_hangs_for_real_while_frozen_and_answers_again_when_thawed(target):
    pid = target.pid

    target.freeze()

    with pytest.raises(httpx.ReadTimeout):
        httpx.get(target.health_url, timeout=0.3)
    assert target.running
    assert not target.healthy(timeout=0.3)

    target.thaw()

    assert target.healthy()
    assert target.pid == pid


def test_it_refuses_connections_when_killed(target):
    pid = target.pid

    target.kill()

    with pytest.raises(httpx.ConnectError):
        httpx.get(target.health_url)
    assert not alive(pid)


def test_it_restarts_a_frozen_service_at_the_same_port(target):
    url, pid = target.health_url, target.pid
    target.freeze()

    target.restart()

    assert httpx.get(url).json()["pid"] == target.pid != pid
    assert not alive(pid)


def test_it_never_signals_a_process_that_is_not_its_own_any_more(target, monkeypatch):
    target.kill()
    signalled = []
    monkeypatch.setattr(os, "kill", lambda *args: signalled.append(args))

    for act in (target.freeze, target.thaw):
        with pytest.raises(TargetNotRunning):
            act()
    target.kill()
    target.stop()

    assert signalled == []


def test_it_does_not_take_a_stranger_at_its_port_for_itself(target):
    stranger = TargetProcess(target.port)

    with pytest.raises(TargetNotHealthy):
        stranger.start()
    stranger.stop()

    assert target.healthy()


def test_it_gives_up_waiting_for_health_at_its_deadline(target, monkeypatch):
    monkeypatch.setattr(TargetProcess, "healthy", lambda self: False)

    with pytest.raises(TargetNotHealthy, match=r"after 0\.3 s"):
        target.restart(within=0.3)


def test_it_leaves_nothing_behind_even_when_frozen():
    with TargetProcess() as target:
        pid, port = target.pid, target.port
        target.freeze()

    assert not alive(pid)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_it_outlives_the_thread_that_started_it():
    target = TargetProcess()
    starter = threading.Thread(target=target.start)
    starter.start()
    starter.join()
    try:
        assert target.healthy()
        with pytest.raises(subprocess.TimeoutExpired):
            target._process.wait(0.2)
    finally:
        target.stop()


OWNER = """
import time
from drills.demo.process import TargetProcess
target = TargetProcess()
target.start()
target.freeze()
print(target.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux ends a stopped orphan.")
def test_it_dies_with_its_owner_even_when_frozen():
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    with owner:
        pid = int(owner.stdout.readline())
        assert alive(pid)

        owner.kill()

    eventually(lambda: not alive(pid))


def test_it_ends_when_asked_to():
    with TargetProcess() as target:
        os.kill(target.pid, signal.SIGTERM)

        assert target._process.wait(5) == 0


def test_it_says_in_one_line_why_it_cannot_start(target):
    command = [sys.executable, "-m", "drills.demo.target", "--port", str(target.port)]

    second = subprocess.run(
        command, cwd=PROJECT, check=False, capture_output=True, text=True, timeout=5
    )

    assert second.returncode == 1
    assert second.stderr.splitlines() == [
        f"Cannot listen on 127.0.0.1:{target.port}: Address already in use"
    ]
