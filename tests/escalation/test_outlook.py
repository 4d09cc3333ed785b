"""What pages and API show of the rules: when, at whom, and what stops them."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.core import panels
from incidents.core import services as core
from incidents.core.models import ApiToken, Incident, User
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy
from incidents.escalation.outlook import outlook_of
from tests.escalation.rulebook import person, runbook
from tests.escalation.stage import reader, settle
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LEAD, DIRECTOR = {"role": "engineering-lead"}, {"role": "director"}
SLOW = {"degradation": {"title": "Slow", "definition": "Slow.", "severity": "SEV2"}}


def rule(name: str, title: str, **facts) -> dict:
    return {"id": name, "title": title, "to": LEAD, **facts}


RULES = [
    rule("long", "Open for an hour", after="1 h", until="recovered"),
    rule("short", "Not identified", after="15 min", until="identified", action="tell"),
    rule("many", "Several services", fact="multiple_services", to=DIRECTOR),
    rule("stuck", "Stuck", after="15 min", to={"level": "next"}) | {"from": "acknowledged"},
]


@pytest.fixture
def ruled(policy: EscalationPolicy, service) -> Incident:
    person("lena", "engineering-lead")
    runbook(triggers=RULES, required_roles=["commander", "scribe"])
    return core.declare(title="Checkout is down", service=service, severity="SEV1")


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def shown(incident: Incident) -> str:
    found = panels.render("incident", reader(), incident)
    return next((text_of(p.html) for p in found if p.title == "Escalation rules"), "")


def test_it_shows_the_next_first_with_whom_it_calls_and_what_stops_it(ruled):
    text = shown(ruled)

    assert "Vacant: commander, scribe." in text
    assert (
        "in 15 min tell the Engineering Lead (Lena): Not identified "
        "10:15:00 , until its cause is identified or it works again"
    ) in text
    assert "in 1 h 00 min → the Engineering Lead (Lena): Open for an hour" in text
    assert text.index("Not identified") < text.index("Open for an hour") < text.index("Several")


def test_it_shows_what_happens_on_an_occasion_and_that_nobody_is_there(ruled):
    text = shown(ruled)

    assert (
        "When several services are affected → the Director nobody has the function director : "
        "Several services until it is resolved"
    ) in text
    assert "When 15 min after it was acknowledged → the next level: Stuck" in text


def test_what_is_over_or_went_off_stands_apart(ruled, phones, clock, bob):
    core.identify(ruled, suspected_cause="A query", actor=bob)
    core.acknowledge(ruled, actor=bob)
    escalation.report_fact(ruled, fact="multiple_services", reason="Search too", actor=bob)
    settle()

    coming, _, others = shown(Incident.objects.get(pk=ruled.pk)).partition("Not now:")

    assert "Not identified" not in coming
    assert "Several services" not in coming
    assert "Not identified → the Engineering Lead waits" in others
    assert "Several services → the Director went off" in others
    assert "in 15 min → the next level: Stuck" in coming


def test_nothing_is_shown_of_what_is_over_or_has_no_rules(ruled, policy, service, bob):
    core.dismiss(ruled, reason="Nothing", actor=bob)
    core.publish_revision(slug="default", title="Plain", policies=[])
    plain = core.declare(title="It is down", service=service, severity="SEV1")

    assert shown(Incident.objects.get(pk=ruled.pk)) == ""
    assert shown(plain) == ""


def test_it_shows_until_when_it_may_recover_by_itself(policy, service, clock):
    runbook(types={"degradation": SLOW["degradation"] | {"page_after": "2 min"}})
    slow = core.declare(title="Slow", service=service, severity="SEV2", incident_type="degradation")

    assert "in 2 min 0 s those are called whom its severity calls, unless it recovers" in shown(
        slow
    )
    (asking,) = [
        text_of(p.html)
        for p in panels.render("incident", reader(), slow)
        if p.title == "Escalation"
    ]
    assert "Asking not yet: it may recover by itself" in asking


def test_the_phone_shows_it_too(ruled, client, bob):
    client.force_login(bob)

    text = text_of(client.get(f"/i/{ruled.reference}/").text)

    assert "10:15:00 , in 15 min : tell the Engineering Lead (Lena). Not identified" in text
    assert "Several services are affected → the Director (nobody has the function director)" in text


def test_its_queries_do_not_grow_with_the_rules(ruled, service, clock):
    with CaptureQueriesContext(connection) as few:
        outlook_of(ruled, now=clock.at)
    more = [rule(f"more-{n}", "More", after=f"{n} min", to=DIRECTOR) for n in range(1, 40)]
    runbook(triggers=RULES + more, required_roles=["commander", "scribe"])
    other = core.declare(title="It is down", service=service, severity="SEV1")

    with CaptureQueriesContext(connection) as many:
        found = outlook_of(other, now=clock.at)

    assert len(found.prospects) == 43
    assert len(many) == len(few), "\n".join(query["sql"] for query in many)
    assert len(many) <= 8


# --- API ------------------------------------------------------------------------------------------


def call(client: Any, user: User, method: str, incident: Incident, verb: str, **body) -> Any:
    secret = core.issue_token(user, name="tests", scope=ApiToken.Scope.RESPOND)[1]
    address = f"/api/v1/incidents/{incident.reference}/{verb}/"
    facts = {"headers": {"Authorization": f"Bearer {secret}"}}
    if method == "get":
        return client.get(address, **facts)
    return client.post(address, body, content_type="application/json", **facts)


def test_the_api_tells_the_rules(ruled, client, bob):
    answer = call(client, bob, "get", ruled, "escalation-rules")

    assert answer.status_code == 200
    told = answer.json()
    assert told["vacant_roles"] == ["commander", "scribe"]
    first, *_, last = told["triggers"]
    assert (first["id"], first["standing"], first["due_at"]) == (
        "short",
        "due",
        "2026-03-02T10:15:00Z",
    )
    assert [one["username"] for one in first["people"]] == ["lena"]
    assert (last["id"], last["standing"], last["due_at"]) == ("stuck", "ready", None)


def test_a_stranger_to_a_private_incident_does_not_see_its_rules(
    ruled, client, service, bob, alice
):
    private = core.declare(
        title="Leak", service=service, severity="SEV1", is_private=True, audience=[alice]
    )

    assert call(client, bob, "get", private, "escalation-rules").status_code == 404


def test_the_api_escalates_to_a_role_and_because_of_a_fact(ruled, client, phones, bob):
    answer = call(
        client, bob, "post", ruled, "escalate", role="engineering-lead", reason="Who decides?"
    )
    assert answer.status_code == 200, answer.json()
    person("diana", "director")
    answer = call(
        client, bob, "post", ruled, "escalate", fact="multiple_services", reason="Search too"
    )
    assert answer.status_code == 200, answer.json()
    settle()

    assert phones.paged() == ["bob", "diana", "lena"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "ceo"}, "role"),
        ({"fact": "weather"}, "fact"),
        ({"role": "manager", "fact": "database"}, "role"),
    ],
)
def test_the_api_refuses_what_makes_no_sense(ruled, client, bob, body, field):
    answer = call(client, bob, "post", ruled, "escalate", reason="X", **body)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not ruled.timeline.filter(kind="escalated").exists()


# --- Buttons --------------------------------------------------------------------------------------


@pytest.fixture
def root(client) -> User:
    user = UserFactory(username="root", is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


def form(client: Any, incident: Incident) -> str:
    return f"/admin/incidents/incident/{incident.pk}/do/escalate/"


def test_the_button_offers_roles_and_facts_and_calls_them(ruled, client, root, phones):
    asked = client.get(form(client, ruled)).content.decode()
    assert "The next level" in asked
    assert "the Engineering Lead" in asked
    assert "Several services are affected" in asked
    assert "It is about the database" not in asked  # its runbook calls nobody for that

    answer = client.post(form(client, ruled), {"to": "role:engineering-lead", "reason": "Decide"})
    settle()

    assert answer.status_code == 302
    assert phones.paged() == ["bob", "lena"]


def test_without_rules_the_button_asks_for_the_reason_only(policy, service, client, root, phones):
    plain = core.declare(title="It is down", service=service, severity="SEV1")

    assert 'name="to"' not in client.get(form(client, plain)).content.decode()
    client.post(form(client, plain), {"reason": "Now"})
    settle()

    assert phones.paged() == ["alice", "bob"]
