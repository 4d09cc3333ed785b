"""Five whys, as a tree: an answer may have several causes behind it."""

from typing import Any

from django.db import transaction

from incidents.core.errors import DomainError
from incidents.core.models import User
from incidents.reviews.blame import ASK_BEHIND, GROUND_RULE, blames
from incidents.reviews.errors import Stale
from incidents.reviews.models import Review, Why
from incidents.reviews.services.recording import fitting, lock, require_text, require_writable
from incidents.timers import clock

__all__ = ["GROUND_RULE", "answer_why", "ask_why", "mark_cause", "remove_why"]

MOST, DEEPEST = 100, 12


@transaction.atomic
def ask_why(
    review: Review, *, ask: str, actor: User, parent: Why | None = None, answer: str = ""
) -> Why:
    """Ask why, at the beginning or behind an answer."""
    review = lock(review)
    require_writable(review)
    ask = require_text(ask, "The question", field="ask", longest=500)
    if parent is not None:
        parent = _found(review, parent)
        if not parent.answer.strip():
            raise DomainError("Answer that question first, then ask behind it.", field="parent")
    return _ask(review, ask, parent, fitting(answer, "The answer", field="answer"), actor)


@transaction.atomic
def answer_why(
    why: Why,
    *,
    actor: User,
    version: int,
    answer: str | None = None,
    ask: str | None = None,
    is_cause: bool | None = None,
) -> Why:
    """Write or change an answer, or the words of the question, and whether it is a cause.

    All of it or nothing. Raises Stale with both texts.

    Where the answer gives people as the cause, what lies behind it is asked at once.
    """
    review = lock(why.review)
    require_writable(review)
    why = _found(review, why)
    given: dict[str, Any] = {"answer": answer, "ask": ask, "is_cause": is_cause}
    given = {name: value for name, value in given.items() if value is not None}
    _require_version(review, why, version, given)
    if answer is not None or ask is not None:
        _write(review, why, answer, ask, actor)
    return why if is_cause is None else mark_cause(why, is_cause=is_cause, actor=actor)


@transaction.atomic
def mark_cause(why: Why, *, is_cause: bool, actor: User) -> Why:
    """This is a cause that something can be done about. What people did wrong is none."""
    review = lock(why.review)
    require_writable(review)
    why = _found(review, why)
    if is_cause and not why.answer.strip():
        raise DomainError("Answer it first.", field="is_cause")
    if is_cause and blames(why.answer):
        raise DomainError(GROUND_RULE, field="is_cause", code="human_error")
    why.is_cause = is_cause
    why.save(update_fields=["is_cause"])
    return why


@transaction.atomic
def remove_why(why: Why, *, version: int, actor: User) -> None:
    """Take a question out again, unless something was asked or decided behind it.

    Raises Stale with what somebody else has answered since `version`.
    """
    review = lock(why.review)
    require_writable(review)
    why = _found(review, why)
    _require_version(review, why, version, {})
    if why.children.exists():
        raise DomainError("Something was asked behind it; take that out first.", field="why")
    if review.items.filter(why=why).exists():
        raise DomainError("An action item came of it.", field="why")
    why.delete()


def _found(review: Review, why: Why) -> Why:
    found = review.whys.filter(pk=why.pk).first()
    if found is None:
        raise DomainError("There is no such question in this review.", field="why")
    return found


def _require_version(review: Review, why: Why, version: int, given: dict[str, Any]) -> None:
    if version != why.version:
        raise Stale(
            "Somebody else has answered it since you read it: nothing was stored.",
            state=review.state,
            version=why.version,
            yours=given,
            theirs={name: getattr(why, name) for name in given or ["ask", "answer"]},
        )


def _write(review: Review, why: Why, answer: str | None, ask: str | None, actor: User) -> None:
    if answer is not None:
        why.answer = fitting(answer, "The answer", field="answer")
    if ask is not None:
        why.ask = require_text(ask, "The question", field="ask", longest=500)
    why.by, why.at, why.version = actor, clock.now(), why.version + 1
    why.save(update_fields=["answer", "ask", "by", "at", "version"])
    _look_behind(review, why, actor)


def _ask(review: Review, ask: str, parent: Why | None, answer: str, actor: User | None) -> Why:
    depth = _depth(parent)
    if depth >= DEEPEST:
        raise DomainError(f"{DEEPEST} times why is deep enough.", field="parent")
    if review.whys.count() >= MOST:
        raise DomainError(f"There are {MOST} questions already.", field="ask")
    beside = review.whys.filter(parent=parent)
    last = beside.order_by("-position").values_list("position", flat=True).first()
    why = Why.objects.create(
        review=review,
        parent=parent,
        position=(last or 0) + 1,
        ask=ask,
        answer=answer,
        by=actor,
        at=clock.now(),
    )
    _look_behind(review, why, actor)
    return why


def _look_behind(review: Review, why: Why, actor: User | None) -> None:
    """“Human error” is where the questions begin: the next one is asked by itself, once."""
    if blames(why.answer) and not why.children.exists() and _depth(why) < DEEPEST:
        _ask(review, ASK_BEHIND, why, "", None)


def _depth(why: Why | None) -> int:
    depth = 0
    while why is not None:
        depth, why = depth + 1, why.parent
    return depth
