import pytest
from django.db import DatabaseError, transaction

from incidents.core import services as core
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import Kind
from incidents.reviews import reading
from incidents.reviews import services as reviews
from incidents.reviews.errors import Stale
from incidents.reviews.markdown import LONGEST
from incidents.reviews.models import Review, ReviewState, Revision
from incidents.reviews.services import publishing, writing
from tests.factories import ServiceFactory
from tests.reviews.stage import written

pytestmark = pytest.mark.django_db


@pytest.fixture
def review(incident, bob, clock):
    clock.forward(minutes=5)
    core.acknowledge(incident, actor=bob, via="API")
    core.note(incident, text="All 50 connections are taken.", actor=bob)
    opened = Review.objects.create(incident=incident, opened_at=clock.at)
    return Review.objects.with_context().get(pk=opened.pk)


@pytest.fixture
def published(review, bob, clock):
    written(review, actor=bob)
    Review.objects.filter(pk=review.pk).update(state=ReviewState.PUBLISHED, facilitator=bob)
    review = Review.objects.with_context().get(pk=review.pk)
    publishing.make_revision(review, actor=bob, at=clock.at)
    return Review.objects.with_context().get(pk=review.pk)


def write(review, text, version, actor, key="summary"):
    return writing.write_section(review, key=key, text=text, version=version, actor=actor)


def told(review):
    return [entry["text"] for entry in reading.document_of(review)["timeline"]["entries"]]


def test_it_writes_a_section(review, bob):
    stored = write(review, "It *broke*.\r\n", 0, bob)

    assert (stored.text, stored.version) == ("It *broke*.", 1)
    sections = reading.document_of(review)["sections"]
    assert next(one for one in sections if one["key"] == "summary")["text"] == "It *broke*."


def test_two_editors_lose_nothing(review, alice, bob):
    write(review, "From Bob", 0, bob)

    with pytest.raises(Stale) as told:
        write(review, "From Alice", 0, alice)

    assert (told.value.yours, told.value.theirs) == ({"text": "From Alice"}, {"text": "From Bob"})
    assert told.value.version == 1
    assert write(review, "From both", 1, alice).version == 2


def test_the_root_cause_is_a_fact_of_the_review(review, bob):
    write(review, "A call inside a transaction.", review.version, bob, key="root_cause")

    review.refresh_from_db()
    assert review.root_cause == "A call inside a transaction."
    assert review.version == 2


def test_it_refuses_sections_that_are_none_and_texts_without_end(review, bob):
    with pytest.raises(DomainError, match="no section 'gossip'"):
        write(review, "x", 0, bob, key="gossip")
    with pytest.raises(DomainError, match="longer than"):
        write(review, "x" * (LONGEST + 1), 0, bob)


def test_it_refuses_a_waived_review(review, bob):
    Review.objects.filter(pk=review.pk).update(state=ReviewState.WAIVED)

    with pytest.raises(Refused):
        write(review, "x", 0, bob)


def test_an_entry_is_left_out_and_taken_back_in(review, incident, bob):
    entry = incident.timeline.get(kind=Kind.NOTE)

    writing.mark_entry(review, entry=entry, belongs=False, actor=bob)
    assert entry.summary not in told(review)

    writing.mark_entry(review, entry=entry, belongs=True, actor=bob)
    assert entry.summary in told(review)
    assert review.marks.count() == 1


def test_a_marked_entry_keeps_its_record(review, incident, bob, clock):
    entry = incident.timeline.get(kind=Kind.NOTE)
    earlier = clock.at.replace(minute=2)

    writing.mark_entry(review, entry=entry, belongs=True, at=earlier, text="By 10:02", actor=bob)

    shown = reading.document_of(review)["timeline"]["entries"]
    assert [one["at"] for one in shown if one["text"] == "By 10:02"] == ["2026-03-02T10:02:00Z"]
    entry.refresh_from_db()
    assert entry.summary == "All 50 connections are taken."


def test_people_add_what_nobody_had_written_down(review, bob, clock):
    mark = writing.add_entry(review, at=clock.at, text="The pool was looked at.", actor=bob)
    assert "The pool was looked at." in told(review)

    writing.change_entry(mark, belongs=False, at=clock.at, text="", actor=bob)
    assert "The pool was looked at." not in told(review)


def test_no_entry_lies_in_the_future_or_belongs_to_another_incident(review, team, bob, clock):
    with pytest.raises(DomainError, match="within its story"):
        writing.add_entry(review, at=clock.at.replace(year=2030), text="x", actor=bob)
    other = core.declare(title="Other", service=ServiceFactory(team=team), actor=bob)
    with pytest.raises(DomainError, match="another incident"):
        writing.mark_entry(review, entry=other.timeline.first(), belongs=True, actor=bob)


def test_a_revision_cannot_be_changed_or_deleted(published):
    revision = published.revisions.get()

    for change in [
        lambda: Revision.objects.filter(pk=revision.pk).update(note="x"),
        revision.delete,
    ]:
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()


def test_a_revision_stays_as_it_was(published, bob):
    before = published.revisions.get().document

    write(published, "Corrected", 0, bob)

    assert published.revisions.get().document == before
    assert reading.has_changed(published)


def test_a_correction_is_another_revision(published, incident, bob):
    write(published, "Corrected", 0, bob)

    revision = publishing.correct(published, note="The summary was wrong.", actor=bob)

    assert (revision.number, revision.note) == (2, "The summary was wrong.")
    assert published.revisions.count() == 2
    entry = incident.timeline.filter(kind=Kind.REVIEW_PUBLISHED).latest("pk")
    assert entry.summary == "Review corrected, revision 2: The summary was wrong."


def test_a_correction_needs_something_new_and_a_published_review(published, bob):
    with pytest.raises(DomainError, match="Nothing has changed"):
        publishing.correct(published, note="x", actor=bob)
    Review.objects.filter(pk=published.pk).update(state=ReviewState.HELD)
    with pytest.raises(Refused):
        publishing.correct(published, note="x", actor=bob)


def test_a_correction_is_for_whoever_decides_and_leaves_nothing_out(published, bob, charlie, clock):
    write(published, "Corrected", 0, bob)
    with pytest.raises(Forbidden, match="may correct it"):
        publishing.correct(published, note="x", actor=charlie)
    version = Review.objects.get(pk=published.pk).version
    reviews.write_facts(published, version=version, root_cause="", actor=bob)
    with pytest.raises(Refused, match="cannot be published yet"):
        publishing.correct(published, note="x", actor=bob)
    Review.objects.filter(pk=published.pk).update(suspended_at=clock.at)
    with pytest.raises(Refused, match="open again"):
        publishing.correct(published, note="x", actor=bob)


def test_composing_asks_as_much_for_many_entries_as_for_few(
    review, incident, bob, django_assert_max_num_queries
):
    for number in range(20):
        core.note(incident, text=f"Note {number}", actor=bob)
    review = Review.objects.with_context().get(pk=review.pk)

    with django_assert_max_num_queries(18):
        reading.document_of(review)
