"""Reviews over the API: what people see, and what they are answered."""

from collections.abc import Callable
from typing import Any

import pytest

from incidents.core import services as core
from incidents.core.models import Incident, User
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from tests.reviews.stage import heard, review_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(client: Any) -> Callable[..., Any]:
    tokens: dict[User, str] = {}

    def call(user: User, method: str, path: str, **facts: Any) -> Any:
        if user not in tokens:
            _, tokens[user] = core.issue_token(user, name="test", scope="manage")
        headers = {"Authorization": f"Bearer {tokens[user]}"}
        body = {} if method == "get" else {"data": facts, "content_type": "application/json"}
        return getattr(client, method)(f"/api/v1/reviews/{path}", headers=headers, **body)

    return call


def test_it_works(call, review: Review, over: Incident, bob: User, clock):
    found = call(bob, "get", f"{over.reference}/").json()

    assert (found["state"], found["moves"]) == ("due", ["schedule", "hold", "waive"])
    assert found["facilitator"]["username"] == "bob"
    assert {one["code"] for one in found["unmet"]} >= {"timeline", "contributing_factors"}
    assert [one["user"]["name"] for one in found["attendees"]] == ["Bob", "Alice"]
    assert len(found["ground_rules"]) == 3
    answer = call(bob, "post", f"{over.reference}/schedule/", at="2026-03-04T14:00:00Z")
    assert (answer.status_code, answer.json()["state"]) == (200, "scheduled")
    assert [who for who, _ in heard()] == ["alice", "bob"]


def test_the_list_is_filtered_and_hides_what_is_private(call, review, over, bob, charlie):
    assert len(call(charlie, "get", "?state=due").json()["results"]) == 1
    assert call(charlie, "get", "?state=closed").json()["results"] == []
    assert call(charlie, "get", "?incident__service__slug=checkout").json()["results"]

    over.is_private = True
    over.save()

    assert call(charlie, "get", "").json()["results"] == []
    assert call(charlie, "get", f"{over.reference}/").status_code == 404


def test_two_who_write_at_once_get_both_texts(call, review, over, alice, bob):
    assert call(alice, "patch", f"{over.reference}/", version=1, impact="A").status_code == 200

    answer = call(bob, "patch", f"{over.reference}/", version=1, impact="B")

    assert (answer.status_code, answer.json()["code"]) == (409, "stale")
    assert answer.json()["theirs"] == {"impact": "A"}
    assert answer.json()["yours"] == {"impact": "B"}
    assert answer.json()["version"] == 2


def test_what_is_missing_is_listed(call, review, over, bob):
    reviews.hold(review, actor=bob)

    answer = call(bob, "post", f"{over.reference}/publish/")

    assert (answer.status_code, answer.json()["code"]) == (409, "unmet_criteria")
    assert "timeline" in {one["code"] for one in answer.json()["unmet"]}


def test_a_question_of_another_review_is_not_there(call, review, over, service, bob):
    other = core.declare(title="Other", service=service, severity="SEV4")
    core.dismiss(other, reason="A test", actor=bob)
    foreign = reviews.ask_why(reviews.request(other, reason="x", actor=bob), ask="Why?", actor=bob)

    for method, path, facts in [
        ("patch", f"whys/{foreign.pk}/", {"version": 1, "answer": "x"}),
        ("delete", f"whys/{foreign.pk}/", {}),
        ("post", "whys/", {"ask": "Why?", "parent": foreign.pk}),
        ("post", "steps/1/finish/", {}),
        ("delete", "attendees/999999/", {}),
    ]:
        assert call(bob, method, f"{over.reference}/{path}", **facts).status_code == 404, path


def test_evidence_and_who_it_is_from_stay_with_a_step(call, runbook, phones, service, bob, clock):
    runbook({"follow_ups": [{"title": "Right after", "steps": ["Keep the logs"]}]})
    incident = core.declare(title="Down", service=service, severity="SEV4")
    core.dismiss(incident, reason="A test", actor=bob)
    reviews.request(incident, reason="To learn.", actor=bob)
    (plan,) = call(bob, "get", f"{incident.reference}/").json()["follow_ups"]
    step = plan["steps"][0]["id"]

    done = call(
        bob, "post", f"{incident.reference}/steps/{step}/finish/", link="https://logs.example.org/1"
    ).json()

    assert (done["done_by"]["name"], done["link"]) == ("Bob", "https://logs.example.org/1")
    assert reviews.open_steps(review_of(incident)) == []


def test_an_answer_that_is_no_cause_is_not_stored_as_one_and_a_version_takes_it_out(
    call, review, over, bob
):
    why = reviews.ask_why(review, ask="Why?", actor=bob)
    path = f"{over.reference}/whys/{why.pk}/"

    answer = call(bob, "patch", path, version=1, answer="An operator's error", is_cause=True)

    why.refresh_from_db()
    assert (answer.status_code, why.answer, why.version) == (400, "", 1)
    assert call(bob, "delete", path).status_code == 400
    assert call(bob, "delete", f"{path}?version=2").status_code == 409
    assert call(bob, "delete", f"{path}?version=1").status_code == 204
