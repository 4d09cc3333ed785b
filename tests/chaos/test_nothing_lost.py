"""Whatever dies, nothing that was accepted is lost. Real processes, kill -9."""

import os
import random
import signal
import time

import httpx
import pytest

from tests.chaos.checker import Verdict, check, percentile
from tests.chaos.conftest import size
from tests.chaos.installation import CALM_WORLDS, Installation, kill
from tests.chaos.nemesis import FAILPOINTS, Monitors, Nemesis
from tests.chaos.servers import eventually
from tests.proof.report import note

pytestmark = pytest.mark.chaos

SLOTS = 8  # What one process sends at a time.
PATIENCE = 120.0  # Until everything is to have happened on the slowest machine.


def signals(count: int) -> list[tuple[str, str]]:
    """Distinct signals over all calm worlds: (dedup_key, world)."""
    return [(f"signal-{n}", f"calm-{n % CALM_WORLDS}") for n in range(count)]


def verdict_of(house: Installation) -> Verdict:
    """What the checker says, and the product's own auditor, once what was late has been done."""
    verdict = check(house.history.path, house.url)
    deadline = time.monotonic() + PATIENCE
    while (findings := house.audit()["findings"]) and time.monotonic() < deadline:
        time.sleep(2)
    verdict.faults += [f"Auditor: {finding}" for finding in findings]
    return verdict


def all_called(house: Installation) -> bool:
    """Whether somebody was called for every incident that was accepted and not taken."""
    heard = {line["incident"] for line in house.history.all("call")}
    taken = {line["incident"] for line in house.history.all("acknowledged")}
    return all(
        line["incident"] in heard | taken for line in house.history.all("accepted")
    ) and not house.ask("SELECT 1 FROM notifications_delivery WHERE state = 'sending' LIMIT 1")


def taking(house: Installation, rng: random.Random):
    """After a signal was accepted: one incident in five is acknowledged at once."""

    def maybe(reference: str) -> None:
        try:
            if rng.random() < 0.2:
                house.acknowledge(reference)
        except httpx.TransportError:
            pass  # Whether it was taken or not, the history does not claim it.

    return maybe


def test_no_page_is_lost_while_processes_are_killed(house, seed, rng):
    count = size(1_000, 40)
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
    count = size(300, 30)
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


def beats(house: Installation, pid: int) -> bool:
    return bool(house.ask("SELECT 1 FROM timers_heartbeat WHERE process LIKE %s", f"%:{pid}"))


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
