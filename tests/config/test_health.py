"""What a load balancer and an orchestrator ask: alive, ready, and whether engines run."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from config import health
from incidents.timers import heart
from incidents.timers.models import Heartbeat

pytestmark = pytest.mark.django_db

ADDRESSES = ["/livez", "/readyz", "/health/engine"]


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch):
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)


@pytest.fixture
def beats(clock, db):
    """Let engines have been heard of just now."""

    def beat(*names):
        for name in names or heart.ENGINES:
            Heartbeat.objects.update_or_create(
                name=name, process="somewhere.example:17", defaults={"at": clock.at}
            )

    return beat


@pytest.fixture
def no_database(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OperationalError("connection to server at 10.1.2.3 failed")

    monkeypatch.setattr(connection, "cursor", refuse)


def test_it_is_alive_without_a_database(client, no_database):
    answer = client.get("/livez")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_it_is_ready_when_the_database_answers(client):
    with CaptureQueriesContext(connection) as queries:
        answer = client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert len(queries) == 1


@pytest.mark.parametrize("path", ["/readyz", "/health/engine"])
def test_without_a_database_it_says_so_as_a_problem(client, no_database, path):
    answer = client.get(path)

    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Retry-After"] == "5"
    assert answer.json()["detail"] == "The database cannot be reached."
    assert b"10.1.2.3" not in answer.content


def test_engines_that_beat_are_well(client, beats, clock):
    beats()
    clock.forward(seconds=9)  # idle, between two beats

    answer = client.get("/health/engine")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "engines": {
            "clock": {"processes": 1, "silent_for_seconds": 9.0},
            "outbox": {"processes": 1, "silent_for_seconds": 9.0},
        },
    }


def test_fifteen_seconds_after_the_last_beat_it_is_a_503(client, beats, clock):
    beats()
    # The beat before death may be three seconds old, the answer one; it is to be told within 15 s.
    assert timedelta(seconds=heart.EVERY) + heart.FRESH < timedelta(seconds=15)
    clock.forward(seconds=10.1)

    answer = client.get("/health/engine")

    assert answer.status_code == 503
    assert answer.json()["detail"] == "No engine runs for: clock, outbox."


def test_an_outbox_that_stands_still_is_ill_though_the_clock_runs(client, beats, clock):
    beats()
    clock.forward(seconds=11)
    beats("clock")

    answer = client.get("/health/engine")

    assert answer.status_code == 503
    assert answer.json()["detail"] == "No engine runs for: outbox."


def test_before_the_first_beat_it_is_not_well(client):
    answer = client.get("/health/engine")

    assert answer.status_code == 503
    assert answer.json()["engines"]["clock"] == {"processes": 0, "silent_for_seconds": None}


@pytest.mark.parametrize("path", ADDRESSES)
def test_it_answers_whoever_asks_by_address_and_tells_no_names(client, beats, path):
    beats()

    answer = client.get(path, headers={"host": "10.9.8.7:8000"})

    assert answer.status_code == 200
    assert b"example" not in answer.content
    assert "Server" not in answer
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ADDRESSES)
def test_it_is_only_read(client, beats, path):
    beats()

    assert client.post(path).status_code == 405
    asked = client.head(path)
    assert (asked.status_code, asked.content) == (200, b"")


def test_an_answer_is_kept_for_a_second(client, beats, monkeypatch):
    monkeypatch.setattr(health, "KEPT_SECONDS", 1.0)
    watch = [100.0]
    monkeypatch.setattr(health.time, "monotonic", lambda: watch[0])
    beats()

    with CaptureQueriesContext(connection) as queries:
        for _ in range(20):
            assert client.get("/health/engine").status_code == 200
    once = len(queries)
    Heartbeat.objects.all().delete()
    watch[0] += 0.9
    assert client.get("/health/engine").status_code == 200
    watch[0] += 0.2

    assert once <= 2
    assert client.get("/health/engine").status_code == 503
