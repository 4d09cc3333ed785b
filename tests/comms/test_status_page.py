"""The public page: what was written for outside and nothing else, even without a database."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents.comms import services as comms
from incidents.comms import snapshot
from incidents.comms.models import Component, PublicIncident
from incidents.comms.tasks import keep_status_page
from incidents.core import services as core
from incidents.core.models import Incident, Service, Team, User
from incidents.timers.clock import VirtualClock
from tests.factories import ServiceFactory

pytestmark = pytest.mark.django_db

SECRET = "xylophone"
ADDRESSES = ["/status/", "/status/feed.atom", "/status.json"]


@pytest.fixture
def outage(service: Service, component: Component, bob: User, clock: VirtualClock) -> Incident:
    """Told about to everybody, after much that is nobody else's business."""
    incident = core.declare(
        title=f"The {SECRET} is down", description=SECRET, service=service, severity="SEV1"
    )
    core.acknowledge(incident, actor=bob)
    core.identify(incident, suspected_cause=f"{SECRET} 7", actor=bob)
    core.note(incident, text=f"{SECRET}!", actor=bob)
    core.record_impact(incident, impact=f"The {SECRET} hurts", actor=bob)
    comms.publish_update(incident, actor=bob, audience="internal", known=f"{SECRET}, all of it.")
    comms.publish_update(
        incident,
        actor=bob,
        audience="external",
        known="Card payments fail.",
        done="We restarted a part.",
        headline="Cards are declined",
    )
    snapshot.forget()
    return incident


def shown(client: Client, address: str = "/status/") -> str:
    snapshot.forget()
    answer = client.get(address)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def document(client: Client) -> dict[str, Any]:
    return json.loads(shown(client, "/status.json"))


def test_without_any_incident_all_is_well(client: Client, component: Component):
    assert "All systems operational" in shown(client)
    assert document(client)["status"]["indicator"] == "operational"
    (told,) = document(client)["components"]
    assert (told["name"], told["status"]) == ("Payments in shops", "operational")
    assert len(told["history"]) == 90


def test_it_shows_what_was_told_outside(client: Client, outage: Incident):
    page = shown(client)

    for words in ["There is a major outage", "Cards are declined", "Card payments fail."]:
        assert words in page
    assert "Payments in shops" in page and "Major outage" in page
    (told,) = document(client)["incidents"]
    assert told["name"] == "Cards are declined"
    assert told["components"] == ["Payments in shops"]
    assert told["updates"][0]["status"] == "Identified"
    entries = ET.fromstring(shown(client, "/status/feed.atom")).findall("{*}entry")
    assert [entry.findtext("{*}title") for entry in entries] == ["Identified: Cards are declined"]


def test_nothing_that_was_written_inside_is_on_any_form_of_it(client: Client, outage: Incident):
    public_id = PublicIncident.objects.get().public_id
    for address in [*ADDRESSES, f"/status/{public_id}/"]:
        text = shown(client, address)
        assert "Card payments fail." in text
        for inside in [SECRET, outage.reference, "Bob", "Checkout"]:
            assert inside not in text, (address, inside)


def test_an_incident_that_nobody_was_told_of_is_not_there(
    client: Client, service: Service, component: Component, bob: User
):
    incident = core.declare(title="Down", service=service, severity="SEV1")
    comms.publish_update(incident, actor=bob, audience="internal", known="Down.")

    assert "All systems operational" in shown(client)
    assert document(client)["incidents"] == []


def test_drills_and_private_incidents_never_appear(
    client: Client, service: Service, component: Component, bob: User, clock: VirtualClock
):
    core.expect_signal(matchers={"dedup_key": "drill"}, until=clock.at + timedelta(hours=1))
    drill = core.declare(
        title="Drill", service=service, severity="SEV1", signal={"dedup_key": "drill"}
    )
    comms.publish_update(drill, actor=bob, audience="external", known="Told in a drill.")
    secret = core.declare(title="Leak", service=service, severity="SEV1")
    comms.publish_update(secret, actor=bob, audience="external", known="Told too early.")
    Incident.objects.filter(pk=secret.pk).update(is_private=True)

    for address in ADDRESSES:
        text = shown(client, address)
        assert "Told in a drill." not in text and "Told too early." not in text
    assert document(client)["status"]["indicator"] == "operational"
    assert not PublicIncident.objects.filter(pk=drill.pk).exists()


def test_when_it_is_over_it_is_past_and_all_is_well(
    client: Client, outage: Incident, bob: User, clock: VirtualClock
):
    clock.forward(minutes=90)
    core.dismiss(outage, reason=f"It was the {SECRET}.", actor=bob)

    page = shown(client)

    assert "All systems operational" in page
    assert "This incident has been resolved." in page and "took 1 hour 30 minutes" in page
    assert SECRET not in page


def test_what_was_reopened_contradicts_itself_neither_open_nor_over(
    client: Client, outage: Incident, bob: User, clock: VirtualClock
):
    def latest() -> str:
        return document(client)["incidents"][0]["updates"][0]["status"]

    core.dismiss(outage, reason="It went away.", actor=bob)
    clock.forward(minutes=1)
    comms.publish_update(outage, actor=bob, audience="external", known="It is over.")
    clock.forward(minutes=1)
    core.reopen(outage, reason="It came back.", actor=bob)
    assert latest() == "Investigating"
    assert "It came back." not in shown(client)

    clock.forward(minutes=1)
    comms.publish_update(outage, actor=bob, audience="external", known="Cards fail again.")
    clock.forward(minutes=1)
    core.dismiss(outage, reason="Now it is.", actor=bob)
    assert latest() == "Resolved"


def test_what_was_pasted_from_a_terminal_takes_the_page_from_nobody(
    client: Client, outage: Incident, bob: User
):
    comms.publish_update(
        outage, actor=bob, audience="external", known="\x1b[31mRed\x0b", headline="Bell\x07"
    )

    entry = ET.fromstring(shown(client, "/status/feed.atom")).find("{*}entry")
    assert entry is not None
    assert entry.findtext("{*}title") == "Identified: Bell"
    assert "[31mRed" in (entry.findtext("{*}summary") or "")
    assert "Red" in shown(client)


def test_it_speaks_utc_also_when_somebody_in_another_zone_makes_the_copy(outage: Incident):
    with timezone.override("Asia/Tokyo"):
        snapshot.keep()

    copy = snapshot.load()
    assert copy is not None
    assert "2 Mar, 10:00 UTC" in copy.html


def test_the_all_clear_is_the_last_word(
    client: Client, outage: Incident, bob: User, clock: VirtualClock
):
    clock.forward(minutes=90)
    core.dismiss(outage, reason="Over.", actor=bob)
    comms.publish_update(outage, actor=bob, audience="external", known="Cards work again.")

    (told,) = document(client)["incidents"]

    assert [one["body"].split("\n")[0] for one in told["updates"]] == [
        "Cards work again.",
        "Card payments fail.",
    ]


def test_history_tells_the_worst_of_each_day_in_words_too(
    client: Client, service: Service, component: Component, bob: User, clock: VirtualClock
):
    for severity in ["SEV3", "SEV1"]:
        incident = core.declare(title="Down", service=service, severity=severity)
        comms.publish_update(incident, actor=bob, audience="external", known="Down.")
        core.dismiss(incident, reason="Over.", actor=bob)
    clock.forward(days=2)

    page, (told,) = shown(client), document(client)["components"]

    bad = [day for day in told["history"] if day["status"] not in {"operational", None}]
    assert bad == [{"date": "2026-03-02", "status": "major_outage"}]
    assert "2 Mar 2026: Major outage (2 incidents)" in page
    assert 'aria-label="Incidents on 1 of the last 3 days: 2 Mar 2026' in page
    assert [day["status"] for day in told["history"]].count(None) == 87  # not shown before then

    clock.forward(days=90)
    assert document(client)["incidents"] == []


def test_a_component_may_be_taken_off_and_services_without_one_are_not_named(
    client: Client, service: Service, component: Component, team: Team, bob: User
):
    hidden = ServiceFactory(name="Ledger", slug="ledger", team=team)
    incident = core.declare(title="Down", service=hidden, severity="SEV2")
    comms.publish_update(incident, actor=bob, audience="external", known="Some bookings are late.")
    comms.set_component(service=service, name="Payments in shops", is_active=False, actor=bob)

    page = shown(client)

    assert "Some bookings are late." in page and "Service disruption" in page
    assert "Ledger" not in page and "Payments in shops" not in page


def test_the_number_of_queries_does_not_grow(
    client: Client, service: Service, component: Component, bob: User
):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            shown(client)
        return len(queries)

    def told_of() -> None:
        incident = core.declare(title="Down", service=service, severity="SEV2")
        for _ in range(3):
            comms.publish_update(incident, actor=bob, audience="external", known="Down.")

    told_of()
    before = count()
    for number in range(4):
        other = ServiceFactory(name=f"S{number}", slug=f"s{number}", team=service.team)
        comms.set_component(service=other, name=f"C{number}", actor=None)
        told_of()

    assert count() == before <= 5


def test_who_asks_again_within_seconds_costs_no_query(client: Client, outage: Incident):
    shown(client)

    with CaptureQueriesContext(connection) as queries:
        for address in ADDRESSES:
            assert client.get(address).status_code == 200

    assert len(queries) == 0


def test_it_needs_no_login_no_script_and_no_inline_style(client: Client, outage: Incident):
    public_id = PublicIncident.objects.get().public_id
    for address in ["/status/", f"/status/{public_id}/"]:
        page = shown(client, address)

        assert "<script" not in page and "style=" not in page and "<style" not in page
        assert client.get(address)["Cache-Control"] == "public, max-age=10"
        assert "sessionid" not in client.cookies


def test_what_somebody_wrote_is_text_and_not_html(client: Client, outage: Incident, bob: User):
    comms.publish_update(
        outage,
        actor=bob,
        audience="external",
        known="<script>alert(1)</script>",
        headline='"><img src=x onerror=alert(1)>',
    )

    page = shown(client)

    assert "<script" not in page and "<img" not in page
    entry = ET.fromstring(shown(client, "/status/feed.atom")).find("{*}entry")
    assert entry is not None
    # Readers take a summary for HTML, and a title for text.
    assert entry.findtext("{*}summary") == "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"


@contextmanager
def database_is_away() -> Iterator[list[str]]:
    """Every query fails as it does when the server is gone; gives those that were tried."""
    tried: list[str] = []

    def refuse(_execute: Any, sql: str, *_: Any) -> Any:
        tried.append(sql)
        raise OperationalError("connection refused")

    snapshot.forget()
    with connection.execute_wrapper(refuse):
        yield tried
    snapshot.forget()  # some seconds have passed


def test_while_the_database_is_away_the_last_copy_is_shown_and_says_so(
    client: Client, outage: Incident, root_browser: Client
):
    public_id = PublicIncident.objects.get().public_id
    keep_status_page()

    for browser in [client, root_browser]:
        with database_is_away():
            pages = {
                address: browser.get(address) for address in [*ADDRESSES, f"/status/{public_id}/"]
            }
        for address, answer in pages.items():
            assert answer.status_code == 200, address
            assert "Card payments fail." in answer.content.decode(), address
            assert answer["X-Status-Copy"] == "stale"
        assert "This is a copy" in pages["/status/"].content.decode()
    assert "This is a copy" not in shown(client)


@pytest.fixture
def root_browser(alice: User) -> Client:
    """Somebody who is logged in: no session is looked up for the page."""
    browser = Client()
    browser.force_login(alice)
    return browser


def test_many_readers_do_not_each_wait_for_a_database_that_is_away(
    client: Client, outage: Incident
):
    keep_status_page()

    with database_is_away() as tried:
        for _ in range(5):
            assert client.get("/status/")["X-Status-Copy"] == "stale"

    assert len(tried) == 1


def test_without_any_copy_it_is_a_503_that_says_when_to_come_back(
    client: Client, errors_expected: None
):
    with database_is_away():
        answer = client.get("/status/")

    assert (answer.status_code, answer["Retry-After"]) == (503, "10")


def test_an_external_update_makes_the_copy_anew_once_it_is_committed(
    outage: Incident, bob: User, tmp_path: Any, django_capture_on_commit_callbacks: Any
):
    with django_capture_on_commit_callbacks(execute=True):
        comms.publish_update(outage, actor=bob, audience="internal", known="Inside.")
    assert not (tmp_path / "status").exists()

    with django_capture_on_commit_callbacks(execute=True):
        comms.publish_update(outage, actor=bob, audience="external", known="We know why.")

    assert "We know why." in (tmp_path / "status" / "index.html").read_text()
    assert len(list((tmp_path / "status" / "incidents").glob("*.html"))) == 1
    assert not list((tmp_path / "status").rglob("*.new"))


def test_it_can_be_switched_off(client: Client, outage: Incident, settings: Any):
    settings.STATUS_PAGE = False

    for address in [*ADDRESSES, f"/status/{PublicIncident.objects.get().public_id}/"]:
        assert client.get(address).status_code == 404


@pytest.mark.parametrize("public_id", ["nothing", "..", "0123456789", "INC-2026-03-02-001"])
def test_an_unknown_incident_is_not_found(client: Client, outage: Incident, public_id: str):
    assert client.get(f"/status/{public_id}/").status_code == 404
