import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from config.supervisor import Child, Supervisor, next_pause
from tests.chaos.servers import alive, eventually

PROJECT = Path(__file__).resolve().parents[2]
SLEEPER = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-S",
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); time.sleep(60)",
]
PARENT = [  # Starts a child of its own, says its pid, and does not care for it.
    sys.executable,
    "-S",
    "-c",
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(child.pid, flush=True);"
    "time.sleep(60)",
]


@pytest.fixture
def lines():
    return []


@pytest.fixture
def supervise(lines):
    started = []

    def start(*children, grace=2.0):
        supervisor = Supervisor(children, grace=grace, say=lines.append)
        started.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in started:
        supervisor._kill()


def started_again(supervisor, name, former_pid):
    supervisor.poll()
    return supervisor.pids()[name] not in (None, former_pid)


def test_it_starts_each_child_in_a_group_of_its_own(supervise):
    pids = supervise(Child("web", SLEEPER), Child("worker", SLEEPER)).pids()

    assert all(os.getpgid(pid) == os.getsid(pid) == pid for pid in pids.values())
    assert len({os.getpgrp(), *pids.values()}) == 3


def test_it_starts_a_killed_child_again_and_says_so(supervise, lines):
    supervisor = supervise(Child("worker", SLEEPER), Child("web", SLEEPER))
    before = supervisor.pids()

    os.kill(before["worker"], signal.SIGKILL)
    eventually(lambda: started_again(supervisor, "worker", before["worker"]))

    assert lines == ["worker died (exit -9), starting it again in 0.5 s"]
    assert supervisor.pids()["web"] == before["web"]


def test_it_ends_what_a_dead_child_left_behind(supervise, tmp_path):
    log = tmp_path / "log"
    supervisor = supervise(Child("worker", PARENT, log=log, restart=False))
    orphan = int(eventually(log.read_text))

    os.kill(supervisor.pids()["worker"], signal.SIGKILL)
    eventually(lambda: not supervisor.poll())

    eventually(lambda: not alive(orphan))


def test_it_waits_longer_after_every_death_until_a_child_has_lived():
    pauses = [next_pause(0, 0)]
    for _ in range(6):
        pauses.append(next_pause(pauses[-1], 1))

    assert pauses == [0.5, 1, 2, 4, 8, 10, 10]
    assert next_pause(10, 30) == 0.5


def test_it_only_reports_the_end_of_a_child_that_is_not_to_be_restarted(supervise, lines):
    supervisor = supervise(Child("migrate", [sys.executable, "-c", ""], restart=False))

    eventually(lambda: not supervisor.poll())

    assert lines == ["migrate ended (exit 0), not starting it again"]


def test_it_survives_a_program_that_does_not_exist(supervise, lines, tmp_path):
    log = tmp_path / "log"
    supervisor = supervise(Child("web", ["/no/such/program"], log=log), Child("worker", SLEEPER))

    eventually(lambda: supervisor.poll() and lines)

    assert lines == ["web died (exit 127), starting it again in 0.5 s"]
    assert log.read_text() == "Cannot start /no/such/program: No such file or directory\n"
    assert alive(supervisor.pids()["worker"])


def test_it_survives_a_log_that_cannot_be_written(supervise, lines, tmp_path):
    nowhere = tmp_path / "missing" / "log"

    supervisor = supervise(Child("web", SLEEPER, log=nowhere), Child("worker", SLEEPER))

    assert len(lines) == 1
    assert lines[0].startswith("web could not be started (")
    assert alive(supervisor.pids()["worker"])


def test_it_gives_a_child_its_own_environment_and_log(supervise, tmp_path):
    log = tmp_path / "log"
    show = [sys.executable, "-c", "import os; print(os.environ['COLOUR'])"]

    supervisor = supervise(Child("web", show, env={"COLOUR": "red"}, log=log, restart=False))
    eventually(lambda: not supervisor.poll())

    assert log.read_text() == "red\n"


def test_it_stops_all_together_by_asking(supervise, lines):
    supervisor = supervise(Child("web", SLEEPER), Child("worker", SLEEPER))
    pids = supervisor.pids().values()

    began = time.monotonic()
    supervisor.stop()

    assert time.monotonic() - began < 1
    assert not any(alive(pid) for pid in pids)
    assert lines == []


@pytest.mark.parametrize("kind", ["stubborn", "frozen"])
def test_it_kills_the_group_of_a_child_that_does_not_end_within_the_grace(
    supervise, lines, tmp_path, kind
):
    log = tmp_path / "log"
    argv = STUBBORN if kind == "stubborn" else PARENT
    supervisor = supervise(Child("worker", argv, log=log), Child("web", SLEEPER), grace=0.5)
    eventually(log.read_text)
    pid = supervisor.pids()["worker"]
    if kind == "frozen":
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)

    began = time.monotonic()
    supervisor.stop()

    assert 0.5 <= time.monotonic() - began < 1.5
    assert not alive(pid)
    assert lines == ["killed worker"]
    if kind == "frozen":
        orphan = int(log.read_text())
        eventually(lambda: not alive(orphan))


def test_it_starts_nothing_again_once_it_has_stopped(supervise):
    supervisor = supervise(Child("worker", SLEEPER))
    os.kill(supervisor.pids()["worker"], signal.SIGKILL)
    eventually(lambda: supervisor.poll() and supervisor.pids()["worker"] is None)

    supervisor.stop()

    assert supervisor.poll() is False
    assert supervisor.pids() == {"worker": None}


def test_it_signals_no_group_after_its_leader_was_reaped(supervise, monkeypatch):
    supervisor = supervise(Child("worker", SLEEPER, restart=False))
    os.kill(supervisor.pids()["worker"], signal.SIGKILL)
    eventually(lambda: not supervisor.poll())
    signalled = []
    monkeypatch.setattr(os, "killpg", lambda *args: signalled.append(args))
    monkeypatch.setattr(os, "kill", lambda *args: signalled.append(args))

    supervisor.poll()
    supervisor.stop()

    assert signalled == []


def test_it_refuses_to_start_children_from_another_thread(supervise):
    refused = []

    def start():
        try:
            Supervisor([Child("web", SLEEPER)]).start()
        except RuntimeError as error:
            refused.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert refused == ["Children are started from the main thread only."]


RUN = """
import sys
from config.supervisor import Child, Supervisor
children = [Child(f"child{number}", [sys.executable, "-c", program, str(number)])
            for number, program in enumerate(sys.argv[1:])]
sys.exit(Supervisor(children, grace=30).run())
"""
SAY_PID = """
import os, sys, time
os.write(1, f"{sys.argv[1]} {os.getpid()}\\n".encode())  # At once: both write to one pipe.
time.sleep(9)
"""
SAY_PID_STUBBORNLY = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + SAY_PID


@pytest.fixture
def run():
    started = []

    def start(*programs):
        """A supervisor in a process of its own, and the pids of its children."""
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, *programs],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        said = sorted(process.stdout.readline().split() for _ in programs)
        return process, [int(pid) for _, pid in said]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_stops_its_children_when_told_to(run, signum):
    process, pids = run(SAY_PID, SAY_PID)

    process.send_signal(signum)

    assert process.wait(3) == 0
    assert not any(alive(pid) for pid in pids)


def test_it_kills_at_the_second_signal(run):
    process, pids = run(SAY_PID_STUBBORNLY, SAY_PID)
    process.terminate()
    eventually(lambda: not alive(pids[1]))
    assert alive(pids[0])

    process.terminate()

    assert process.wait(3) == 0
    assert not alive(pids[0])
    assert process.stderr.read() == "killed child0\n"


def test_it_does_not_take_a_closing_terminal_for_impatience(run):
    process, pids = run(SAY_PID_STUBBORNLY, SAY_PID)
    process.send_signal(signal.SIGHUP)
    eventually(lambda: not alive(pids[1]))

    process.send_signal(signal.SIGHUP)

    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    assert alive(pids[0])
    os.kill(pids[0], signal.SIGKILL)
    assert process.wait(3) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells children of a death.")
def test_it_takes_its_children_along_when_it_is_killed(run):
    process, pids = run(SAY_PID, SAY_PID)

    process.kill()

    eventually(lambda: not any(alive(pid) for pid in pids))


def test_it_returns_when_nothing_is_left_to_run():
    ok = Child("ok", [sys.executable, "-c", ""], restart=False)
    failed = Child("failed", [sys.executable, "-c", "raise SystemExit(3)"], restart=False)
    before = signal.getsignal(signal.SIGTERM)

    code = Supervisor([ok, failed], say=lambda line: None).run()

    assert code == 3
    assert signal.getsignal(signal.SIGTERM) is before
