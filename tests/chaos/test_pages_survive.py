"""Pages go out whatever dies. Real PostgreSQL, Redis, web and workers; kill -9."""

import signal
import time
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.chaos.installation import Installation, installation, kill
from tests.chaos.servers import eventually

pytestmark = pytest.mark.chaos

DIED_BY_KILL = -signal.SIGKILL


@pytest.fixture
def house(tmp_path: Path):
    with installation(tmp_path) as built:
        yield built


def received(house: Installation, person: str) -> list[str]:
    """The idempotency keys of what `person` got, in order."""
    return [
        call.headers["webhook-id"] for call in list(house.wire.ledger) if call.path == f"/{person}"
    ]


@pytest.mark.parametrize(
    ("failpoint", "calls"),
    [
        ("send.after_claim", 1),  # claimed, and dead before anything left
        ("send.before_connect", 1),
        ("send.before_mark", 2),  # sent, and dead before it was marked: repeated under its key
    ],
)
def test_a_worker_killed_with_a_page_in_its_hands_loses_nothing(house, failpoint, calls):
    house.start_web()
    doomed = house.start("worker", failpoints=f"{failpoint}=kill")

    answer = house.alert("disk-full")

    assert answer.status_code == 202, answer.text
    assert eventually(doomed.poll, within=15) == DIED_BY_KILL

    house.start("worker")
    eventually(lambda: len(received(house, "ana")) == calls, within=15)
    eventually(
        lambda: house.ask("SELECT 1 FROM notifications_delivery WHERE state = 'sent'"), within=10
    )
    assert len(set(received(house, "ana"))) == 1
    assert len(received(house, "ana")) == calls


def test_an_engine_killed_in_the_middle_of_a_step_delays_it_only(house):
    house.start_web()
    doomed = house.start("worker", failpoints="tick.before_commit=kill")
    house.alert("disk-full")
    eventually(lambda: received(house, "ana"), within=15)

    assert eventually(doomed.poll, within=15) == DIED_BY_KILL
    assert received(house, "ben") == []

    house.start("worker")
    eventually(lambda: received(house, "ben"), within=15)
    assert len(received(house, "ben")) == 1


def test_the_clock_keeps_paging_while_redis_is_stopped(house):
    house.start_web()
    house.start("worker")
    house.start("clock")
    house.broker.stop()

    answer = house.alert("disk-full")

    assert answer.status_code == 202, answer.text
    eventually(lambda: received(house, "ana"), within=10)
    eventually(lambda: received(house, "ben"), within=10)
    eventually(lambda: received(house, "last-resort"), within=15)
    assert len(received(house, "ana")) == len(received(house, "ben")) == 1


def test_a_worker_comes_back_to_work_when_redis_does(house):
    house.start_web()
    house.start("worker")
    house.alert("first")
    eventually(lambda: received(house, "ana"), within=15)

    house.broker.stop()
    house.alert("second")
    house.broker.start()

    eventually(lambda: len(set(received(house, "ana"))) == 2, within=30)


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


def test_the_web_is_back_soon_after_the_database_is(house):
    house.start_web()
    assert house.alert("before").status_code == 202
    house.db.stop("immediate")

    down = house.alert("meanwhile")
    assert (down.status_code, down.headers["Retry-After"]) == (503, "5")
    time.sleep(12)  # longer than the pool's first pauses

    house.db.start()
    eventually(lambda: house.alert("after").status_code == 202, within=10, every=0.2)
    stored = {row[0] for row in house.ask("SELECT dedup_key FROM alerts_alert")}
    assert stored >= {"before", "after"}


def test_every_page_is_signed(house):
    house.start_web()
    house.start("worker")
    house.alert("disk-full")
    (call,) = house.wire.wait_for(1, within=15)

    secret = house.ask("SELECT secret FROM notifications_contactmethod ORDER BY id LIMIT 1")[0][0]
    Webhook(secret).verify(call.body, dict(call.headers))
