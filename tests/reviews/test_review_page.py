"""The page that a team holds its meeting with: everything is a verb, nobody loses a text."""

import json

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.urls import reverse

from incidents.core import records
from incidents.core import services as core
from incidents.core.models import Kind
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from tests.browser.reviewed import write
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db):
    return UserFactory(username="root", is_superuser=True, is_staff=True)


@pytest.fixture
def review(incident, alice, bob, clock):
    clock.forward(minutes=5)
    core.acknowledge(incident, actor=bob, via="API")
    core.note(incident, text="All 50 connections are taken.", actor=bob)
    core.dismiss(incident, reason="It was a test.", actor=bob)
    return now(reviews.request(incident, reason="To learn.", actor=alice))


@pytest.fixture
def page(client, root, review):
    client.force_login(root)
    return Page(client, review)


def now(review):
    return Review.objects.with_context().get(pk=review.pk)


class Page:
    def __init__(self, client, review):
        self.client, self.review = client, review

    def get(self, what="change/", **query):
        return self.client.get(f"/admin/reviews/review/{self.review.pk}/{what}", query)

    def do(self, verb, **facts):
        address = reverse("admin:reviews_review_verb", args=[self.review.pk, verb])
        return self.client.post(address, facts)

    def write(self, key, **facts):
        return self.client.post(reverse("admin:review-section", args=[self.review.pk, key]), facts)


def test_it_shows_the_document_and_what_is_missing(page):
    text = page.get().content.decode()

    assert "All 50 connections are taken." in text
    assert "Before it can be published:" in text
    assert "Write down the root cause." in text
    assert "What happened" in text  # the usual agenda, as its runbook has none


def test_a_section_is_written(page):
    answer = page.write("summary", text="It **broke**.", version=0)

    assert answer["Location"].endswith("/change/#summary")
    assert "It <strong>broke</strong>." in page.get().content.decode()


def test_two_editors_see_both_texts_and_lose_none(page, bob):
    reviews.write_section(page.review, key="summary", text="From Bob", version=0, actor=bob)

    answer = page.write("summary", text="From root", version=0)

    text = answer.content.decode()
    assert answer.status_code == 409
    assert "From Bob" in text and "From root" in text
    assert 'name="version" value="1"' in text
    assert page.write("summary", text="From both", version=1).status_code == 302


def test_a_preview_stores_nothing(page):
    answer = page.write("summary", text="It *broke*.", version=0, preview="1")

    assert "It <em>broke</em>." in answer.content.decode()
    assert not page.review.sections.exists()


def test_figures_that_somebody_changed_meanwhile_stand_beside_ones_own(page, bob):
    seen = page.get("do/state-facts/").context["seen"]
    write(page.review, bob)

    answer = page.do("state-facts", users_affected=7, data_lost="none", seen=seen)

    assert "Now it says: 120" in answer.content.decode()
    assert now(page.review).users_affected == 120
    again = answer.context["seen"]
    page.do("state-facts", users_affected=7, data_lost="none", seen=again)
    assert now(page.review).users_affected == 7


def test_numbers_that_no_column_holds_are_refused(page):
    seen = page.get("do/state-facts/").context["seen"]
    huge = {"users_affected": 10**10, "downtime_minutes": 10**30, "revenue_lost": 10**12}

    answer = page.do("state-facts", data_lost="none", currency="EUR", seen=seen, **huge)

    assert answer.status_code == 200
    assert set(answer.context["form"].errors) == set(huge)


def test_an_entry_is_left_out_and_corrected(page, incident):
    entry = incident.timeline.get(kind=Kind.NOTE)

    answer = page.do("leave-out", entry=entry.pk)
    assert answer["Location"].endswith("#timeline")
    assert page.review.marks.get().belongs is False

    page.do("correct-entry", entry=entry.pk, at_0="2026-03-02", at_1="10:03:00", text="By 10:03.")
    mark = page.review.marks.get()
    assert (mark.belongs, mark.text) == (True, "By 10:03.")


def test_what_is_agreed_is_an_action_item_of_its_why(page, bob):
    page.do("ask-why", ask="Why did it break?", answer="The pool was empty.")
    why = page.review.whys.get()

    answer = page.do(
        "agree-action",
        **{"title": "A larger pool", "owner": bob.pk, "kind": "prevent"},
        **{"priority": "high", "why": why.pk},
    )

    assert answer["Location"].endswith("#action_items")
    item = page.review.items.get()
    assert (item.owner, item.why, item.is_required) == (bob, why, True)


def test_the_parts_that_change_in_the_meeting_are_fetched_by_themselves(page):
    answer = page.get(fragment="section", key="timeline")

    text = answer.content.decode()
    assert "All 50 connections are taken." in text and "<html" not in text
    assert page.get(fragment="section", key="gossip").status_code == 404


def test_it_is_held_published_and_read(page, bob):
    write(page.review, bob)
    page.do("hold")
    page.do("publish")

    assert now(page.review).state == "published"
    text = page.get("document/").content.decode()
    assert "Revision 1, published by Root" in text
    assert page.get("document/7/").status_code == 404


def test_nobody_without_a_part_in_it_sees_a_private_one(client, review, incident, charlie):
    incident.is_private = True
    incident.save(update_fields=["is_private"])
    charlie.memberships.update(role="manager")
    client.force_login(charlie)

    for what in ["change/", "write/summary/", "document/", "export/json/"]:
        answer = client.get(f"/admin/reviews/review/{review.pk}/{what}")
        assert answer.status_code in {302, 404}, what


def test_the_list_exports_no_formulas(page, incident):
    incident.title = "=HYPERLINK(1)"
    incident.reference = "=INC"
    incident.save(update_fields=["title", "reference"])

    answer = page.client.get(reverse("admin:reviews_review_export"))
    rows = b"".join(answer.streaming_content).decode()

    assert "'=INC" in rows
    assert ",=" not in rows and "\n=" not in rows


@pytest.mark.parametrize(("form", "begins"), [("markdown", "# Post-"), ("html", "<!DOCTYPE")])
def test_the_document_is_a_file(page, form, begins):
    answer = page.get(f"export/{form}/")

    assert "attachment" in answer["Content-Disposition"]
    assert answer.content.decode().startswith(begins)


def test_the_exports_for_machines_can_be_read(page):
    document = json.loads(page.get("export/json/").content)
    record = yaml.safe_load(page.get("export/yaml/").content)

    assert document["reference"] == page.review.incident.reference
    assert records.read(record).reference == page.review.incident.reference
    assert page.get("export/docx/").status_code == 404


def test_the_command_writes_a_file_and_no_second_one(review, tmp_path):
    file = tmp_path / "review.html"
    reference = review.incident.reference

    call_command("review", "export", reference, "--as", "html", "--to", str(file))

    assert file.read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(CommandError, match="is there already"):
        call_command("review", "export", reference, "--to", str(file))
    with pytest.raises(CommandError, match="no revision 3"):
        call_command("review", "export", reference, "--revision", "3")


def test_the_page_asks_as_much_for_many_entries_as_for_few(
    page, incident, bob, django_assert_max_num_queries
):
    page.get()
    for number in range(30):
        core.note(incident, text=f"Note {number}", actor=bob)
        reviews.ask_why(page.review, ask=f"Why {number}?", actor=bob)

    with django_assert_max_num_queries(75):
        page.get()
