"""Pages go out whatever dies. Real PostgreSQL, Redis, web and workers; kill -9."""

import signal
import time

import pytest
from standardwebhooks import Webhook

from tests.chaos.installation import Installation, kill
from tests.chaos.servers import eventually

pytestmark = pytest.mark.chaos

DIED_BY_KILL = -signal.SIGKILL


def received(house: Installation, person: str) -> list[str]:
    """The idempotency keys of what `person` got, in order."""
    return [call.headers["webhook-id"] for call in house.wire.calls(person)]


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
    assert eventually(doomed.poll, within=60) == DIED_BY_KILL

    house.start("worker")
    eventually(lambda: len(received(house, "quick-0-a")) == calls, within=60)
    eventually(
        lambda: house.ask("SELECT 1 FROM notifications_delivery WHERE state = 'sent'"), within=10
    )
    assert len(set(received(house, "quick-0-a"))) == 1
    assert len(received(house, "quick-0-a")) == calls


def test_an_engine_killed_in_the_middle_of_a_step_delays_it_only(house):
    house.start_web()
    doomed = house.start("worker", failpoints="tick.before_commit=kill")
    house.alert("disk-full")
    eventually(lambda: received(house, "quick-0-a"), within=60)

    assert eventually(doomed.poll, within=60) == DIED_BY_KILL
    assert received(house, "quick-0-b") == []

    house.start("worker")
    eventually(lambda: received(house, "quick-0-b"), within=60)
    assert len(received(house, "quick-0-b")) == 1


def test_the_clock_keeps_paging_while_redis_is_stopped(house):
    house.start_web()
    house.start("worker")
    house.start("clock")
    house.broker.stop()

    answer = house.alert("disk-full")

    assert answer.status_code == 202, answer.text
    eventually(lambda: received(house, "quick-0-a"), within=60)
    eventually(lambda: received(house, "quick-0-b"), within=60)
    eventually(lambda: received(house, "last-resort"), within=60)
    assert len(received(house, "quick-0-a")) == len(received(house, "quick-0-b")) == 1


def test_a_worker_comes_back_to_work_when_redis_does(house):
    house.start_web()
    house.start("worker")
    house.alert("first")
    eventually(lambda: received(house, "quick-0-a"), within=60)

    house.broker.stop()
    house.alert("second")
    house.broker.start()

    eventually(lambda: len(set(received(house, "quick-0-a"))) == 2, within=60)


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
    (call,) = house.wire.wait_for(1, within=60)

    secret = house.ask(
        "SELECT secret FROM notifications_contactmethod WHERE address LIKE '%quick-0-a'"
    )[0][0]
    Webhook(secret).verify(call.body, dict(call.headers))
