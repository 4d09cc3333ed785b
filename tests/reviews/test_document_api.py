import pytest

from incidents.core import services as core
from incidents.core.models import Kind
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from tests.browser.reviewed import write

pytestmark = pytest.mark.django_db


@pytest.fixture
def review(incident, alice, bob, clock):
    clock.forward(minutes=5)
    core.acknowledge(incident, actor=bob, via="API")
    core.dismiss(incident, reason="It was a test.", actor=bob)
    found = reviews.request(incident, reason="To learn.", actor=alice)
    return Review.objects.with_context().get(pk=found.pk)


@pytest.fixture
def ask(client, review, alice):
    _, secret = core.issue_token(alice, name="test", scope="manage")

    def ask(method, what, **body):
        return getattr(client, method)(
            f"/api/v1/reviews/{review.incident.reference}/{what}",
            body or None,
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}"},
        )

    return ask


def test_a_section_is_read_and_written(ask):
    before = {one["key"]: one for one in ask("get", "sections/").json()}
    assert before["summary"]["is_composed"] and before["summary"]["version"] == 0

    answer = ask("put", "sections/summary/", text="It *broke*.", version=0)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        **{"key": "summary", "title": "Summary", "text": "It *broke*."},
        **{"version": 1, "is_composed": False},
    }


def test_whoever_was_slower_gets_both_texts(ask, review, bob):
    reviews.write_section(review, key="summary", text="From Bob", version=0, actor=bob)

    answer = ask("put", "sections/summary/", text="From Alice", version=0)

    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["yours"]["text"], problem["theirs"]["text"]) == ("From Alice", "From Bob")
    assert problem["version"] == 1


def test_entries_are_marked_and_added(ask, incident):
    entry = incident.timeline.filter(kind=Kind.ACKNOWLEDGED).get()
    at = incident.declared_at.isoformat()

    assert ask("put", f"timeline/{entry.pk}/", belongs=False).json()["belongs"] is False
    added = ask("post", "timeline/", at=at, text="The pool was looked at.")

    assert added.status_code == 201, added.text
    text = ask("get", "document/").json()["text"]
    assert "The pool was looked at." in text and "Bob acknowledged (API)" not in text
    assert ask("put", "timeline/999999/", belongs=False).status_code == 404


def test_what_somebody_corrected_stays_where_nothing_else_is_sent(ask, incident):
    entry = incident.timeline.filter(kind=Kind.ACKNOWLEDGED).get()
    address, at = f"timeline/{entry.pk}/", incident.declared_at.isoformat()
    ask("put", address, belongs=True, at=at, text="Bob had it at once.")

    kept = ask("put", address, belongs=False).json()
    undone = ask("put", address, belongs=True, at=None, text="").json()

    assert (kept["belongs"], kept["text"]) == (False, "Bob had it at once.")
    assert kept["at"] is not None
    assert (undone["at"], undone["text"]) == (None, "")


def test_what_is_published_is_kept_and_corrected(ask, review, bob, alice):
    write(review, bob)
    reviews.hold(Review.objects.with_context().get(pk=review.pk), actor=alice)
    reviews.publish(Review.objects.with_context().get(pk=review.pk), actor=alice)
    assert ask("post", "correct/", note="Nothing").status_code == 400

    ask("put", "sections/summary/", text="Better.", version=0)
    assert ask("post", "correct/", note="The summary.").status_code == 201

    assert [one["number"] for one in ask("get", "revisions/").json()] == [2, 1]
    made = ask("get", "document/?form=json").json()
    assert made["name"].endswith("-review-2.json")


@pytest.mark.parametrize("form", ["markdown", "html", "json", "yaml"])
def test_it_comes_in_four_forms(ask, form):
    answer = ask("get", f"document/?form={form}")

    assert answer.status_code == 200
    assert "Checkout is down" in answer.json()["text"]
    assert ask("get", "document/?form=docx").status_code == 400
