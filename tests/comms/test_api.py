"""The same over the API, and for the people for whom it is."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.comms import services as comms
from incidents.comms.models import Stakeholders, StatusUpdate
from incidents.core import services as core
from incidents.core.models import Incident, Service, User
from incidents.escalation.models import EscalationPolicy
from incidents.timers.clock import VirtualClock
from tests.api.conftest import caller
from tests.escalation.stage import settle
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db

Say = Callable[..., Any]


@pytest.fixture
def say(taken: Incident, bob: User) -> Say:
    client = caller(bob)
    client.get("/api/v1/me/")

    def send(method: str, what: str, body: Any = None) -> Any:
        return client.send(method, f"/api/v1/incidents/{taken.reference}/{what}/", body)

    return send


def test_it_publishes_and_lists_newest_first(say: Say, desk: Stakeholders):
    first = say("POST", "updates", {"audience": "internal", "known": "One.", "eta": "noon"})
    say("POST", "updates", {"audience": "external", "known": "Two."})

    assert first.status_code == 201
    assert first.json()["on_time"] is True and first.json()["recipients"] == 1
    assert [(one["audience"], one["known"]) for one in say("GET", "updates").json()["results"]] == [
        ("external", "Two."),
        ("internal", "One."),
    ]


def test_a_preview_sends_nothing(say: Say, desk: Stakeholders):
    answer = say("POST", "updates/preview", {"audience": "internal", "known": "One."})

    assert answer.status_code == 200
    assert answer.json()["recipients"] == 1
    assert "One." in answer.json()["text"] and "One." in answer.json()["html"]
    assert not StatusUpdate.objects.exists()


def test_a_list_of_updates_has_a_constant_query_count(say: Say, taken: Incident, bob: User):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert say("GET", "updates").status_code == 200
        return len(queries)

    comms.publish_update(taken, actor=bob, audience="internal", known="One.")
    before = count()
    for number in range(5):
        comms.publish_update(taken, actor=bob, audience="internal", known=f"{number}")

    assert count() == before


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"audience": "internal"}, 400, "known"),
        ({"audience": "all", "known": "x"}, 400, "audience"),
        ({"audience": "internal", "known": "x", "sent": True}, 400, "sent"),
        ({"audience": "internal", "known": "x", "occasion": "apology"}, 400, "occasion"),
    ],
)
def test_it_says_what_is_wrong(say: Say, body: dict[str, Any], status: int, field: str):
    answer = say("POST", "updates", body)

    assert answer.status_code == status
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_about_a_private_incident_nothing_is_told_outside(say: Say, taken: Incident, bob: User):
    taken.is_private = True
    taken.save()
    taken.audience.add(bob)

    answer = say("POST", "updates", {"audience": "external", "known": "x"})

    assert (answer.status_code, answer.json()["code"]) == (409, "private")


def test_a_list_is_made_changed_and_shows_no_address_that_would_let_others_write(
    alice: User, service: Any
):
    client = caller(alice)
    made = client.send(
        "POST",
        "/api/v1/stakeholders/",
        {
            "name": "Merchants",
            "service": "checkout",
            "audience": "external",
            "addresses": [{"kind": "webhook", "address": "https://hooks.example.org/s3cret"}],
        },
    )
    assert made.status_code == 201, made.content
    assert "s3cret" not in made.content.decode()

    changed = client.send(
        "PATCH",
        f"/api/v1/stakeholders/{made.json()['id']}/",
        {"minimum_severity": "SEV2", "people": ["alice"], "addresses": []},
    )

    assert changed.json()["minimum_severity"] == "SEV2"
    assert [one["username"] for one in changed.json()["people"]] == ["alice"]
    assert changed.json()["addresses"] == []


def test_a_list_has_one_owner_and_addresses_that_work(alice: User, service: Any):
    client = caller(alice)
    both = {"name": "x", "service": "checkout", "team": "payments"}
    bad = {"name": "x", "team": "payments", "addresses": [{"kind": "email", "address": "nobody"}]}

    assert client.send("POST", "/api/v1/stakeholders/", both).status_code == 400
    assert client.send("POST", "/api/v1/stakeholders/", bad).status_code == 400
    assert not Stakeholders.objects.exists()


@pytest.fixture
def browser(bob: User) -> Client:
    client = Client()
    client.force_login(bob)
    return client


def test_on_a_phone_an_update_is_previewed_and_then_published(
    browser: Client, taken: Incident, desk: Stakeholders
):
    page = f"/i/{taken.reference}/publish-update/"
    words = {"audience": "internal", "known": "The pool is exhausted."}
    asked = browser.get(f"{page}?audience=external").content.decode()
    assert 'value="external" selected' in asked and 'name="preview"' in asked

    seen = browser.post(page, {**words, "preview": "1"})
    assert seen.status_code == 200
    assert "This is how it will read" in seen.content.decode()
    assert "It goes to 1 person or address." in seen.content.decode()
    assert not StatusUpdate.objects.exists()

    done = browser.post(page, words, follow=True)
    assert done.status_code == 200
    assert "It is published." in done.content.decode()
    assert "The pool is exhausted." in browser.get(f"/i/{taken.reference}/").content.decode()
    assert StatusUpdate.objects.get().known == "The pool is exhausted."


def test_in_the_admin_likewise(taken: Incident, desk: Stakeholders, alice: User):
    browser = Client()
    browser.force_login(alice)
    page = f"/admin/incidents/incident/{taken.pk}/do/publish-update/"
    assert 'name="preview"' in browser.get(page).content.decode()

    seen = browser.post(page, {"audience": "internal", "known": "Slow.", "preview": "1"})
    assert "This is how it will read" in seen.content.decode()
    assert not StatusUpdate.objects.exists()

    browser.post(page, {"audience": "internal", "known": "Slow."})
    shown = browser.get(f"/admin/incidents/incident/{taken.pk}/change/").content.decode()
    assert "Internal 1" in shown and "100% of the promised updates came on time" in shown


def test_what_is_wrong_is_shown_instead_of_a_preview(browser: Client, taken: Incident):
    answer = browser.post(f"/i/{taken.reference}/publish-update/", {"preview": "1"})

    assert answer.status_code == 400
    assert "This is how it will read" not in answer.content.decode()


def test_a_viewer_sees_what_was_told_and_writes_nothing(taken: Incident, team: Any, bob: User):
    comms.publish_update(taken, actor=bob, audience="internal", known="Slow.")
    vera = UserFactory(username="vera")
    MembershipFactory(team=team, user=vera, role="viewer")
    browser = Client()
    browser.force_login(vera)

    page = browser.get(f"/i/{taken.reference}/").content.decode()

    assert "Slow." in page and "Write an update" not in page
    assert browser.post(f"/i/{taken.reference}/publish-update/", {"known": "x"}).status_code == 403


def test_declining_stands_in_the_menu_only_while_it_is_asked(
    browser: Client, taken: Incident, runbook: Any, service: Any, bob: User
):
    assert "Customers are not told" not in browser.get(f"/i/{taken.reference}/").content.decode()
    runbook({"customers": [{"when": "always"}]})
    asked = core.declare(title="Down", service=service, severity="SEV1")

    page = f"/i/{asked.reference}/"
    assert "Customers are not told" in browser.get(page).content.decode()
    browser.post(f"{page}decline-customer-notice/", {"reason": "Nobody noticed."})

    shown = browser.get(page).content.decode()
    assert "Nobody noticed." in shown and "Customers are not told…" not in shown


def test_a_component_is_made_and_changed_by_the_teams_managers(
    service: Service, alice: User, bob: User, clock: VirtualClock
):
    manager, responder = caller(alice, "manage"), caller(bob, "manage")
    address = "/api/v1/components/"
    facts = {"service": service.slug, "name": "Shops", "description": "Tills", "position": 3}
    made = manager.send("POST", address, facts).json()

    changed = manager.send("PATCH", f"{address}{made['id']}/", {"name": "Payments in shops"})
    refused = responder.send("PATCH", f"{address}{made['id']}/", {"is_active": False})
    strange = manager.send("PATCH", f"{address}{made['id']}/", {"service": "other"})

    assert changed.json() == made | {"name": "Payments in shops"}
    assert [changed.status_code, refused.status_code, strange.status_code] == [200, 403, 400]
    assert manager.send("GET", address).json()["results"] == [changed.json()]


def test_an_incident_carries_how_well_promises_were_kept(
    say: Say, taken: Incident, bob: User, clock: VirtualClock, policy: EscalationPolicy
):
    reader = caller(bob)

    def communication() -> Any:
        return reader.send("GET", f"/api/v1/incidents/{taken.reference}/").json()["communication"]

    assert communication() == {
        "share_on_time": None,
        "on_time": 0,
        "late": 0,
        "missed": 0,
        "next_due_at": {"internal": "2026-03-02T10:15:00Z"},
    }
    say("POST", "updates", {"audience": "internal", "known": "One."})
    clock.forward(minutes=16)
    say("POST", "updates", {"audience": "internal", "known": "Two, late."})
    clock.forward(minutes=21)
    settle()

    told = communication()
    assert (told["on_time"], told["late"], told["missed"]) == (1, 1, 1)
    assert told["share_on_time"] == pytest.approx(1 / 3)
