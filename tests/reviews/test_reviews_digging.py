"""Five whys, as a tree with several causes."""

import pytest

from incidents.core.errors import DomainError
from incidents.core.models import User
from incidents.reviews import services as reviews
from incidents.reviews.blame import ASK_BEHIND
from incidents.reviews.errors import Stale
from incidents.reviews.models import Review

pytestmark = pytest.mark.django_db


def test_it_works(review: Review, bob: User):
    first = reviews.ask_why(review, ask="Why was it down?", answer="The disk was full", actor=bob)
    logs = reviews.ask_why(review, ask="Why was it full?", parent=first, actor=bob)
    reviews.answer_why(logs, version=1, answer="Logs were not rotated", actor=bob)
    alarm = reviews.ask_why(
        review, ask="Why did nobody notice?", parent=first, answer="Nothing watches it", actor=bob
    )
    for cause in [logs, alarm]:
        reviews.mark_cause(cause, is_cause=True, actor=bob)

    assert [why.ask for why in first.children.all()] == [logs.ask, alarm.ask]
    assert review.whys.filter(is_cause=True).count() == 2


def test_an_action_item_comes_of_an_answer(review: Review, bob: User):
    why = reviews.ask_why(review, ask="Why?", answer="Logs", actor=bob)

    item = reviews.add_item(review.incident, title="Rotate them", why=why, owner=bob, actor=bob)

    assert why.items.get() == item
    with pytest.raises(DomainError, match="action item came of it"):
        reviews.remove_why(why, version=1, actor=bob)


def test_human_error_is_asked_behind_once(review: Review, bob: User):
    why = reviews.ask_why(review, ask="Why was it deployed?", actor=bob)

    why = reviews.answer_why(why, version=1, answer="It was an operator's error", actor=bob)
    why = reviews.answer_why(why, version=2, answer="It was an operator's mistake", actor=bob)

    assert [one.ask for one in why.children.all()] == [ASK_BEHIND]
    with pytest.raises(DomainError, match="no root cause"):
        reviews.mark_cause(why, is_cause=True, actor=bob)


def test_a_question_is_answered_before_it_is_asked_behind(review: Review, bob: User):
    why = reviews.ask_why(review, ask="Why?", actor=bob)

    with pytest.raises(DomainError, match="Answer that question first"):
        reviews.ask_why(review, ask="And why that?", parent=why, actor=bob)
    with pytest.raises(DomainError, match="Answer it first"):
        reviews.mark_cause(why, is_cause=True, actor=bob)


def test_two_who_answer_at_once_lose_nothing(review: Review, alice: User, bob: User):
    why = reviews.ask_why(review, ask="Why?", actor=bob)
    reviews.answer_why(why, version=1, answer="The disk", actor=alice)

    with pytest.raises(Stale) as stale:
        reviews.answer_why(why, version=1, answer="The logs", actor=bob)

    assert (stale.value.yours, stale.value.theirs) == (
        {"answer": "The logs"},
        {"answer": "The disk"},
    )


def test_what_has_something_behind_it_stays(review: Review, bob: User):
    first = reviews.ask_why(review, ask="Why?", answer="The disk", actor=bob)
    second = reviews.ask_why(review, ask="Why the disk?", parent=first, actor=bob)

    with pytest.raises(DomainError, match="asked behind it"):
        reviews.remove_why(first, version=1, actor=bob)
    reviews.remove_why(second, version=1, actor=bob)
    reviews.remove_why(first, version=1, actor=bob)

    assert not review.whys.exists()


def test_what_was_answered_meanwhile_is_not_taken_out(review: Review, alice: User, bob: User):
    why = reviews.ask_why(review, ask="Why?", actor=bob)
    reviews.answer_why(why, version=1, answer="The disk", actor=alice)

    with pytest.raises(Stale) as stale:
        reviews.remove_why(why, version=1, actor=bob)

    assert stale.value.theirs == {"ask": "Why?", "answer": "The disk"}
    assert review.whys.exists()


def test_twelve_times_is_deep_enough(review: Review, bob: User):
    why = None
    for number in range(12):
        why = reviews.ask_why(review, ask=f"Why {number}?", answer="So", parent=why, actor=bob)

    with pytest.raises(DomainError, match="deep enough"):
        reviews.ask_why(review, ask="Why?", parent=why, actor=bob)
