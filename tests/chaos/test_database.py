"""The database crashes, is cut off, falls silent. Real PostgreSQL, and a proxy in front of it."""

import time

import httpx
import pytest

from tests.chaos.asking import PATIENCE, all_called, beats, signals, verdict_of
from tests.chaos.crowd import copies
from tests.chaos.installation import Installation
from tests.chaos.nemesis import Monitors
from tests.chaos.proxy import Proxy, proxy
from tests.chaos.servers import eventually
from tests.proof.report import note
from tests.sizes import size

pytestmark = pytest.mark.chaos


def test_postgres_crashes_again_and_again_under_load(house, seed):
    """Restarted in immediate mode: every 202 is there, and it is back within 10 s each time."""
    crashes = size(10, 2)
    house.start_web()
    house.start("worker")
    house.start("clock")
    back: list[float] = []
    with Monitors(house, signals(100_000), pause=0.05):
        for number in range(crashes):
            time.sleep(2)
            house.db.stop("immediate")
            house.history.note("fault", fault="crash", who="postgres")
            down = house.alert(f"down-{number}", "calm-0")
            assert (down.status_code, down.headers["Retry-After"]) == (503, "5")
            time.sleep(6 if number == 0 else 1)  # Longer than the pool's first pauses.
            house.db.start()
            began = time.monotonic()
            key = f"back-{number}"
            eventually(lambda: accepted(house, key), within=PATIENCE, every=0.1)  # noqa: B023
            back.append(time.monotonic() - began)
    eventually(lambda: all_called(house), within=PATIENCE, every=0.5)

    verdict = verdict_of(house)
    note(
        f"PostgreSQL restarted {crashes} times in immediate mode under load",
        f"{verdict.accepted} accepted, {verdict.lost} lost, back in {max(back):.1f} s at most",
        "0 lost, ≤ 10 s each",
        met=not verdict.faults and max(back) <= 10,
        seed=seed,
    )
    assert verdict.faults == []
    assert max(back) <= size(10, 30)


def accepted(house: Installation, key: str) -> bool:
    try:
        return house.alert(key, "calm-0").status_code == 202
    except httpx.TransportError:
        return False


def through(house: Installation, line: Proxy) -> dict[str, str]:
    """Settings of a process that reaches the database through this proxy."""
    return {"DATABASE_URL": house.url.replace(f":{house.db.port}/", f":{line.port}/")}


def test_the_rows_of_an_engine_that_was_cut_off_are_free_soon(house):
    """Half-open: no farewell reaches the server, which has the engine's locks."""
    house.start_web()
    assert house.alert("disk-full", "calm-0").status_code == 202
    with proxy(house.db.port) as line:
        lost = house.start(
            "clock", failpoints="timer.escalation.step=sleep:3", settings=through(house, line)
        )
        eventually(lambda: house.wire.calls("calm-0-a"), within=PATIENCE)
        house.tell("UPDATE timers_timer SET due_at = now() WHERE kind = 'escalation.step'")
        eventually(lambda: house.ask(IDLE_IN_TRANSACTION), within=PATIENCE)
        line.hang()  # It sleeps with its locks, and its COMMIT will not arrive.
        cut = time.time()
        other = house.start("clock")
        eventually(lambda: house.wire.calls("calm-0-b"), within=PATIENCE)
        took = house.wire.calls("calm-0-b")[0].at - cut
        note("Rows of an engine that was cut off", f"free in {took:.0f} s", "≤ 25 s", met=took < 25)
        assert took <= size(25, 60)

        line.heal()
        other.terminate()
        eventually(lambda: other.poll() is not None, within=PATIENCE)
        assert house.alert("another", "calm-1").status_code == 202
        eventually(lambda: house.wire.calls("calm-1-a"), within=PATIENCE)  # By whom was cut off.
        assert lost.poll() is None
    assert len(house.wire.calls("calm-0-b")) == 1


IDLE_IN_TRANSACTION = (
    "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' "
    "AND state_change < clock_timestamp() - interval '0.5 s'"
)


@pytest.mark.full
def test_connections_that_break_in_the_middle_lose_nothing(house, seed, rng):
    """Each connection to the database is reset after so many bytes, again and again."""
    count = size(300, 25)
    with proxy(house.db.port) as line:
        house.environment |= through(house, line)
        house.start_web()
        house.start("worker")
        house.start("clock")
        cuts = 0
        with Monitors(house, signals(count), pause=0.1) as monitors:
            deadline = time.monotonic() + PATIENCE
            while not monitors.done and time.monotonic() < deadline:
                line.cut_after(rng.randrange(2_000, 60_000))
                time.sleep(1)
                cuts += 1
                line.heal()
                time.sleep(4)  # Longer than the pool's first pauses.
            assert monitors.done
        eventually(lambda: all_called(house), within=PATIENCE, every=0.5)
        verdict = verdict_of(house)

    note(
        f"Connections to PostgreSQL cut {cuts} times after so many bytes",
        f"{verdict.accepted} accepted, {verdict.lost} lost, {verdict.repeats} repeated",
        "0 lost",
        met=not verdict.faults,
        seed=seed,
    )
    assert verdict.faults == [], f"Seed {seed}"


def test_a_worker_that_nobody_wakes_looks_by_itself(house):
    """No beat, and no broker either."""
    house.broker.stop()
    house.start_web()
    worker = house.start("worker", "--no-beat")
    assert house.alert("disk-full", "quick-0").status_code == 202

    eventually(house.last_resorts, within=PATIENCE)
    eventually(lambda: house.wire.calls("quick-0-a") and house.wire.calls("quick-0-b"), within=60)
    assert [len(house.wire.calls(f"quick-0-{who}")) for who in "ab"] == [1, 1]
    assert beats(house, worker.pid)


def test_two_hours_of_downtime_make_one_step_each(house):
    """500 open incidents, whose steps came due in these two hours: 500 pages at return."""
    count = size(500, 50)
    house.start_web()
    copies(house, count, "now() - copy.number * interval '14 s'")
    house.tell("UPDATE timers_timer SET due_at = now() - interval '2 h' WHERE due_at > now()")
    open_incidents = house.ask("SELECT count(*) FROM incidents_incident WHERE NOT is_drill")[0][0]
    house.start("worker")
    house.start("clock")

    pages = "SELECT count(*) FROM notifications_delivery WHERE cause LIKE 'page:%.2'"
    eventually(lambda: house.ask(pages)[0][0] == open_incidents, within=PATIENCE, every=0.5)
    eventually(lambda: not house.ask(ON_THE_WAY), within=PATIENCE, every=0.5)
    time.sleep(3)  # What was too much would come now.
    calls = [call for call in house.wire.ledger if call.path.endswith("-b")]
    note(
        f"Two hours of downtime with {open_incidents} open incidents",
        f"{len(calls)} pages at return",
        f"{open_incidents}",
        met=len(calls) == open_incidents,
    )
    assert len(calls) == open_incidents
    assert not house.last_resorts()


ON_THE_WAY = "SELECT 1 FROM notifications_delivery WHERE state IN ('pending', 'sending') LIMIT 1"
