"""What follows the worst outages of the last weeks: a review, and what was decided in it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from config.demo_data.lives import Case, opens_at
from config.demo_data.walk import Life
from incidents.core.models import Incident, User
from incidents.reviews import services as reviews
from incidents.reviews.models import ActionItem, Review, ReviewState
from incidents.timers import clock

# Before that, the demo's teams had no reviews yet.
SINCE = timedelta(days=60)
REASONS = [
    "It hurt customers, and we had seen something like it before.",
    "What would have stopped it an hour earlier?",
    "Two of us did not know where to look first.",
]
CONTRIBUTED = [
    "The dashboard shows the average, in which it could not be seen.",
    "The last two changes went out within the same hour.",
    "The runbook names a host that is gone.",
]
ITEMS = [
    ("prevent", "high", "Try this very failure in staging before each release"),
    ("detect", "high", "Warn while there is still an hour left"),
    ("mitigate", "medium", "Make the repair one command"),
    ("process", "medium", "Have the second on call join as soon as customers are hit"),
    ("document", "low", "Write the steps that helped into the runbook"),
]


def is_recent(case: Case) -> bool:
    return case.ends_before - clock.now() < SINCE


def review(case: Case, incident: Incident) -> Life:
    """Asked for by the manager, held a day or two later, published, and closed when all is done."""
    yield timedelta(hours=2 + 18 * case.rng.random())
    if _is_open(incident):
        return
    manager = case.stage.manager_of(case.service)
    made = reviews.request(incident, reason=case.rng.choice(REASONS), actor=manager)
    yield timedelta(minutes=case.rng.randint(5, 200))
    zone = ZoneInfo(case.service.team.timezone)
    at = opens_at((clock.now() + timedelta(days=1)).astimezone(zone)) + timedelta(hours=2)
    reviews.schedule(made, at=at, place="Room 2.14", actor=_runs(made, manager))
    yield at + timedelta(minutes=55) - clock.now()
    if case.rng.random() < 0.2 or _state(made) != ReviewState.SCHEDULED:
        return  # nobody says what became of it: its manager hears of that
    yield from _hold(case, made, manager)


def _hold(case: Case, made: Review, manager: User) -> Life:
    runs = _runs(made, manager)
    reviews.hold(made, actor=runs)
    _write(case, made, runs)
    items = _decide(case, made, runs)
    yield timedelta(hours=20)
    if _state(made) != ReviewState.HELD:
        return
    reviews.publish(made, actor=_runs(made, manager))
    for item in items:
        yield timedelta(days=2 + 8 * case.rng.random())
        item.refresh_from_db()
        if item.is_pending and case.rng.random() < 0.8:
            reviews.finish_item(item, evidence="It is live, and was seen to work.", actor=manager)
    if _state(made) == ReviewState.PUBLISHED and not reviews.unmet_to_close(made):
        reviews.close(made, actor=manager)


def _write(case: Case, made: Review, runs: User) -> None:
    telling = case.telling
    first = reviews.ask_why(
        made, ask=f"Why did {case.service.name} fail?", answer=f"{telling.cause}.", actor=runs
    )
    second = reviews.ask_why(
        made, ask="Why was that possible?", answer=telling.root, parent=first, actor=runs
    )
    reviews.mark_cause(second, is_cause=True, actor=runs)
    made.refresh_from_db()
    reviews.write_facts(
        made,
        version=made.version,
        impact=made.impact or f"Whoever used {case.service.name} had to wait, or to try again.",
        users_affected=made.users_affected or case.rng.choice([40, 250, 900]),
        root_cause=made.root_cause or telling.root,
        contributing_factors=case.rng.choice(CONTRIBUTED),
        timeline_checked=True,
        actor=runs,
    )


def _decide(case: Case, made: Review, runs: User) -> list[ActionItem]:
    people = [user for user in case.stage.people[case.service.team_id] if user.is_active]
    active = list(User.objects.filter(pk__in=[user.pk for user in people], is_active=True))
    return [
        reviews.add_item(
            made.incident,
            title=title,
            kind=kind,
            priority=priority,
            owner=case.rng.choice(active) if active else None,
            actor=runs,
        )
        for kind, priority, title in case.rng.sample(ITEMS, k=2)
    ]


def _runs(made: Review, manager: User) -> User:
    """Whoever runs it now: people leave."""
    made.refresh_from_db()
    return made.facilitator or manager


def _is_open(incident: Incident) -> bool:
    return Incident.objects.get(pk=incident.pk).is_open


def _state(made: Review) -> str:
    """Where it stands now; a review that waits for its incident stands nowhere."""
    now = Review.objects.get(pk=made.pk)
    return "" if now.suspended_at else str(now.state)
