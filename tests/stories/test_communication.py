"""What everybody is told of one SEV-1 under the fintech runbook, from declaration to all-clear.

Only by public doors: people write over the API, customers read the status page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from incidents.comms import snapshot
from incidents.core import services as core
from incidents.notifications.transports.recorder import Recorder
from incidents.runbooks import services as runbooks
from tests.escalation import conftest as escalation
from tests.escalation.rulebook import person
from tests.escalation.stage import settle

pytestmark = pytest.mark.django_db

schedule, last_resort, phones = escalation.schedule, escalation.last_resort, escalation.phones


@pytest.fixture(autouse=True)
def _status_page_is_read_anew(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    snapshot.forget()
    yield
    snapshot.forget()


@pytest.fixture
def calls(client):
    """`calls(user, "POST", path, **facts)`: over the API, with a token of this person."""
    tokens = {}

    def call(user, method, path, /, **facts):
        if user not in tokens:
            _, tokens[user] = core.issue_token(user, name="story", scope="manage")
        headers = {"Authorization": f"Bearer {tokens[user]}"}
        body = {"data": facts, "content_type": "application/json"} if method == "POST" else {}
        answer = getattr(client, method.lower())(f"/api/v1/{path}", headers=headers, **body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    return call


@pytest.fixture
def house(schedule, last_resort, phones, team, service, alice, calls):
    """Alice, who manages Payments, has set up whom its runbook tells what."""
    person("vera", "vp-engineering")
    runbooks.adopt("fintech", team=team, actor=alice)
    people = [("Support desk", "internal", "desk"), ("Merchants", "external", "merchant")]
    for name, audience, address in people:
        calls(
            alice,
            "POST",
            "stakeholders/",
            name=name,
            audience=audience,
            service="checkout",
            addresses=[{"kind": "recorder", "address": address}],
        )
    for name, address in [("#sev1-incident", "loud"), ("#incidents", "quiet")]:
        calls(
            alice,
            "POST",
            "team-channels/",
            name=name,
            team="payments",
            kind="recorder",
            address=address,
        )
    calls(alice, "POST", "components/", service="checkout", name="Money transfers")


def arrived():
    """(to, urgency, subject) of everything that arrives now."""
    return [(sent.address, sent.urgency, sent.subject) for sent in letters()]


def letters():
    settle()
    found = sorted(Recorder.sent, key=lambda sent: (sent.address, sent.urgency, sent.subject))
    Recorder.sent.clear()
    return found


def minutes(clock, count):
    """(minute of the hour, to, urgency, subject) of the pages and reminders of these minutes.

    That a checklist is overdue is another story.
    """
    found = []
    for _ in range(count):
        clock.forward(minutes=1)
        found += [(clock.at.minute, *one) for one in arrived()]
    return [one for one in found if one[2] == "page" or one[3].startswith("Update due")]


@dataclass
class Outage:
    """One incident and its name, as people and customers see it."""

    calls: Callable[..., Any]
    client: Client
    name: str

    @property
    def about(self) -> str:
        return f"SEV-1 Checkout: Ledger rejects writes ({self.name})"

    @property
    def page(self) -> str:
        return f"SEV-1 Checkout: Ledger rejects writes · Database failure ({self.name})"

    def does(self, who, verb, /, **said):
        return self.calls(who, "POST", f"incidents/{self.name}/{verb}/", **said)

    def writes(self, who, audience, known, **said):
        return self.does(who, "updates", audience=audience, known=known, **said)

    def sees(self, who):
        return self.calls(who, "GET", f"incidents/{self.name}/")

    def public(self) -> tuple[str, list[str]]:
        """The state of the component and that of each update, newest first, on the status page."""
        snapshot.forget()  # it is read anew only every few seconds of the real clock
        document = self.client.get("/status.json").json()
        told = [update["status"] for one in document["incidents"] for update in one["updates"]]
        return document["components"][0]["status"], told


@pytest.fixture
def outage(house, calls, client, bob) -> Outage:
    """10:00: Bob declares it; its severity is that of its type."""
    facts = {"title": "Ledger rejects writes", "incident_type": "database-failure"}
    made = calls(bob, "POST", "incidents/", service="checkout", **facts)
    return Outage(calls, client, made["reference"])


def test_everybody_is_told_from_the_declaration_to_the_all_clear(outage, clock, alice, bob):
    the_channel_and_the_desk_hear_of_it_at_once(outage)
    clock.forward(minutes=1)
    who_has_it_and_who_speaks_are_asked_about_the_customers(outage, alice, bob)
    clock.forward(minutes=4)
    customers_read_what_was_written_for_them_and_nothing_else(outage, alice)
    clock.forward(minutes=5)
    who_is_late_is_reminded_and_then_the_next_level_is_paged(outage, clock, alice)
    clock.forward(minutes=3)
    colleagues_hear_it_late_and_customers_in_time(outage, alice)
    clock.forward(minutes=7)
    it_is_over_and_the_all_clear_is_asked_for(outage, alice, bob)
    clock.forward(minutes=2)
    the_all_clear_ends_it_and_promises_are_judged(outage, clock, alice)


def the_channel_and_the_desk_hear_of_it_at_once(outage):
    posted = (
        "SEV-1 INCIDENT: Ledger rejects writes. Affected: Checkout. Since 2026-03-02 10:00 UTC. "
        "War room: https://meet.example.org/incident"
    )
    assert arrived() == [
        ("alice", "page", outage.page),
        ("bob", "page", outage.page),
        ("desk", "message", "SEV-1 INCIDENT: Ledger rejects writes"),
        ("loud", "message", posted),
    ]
    assert outage.public() == ("operational", [])


def who_has_it_and_who_speaks_are_asked_about_the_customers(outage, alice, bob):
    outage.does(bob, "acknowledge")
    outage.does(bob, "identify", suspected_cause="A full disk on the primary")
    for role, user in [("commander", "bob"), ("technical_lead", "bob")]:
        outage.does(bob, "assign-role", role=role, user=user)
    outage.does(bob, "assign-role", role="communications_lead", user="alice")

    asked = [one for one in arrived() if one[2].startswith("Tell")]
    assert asked == [
        ("alice", "message", f"Tell the customers? {outage.about}"),
        ("bob", "message", f"Tell the customers? {outage.about}"),
    ]


def customers_read_what_was_written_for_them_and_nothing_else(outage, alice):
    told = outage.writes(alice, "external", "Transfers fail.", headline="Transfers fail")

    (letter,) = letters()
    assert letter.address == "merchant"
    assert letter.subject == "We are investigating a problem with Money transfers"
    assert "The next update comes at 2026-03-02 10:20 UTC." in letter.body
    assert told["next_due_at"] == "2026-03-02T10:20:00Z"
    state, updates = outage.public()
    assert (state, updates) == ("major_outage", ["Identified"])
    for face in ["/status/", "/status.json", "/status/feed.atom"]:
        shown = outage.client.get(face).content.decode()
        assert "Transfers fail" in shown
        secret = ["Ledger", "disk", "Bob", outage.name]
        assert not [word for word in secret if word in shown], face


def who_is_late_is_reminded_and_then_the_next_level_is_paged(outage, clock, alice):
    outage.writes(alice, "internal", "The disk is full", done="Bob frees space")
    vacant, told = arrived()
    assert vacant[:2] == ("bob", "message")
    assert vacant[2].startswith("Still without database administrator: ")
    assert told == ("desk", "message", f"SEV-1 {outage.name}: Identified")

    reminder = ("alice", "message", f"Update due: {outage.about}")
    assert minutes(clock, 10) == [(20, *reminder)]
    # 10:25: what customers were promised at 10:20 is missed; colleagues are due.
    reminded, paged = minutes(clock, 5)
    assert reminded == (25, *reminder)
    assert paged == (25, "alice", "page", outage.page)
    told = outage.sees(alice)["communication"]
    assert (told["on_time"], told["late"], told["missed"]) == (2, 0, 1)
    assert told["next_due_at"] == {
        "external": "2026-03-02T10:40:00Z",
        "internal": "2026-03-02T10:25:00Z",
    }


def colleagues_hear_it_late_and_customers_in_time(outage, alice):
    late = outage.writes(alice, "internal", "Space is free", eta="10:40 UTC")
    in_time = outage.writes(alice, "external", "We found it.", done="We repair it", eta="soon")

    assert (late["on_time"], in_time["on_time"]) == (False, True)
    assert [who for who, *_ in arrived()] == ["desk", "merchant"]
    assert outage.public()[1] == ["Identified", "Identified"]


def it_is_over_and_the_all_clear_is_asked_for(outage, alice, bob):
    outage.does(bob, "start-mitigating", mitigation="Freed space", kind="other")
    outage.does(bob, "mark-recovered")
    for item in outage.sees(bob)["checklist"]:
        if item["part"] == "confirm":
            outage.does(bob, f"checklist/{item['id']}/tick")
    outage.does(bob, "resolve", root_cause="Nobody watched the disk")

    others = [one for one in arrived() if not one[2].startswith("Over: ")]
    assert others == [
        ("alice", "message", f"Send the all-clear: {outage.about}"),
        ("bob", "message", f"Review to be held: {outage.about}"),
        ("desk", "message", "[Resolved] [SEV-1] Ledger rejects writes"),
        ("loud", "message", f"RESOLVED {outage.name}: Ledger rejects writes after 35 minutes."),
    ]
    assert outage.public()[0] == "operational"


def the_all_clear_ends_it_and_promises_are_judged(outage, clock, alice):
    outage.writes(alice, "external", "Transfers work again.")

    assert arrived() == [("merchant", "message", "Money transfers works again")]
    assert outage.public()[1][0] == "Resolved"
    assert minutes(clock, 40) == []
    assert outage.sees(alice)["communication"] == {
        "share_on_time": 0.6,
        "on_time": 3,
        "late": 1,
        "missed": 1,
        "next_due_at": {},
    }
    alice.is_staff = True
    alice.save()
    outage.client.force_login(alice)
    card = outage.client.get("/admin/").content.decode().partition('id="telling"')[2][:1500]
    assert "Payments" in card and "<td>60%</td><td>1</td><td>1</td>" in card
