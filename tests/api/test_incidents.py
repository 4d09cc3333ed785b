"""The incident's verbs over the API: what they answer, what they refuse, and how they say so."""

import pytest
from django.test import Client

from incidents.core.models import Incident, Status

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob_says(as_, world):
    caller = as_("responder", scope="respond")

    def say(incident, verb, **facts):
        return caller.send("POST", f"/api/v1/incidents/{incident.reference}/{verb}/", facts)

    return say


def test_an_incident_is_worked_from_the_first_state_to_the_last(world, bob_says, clock):
    incident = world.incident
    assert bob_says(incident, "acknowledge").json()["acknowledged_by"]["username"] == "bob"
    assert bob_says(incident, "identify", suspected_cause="Disk").json()["status"] == "identified"
    mitigating = bob_says(incident, "start-mitigating", mitigation="Logs", kind="restart")
    assert mitigating.json()["next_step"]["state"] == "resolved"
    assert bob_says(incident, "mark-recovered").json()["recovered_at"] is not None
    clock.forward(minutes=10)

    resolved = bob_says(incident, "resolve", root_cause="No rotation")

    assert resolved.status_code == 200, resolved.content
    assert resolved.json()["next_step"] is None
    assert {phase["name"]: phase["met"] for phase in resolved.json()["phases"]}["resolve"] is True


def test_a_refused_move_tells_the_state_what_is_allowed_and_what_is_missing(world, bob_says):
    answer = bob_says(world.incident, "resolve")

    problem = answer.json()
    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    assert problem["state"] == "investigating"
    assert "identified" in problem["allowed"]
    assert {unmet["code"] for unmet in problem["unmet"]} >= {"mitigation", "root_cause"}
    assert Incident.objects.get(pk=world.incident.pk).status == Status.INVESTIGATING


def test_a_skipped_state_is_refused(world, bob_says):
    answer = bob_says(world.incident, "start-mitigating", mitigation="x", kind="restart")

    assert answer.status_code == 409
    assert answer.json()["state"] == "investigating"


def test_a_second_resolve_is_refused(world, bob_says):
    assert bob_says(world.closed, "resolve", root_cause="x").json()["allowed"] == ["reopen"]


def test_acknowledging_twice_is_no_error_and_the_second_person_joins(world, bob_says, as_):
    bob_says(world.incident, "acknowledge")
    address = f"/api/v1/incidents/{world.incident.reference}/acknowledge/"

    again = as_("manager").send("POST", address)

    assert again.status_code == 200
    assert again.json()["acknowledged_by"]["username"] == "bob"


@pytest.mark.parametrize(
    ("verb", "facts", "field"),
    [
        ("identify", {}, "suspected_cause"),
        ("identify", {"suspected_cause": "x", "hack": 1}, "hack"),
        ("identify", {"suspected_cause": ["x"]}, "suspected_cause"),
        ("start-mitigating", {"mitigation": "x", "kind": "prayer"}, "kind"),
        ("change-severity", {"severity": "SEV9", "reason": "x"}, "severity"),
        ("snooze", {"until": "yesterday", "reason": "x"}, "until"),
        ("snooze", {"until": "2020-01-01T00:00:00Z", "reason": "x"}, "until"),
        ("assign-role", {"role": "commander", "user": "nobody"}, "user"),
        ("record-impact", {"users_affected": -1}, "users_affected"),
        ("merge", {"into": "INC-0000"}, "into"),
        ("correct-milestone", {"milestone": "declared", "at": "x", "reason": "y"}, "at"),
    ],
)
def test_bad_input_is_answered_with_the_field_and_what_to_do(world, bob_says, verb, facts, field):
    answer = bob_says(world.incident, verb, **facts)

    assert answer.status_code == 400, answer.content
    assert field in {error["field"] for error in answer.json()["errors"]}


class TestDeclare:
    BODY = {"title": "Payments fail", "service": "checkout"}

    def test_it_works(self, world, as_):
        answer = as_("responder").send("POST", "/api/v1/incidents/", self.BODY)

        assert answer.status_code == 201, answer.content
        assert answer.json()["severity"] == "SEV1"

    def test_a_repeated_request_declares_nothing_more(self, world, as_):
        before = Incident.objects.count()
        headers = {"Idempotency-Key": "one"}
        first, again = (
            as_("responder").send("POST", "/api/v1/incidents/", self.BODY, headers=headers)
            for _ in range(2)
        )

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["reference"] == again.json()["reference"]
        assert again["Idempotent-Replay"] == "true"
        assert Incident.objects.count() == before + 1

    def test_the_same_key_with_another_body_is_refused(self, world, as_):
        caller, headers = as_("responder"), {"Idempotency-Key": "one"}
        caller.send("POST", "/api/v1/incidents/", self.BODY, headers=headers)

        other = {**self.BODY, "title": "Another"}
        answer = caller.send("POST", "/api/v1/incidents/", other, headers=headers)

        assert answer.status_code == 422
        assert answer.json()["code"] == "idempotency_key_reused"

    def test_an_unknown_service_is_named(self, world, as_):
        body = {"title": "x", "service": "nothing-like-it"}

        answer = as_("responder").send("POST", "/api/v1/incidents/", body)

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "service"


def test_an_address_that_does_not_exist_is_a_problem_too(client, db):
    answer = client.get("/api/v1/nonsense/")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_a_mistyped_address_is_told_so_whatever_the_method(world, as_):
    reference = world.incident.reference

    answer = as_("responder").send("POST", f"/api/v1/incidents/{reference}/notes/", {"text": "x"})

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_a_mangled_key_of_a_source_is_no_story_about_forgery(db):
    strict = Client(enforce_csrf_checks=True)

    answer = strict.post("/api/v1/alerts/wrong/", {"summary": "x"}, content_type="application/json")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
