"""Reviews in every state, for whoever looks at pages: one of each, by the verbs."""

from datetime import timedelta

from incidents.core import services as core
from incidents.core.models import Incident, Team, User
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from incidents.runbooks import services as runbooks
from incidents.timers import clock
from tests.factories import ServiceFactory

FIGURES = {
    "impact": "Nobody could print receipts",
    "users_affected": 120,
    "revenue_lost": 300,
    "currency": "EUR",
    "data_lost": "none",
    "downtime_minutes": 12,
    "root_cause": "The printer's driver was changed.",
    "contributing_factors": "- Nobody had *tried* it.\n- The alert came late.",
    "no_actions_reason": "The driver is back.",
    "timeline_checked": True,
}


def build_reviews(team: Team, alice: User, bob: User) -> None:
    """Due, scheduled, held, published and corrected, waived; by a runbook that asks for much."""
    runbooks.apply(runbooks.load("schedgen"), actor=None)
    service = ServiceFactory(name="Receipts", team=team, runbook="schedgen")
    for make in [_due, _scheduled, _held, _published, _waived]:
        incident = core.declare(
            title="Receipts are not printed", service=service, severity="SEV2", actor=bob
        )
        make(_over(incident, alice), alice, bob)


def _over(incident: Incident, alice: User) -> Review:
    core.assign_role(incident, role="commander", user=alice, actor=alice)
    core.resolve(
        incident,
        suspected_cause="The driver",
        root_cause="The driver",
        mitigation="Put back",
        kind="rollback",
        override_reason="It prints again.",
        actor=alice,
    )
    return _now(incident.review)


def _due(review: Review, alice: User, bob: User) -> None:
    """With an added entry, and a question that nobody has answered."""
    reviews.add_entry(review, at=clock.now(), text="Somebody called.", actor=bob)
    why = reviews.ask_why(review, ask="Why?", answer="The driver was changed.", actor=bob)
    reviews.ask_why(review, ask="Why was it changed?", parent=why, actor=bob)


def _scheduled(review: Review, alice: User, bob: User) -> None:
    at = clock.now() + timedelta(hours=20)
    reviews.schedule(review, at=at, place="Room Kiel", facilitator=alice, actor=alice)
    write(review, bob)


def _held(review: Review, alice: User, bob: User) -> None:
    write(review, bob)
    reviews.write_section(review, key="lessons", text="1. **Try** it first.", version=0, actor=bob)
    reviews.hold(_now(review), actor=alice)


def _published(review: Review, alice: User, bob: User) -> None:
    _held(review, alice, bob)
    reviews.publish(_now(review), actor=alice)
    reviews.write_section(_now(review), key="summary", text="Better.", version=0, actor=bob)
    reviews.correct(_now(review), note="The summary was too long.", actor=alice)


def _waived(review: Review, alice: User, bob: User) -> None:
    reviews.waive(review, reason="It was a test of the printer.", actor=alice)


def write(review: Review, actor: User) -> Review:
    """Everything that publishing asks for."""
    review = _now(review)
    return reviews.write_facts(review, version=review.version, actor=actor, **FIGURES)


def _now(review: Review) -> Review:
    return Review.objects.with_context().get(pk=review.pk)
