"""What Prometheus is told, who may ask, and what asking costs."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from config import health
from incidents.core import services as core
from incidents.insights import services
from incidents.notifications import engine as outbox
from incidents.timers import engine as timers
from incidents.timers.models import Heartbeat, Timer
from tests.factories import ServiceFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db

TOKEN = {"authorization": "Bearer a-long-token"}


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch, settings):
    monkeypatch.setattr(health, "_counted", health.Kept(0.0))
    settings.METRICS_TOKEN = "a-long-token"


@pytest.fixture
def scraped(client):
    """Name and labels (in the order of their names) → value, as Prometheus understands it."""

    def scrape():
        answer = client.get("/metrics", headers=TOKEN)
        assert answer.status_code == 200, answer
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.content.decode())
            for sample in family.samples
        }

    return scrape


def happen():
    while timers.tick() + outbox.dispatch(wait=True):
        pass


# --- Who may ask ----------------------------------------------------------------------------------


def test_strangers_find_nothing_here(client, bob):
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"authorization": "Bearer x"}).status_code == 404
    client.force_login(bob)
    assert client.get("/metrics").status_code == 404


def test_without_a_token_set_no_token_is_right(client, settings):
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


def test_an_administrator_may_look(client):
    client.force_login(UserFactory(username="root", is_superuser=True, is_staff=True))

    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")


def test_prometheus_comes_by_address(client):
    headers = {**TOKEN, "host": "10.9.8.7:8000"}

    assert client.get("/metrics", headers=headers).status_code == 200
    assert client.head("/metrics", headers=headers).status_code == 200
    assert client.post("/metrics", headers=headers).status_code == 405


# --- What is told ---------------------------------------------------------------------------------


def test_open_incidents_by_severity_and_state(scraped, declared, service, bob, clock):
    core.acknowledge(core.declare(title="Slow", service=service, severity="SEV2"), actor=bob)
    core.expect_signal(matchers={"dedup_key": "drill"}, until=clock.at + timedelta(hours=1))
    signal = {"dedup_key": "drill", "source": "x", "service": "checkout"}
    core.declare(title="Drill", service=service, severity="SEV1", signal=signal)

    told = scraped()

    assert told["tocsin_open_incidents", "false", "SEV1", "investigating"] == 1
    assert told["tocsin_open_incidents", "true", "SEV2", "investigating"] == 1


def test_lateness_is_from_due_to_done(scraped, declared, phones, clock):
    happen()  # the first page leaves in time
    clock.forward(minutes=5, seconds=2)
    timers.tick()  # the next step is two seconds late
    clock.forward(seconds=3)
    outbox.dispatch(wait=True)  # and its page three

    told = scraped()

    assert told["tocsin_timer_lateness_seconds", "1"] == 2
    assert told["tocsin_page_lateness_seconds", "1"] == 3


def test_what_waits_is_told_with_its_age(scraped, declared, phones, clock):
    clock.forward(seconds=40)

    told = scraped()

    assert (told["tocsin_queue_length", "pages"], told["tocsin_queue_age_seconds", "pages"]) == (
        1,
        40,
    )
    assert told["tocsin_queue_length", "messages"] == 0
    clock.forward(minutes=5)
    assert scraped()["tocsin_queue_age_seconds", "timers"] == 40


def test_what_became_of_messages(scraped, declared, phones, clock):
    happen()
    assert scraped()["tocsin_deliveries_last_hour", "sent", "recorder", "page"] == 1

    clock.forward(hours=1, seconds=1)

    assert ("tocsin_deliveries_last_hour", "sent", "recorder", "page") not in scraped()


def test_the_watch_is_watched(scraped, declared, phones, clock):
    assert scraped()["tocsin_audit_findings", "I2"] != 0  # not a number: nobody has looked
    happen()
    services.look()
    happen()
    clock.forward(seconds=7)
    Heartbeat.objects.create(name="clock", process="host.example:7", at=clock.at)

    told = scraped()
    assert told["tocsin_audit_findings", "I2"] == 0
    assert (told["tocsin_audit_age_seconds",], told["tocsin_canary_age_seconds",]) == (7, 7)
    assert told["tocsin_engine_processes", "clock"] == 1
    assert told["tocsin_engine_processes", "outbox"] == 0

    Timer.objects.pending().of(declared).delete()
    clock.forward(minutes=1)
    services.look()
    assert scraped()["tocsin_audit_findings", "I2"] == 1


def test_no_label_names_anybody(client, declared, phones, clock):
    happen()
    services.look()
    happen()

    text = client.get("/metrics", headers=TOKEN).content.decode().lower()

    for name in ["bob", "alice", "checkout", "payments", "inc-2026", "duty"]:
        assert name not in text


# --- What it costs --------------------------------------------------------------------------------


def test_asking_costs_the_same_however_much_there_is(client, declared, phones, clock):
    with CaptureQueriesContext(connection) as before:
        client.get("/metrics", headers=TOKEN)
    for number in range(6):
        service = ServiceFactory(name=f"S{number}", team=TeamFactory(name=f"T{number}"))
        core.declare(title="Down", service=service, severity=f"SEV{number % 4 + 1}")
    happen()
    with CaptureQueriesContext(connection) as after:
        client.get("/metrics", headers=TOKEN)

    assert len(before) == len(after) <= 20


def test_an_answer_is_kept_for_five_seconds(client, declared, monkeypatch):
    monkeypatch.setattr(health, "_counted", health.Kept(5.0))
    client.get("/metrics", headers=TOKEN)

    with CaptureQueriesContext(connection) as queries:
        client.get("/metrics", headers=TOKEN)

    assert len(queries) == 0
