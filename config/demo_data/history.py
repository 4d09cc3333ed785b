"""The years so far and the present: when what happens, and the one transaction that makes it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django.db import transaction

from config.demo_data import organisation, present, rare, reviewing
from config.demo_data.lives import Case, outage
from config.demo_data.organisation import Stage
from config.demo_data.walk import Life, Walk, walking
from incidents.alerts import services as alerts
from incidents.core import services as core
from incidents.core.models import Incident, Service, Severity, Team, User
from incidents.notifications import services as notifications
from incidents.notifications.models import Delivery
from incidents.timers import clock
from incidents.timers import services as timers

SHARES = {Severity.SEV1: 2, Severity.SEV2: 8, Severity.SEV3: 40, Severity.SEV4: 50}
# Where the worst happens most.
WEIGHTS = {"critical": 5, "high": 3, "medium": 2, "low": 1}
# Local hours of Europe, in UTC: deployments by day, traffic in the evening, little at night.
HOURS = [2, 2, 2, 2, 2, 3, 4, 6, 9, 10, 10, 9, 8, 9, 10, 10, 9, 8, 7, 7, 6, 5, 3, 2]
QUIET_BEFORE_NOW = timedelta(hours=8)
STORY_ENDS_BEFORE_NOW = timedelta(hours=6)
# The sender is played for these; of the older ones only the outcome is kept.
EVIDENCE = timedelta(days=21)
# Every how many incidents, and which of them.
RARE = [(45, 7, rare.twin), (60, 31, rare.upgrade), (190, 90, rare.drill), (370, 180, rare.secret)]


@dataclass(frozen=True)
class Wish:
    """What is asked for."""

    seed: int
    years: float
    incidents: int
    password: str


def is_empty() -> bool:
    """Nobody works with this database yet."""
    return not any(model._default_manager.exists() for model in [User, Team, Service, Incident])


@transaction.atomic
def make(wish: Wish, *, progress: Callable[[datetime, float], None]) -> Stage:
    """Everything or nothing, in one transaction: nobody else ever sees a moment of the past.

    `progress` is told which moment it is, and how far that is (0 to 1).
    """
    rng, now = Random(wish.seed), clock.now()
    # From midnight on, so that one seed tells one story all day long.
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start = today - timedelta(days=round(365 * wish.years))
    walk = Walk(start, evidence_from=today - EVIDENCE)
    with walking(walk, rng):
        stage = organisation.build(start, wish.password)
        for at, life in _lives(wish, stage, rng, start, now):
            walk.begin(at, life)
        walk.begin(now - timedelta(days=9), _farewell(stage))
        walk.begin(start, rare.swaps(stage, rng))
        walk.run(
            now - STORY_ENDS_BEFORE_NOW,
            step=lambda at: progress(at, (at - start) / (now - start)),
        )
        timers.prune()
        notifications.prune()
        alerts.prune_requests()
        _play_the_present(walk, stage, rng)
        _check_that_nothing_waits()
    return stage


def _lives(
    wish: Wish, stage: Stage, rng: Random, start: datetime, now: datetime
) -> list[tuple[datetime, Life]]:
    """When each incident begins, and how it goes."""
    over, last = now - STORY_ENDS_BEFORE_NOW, now - QUIET_BEFORE_NOW
    days = timedelta(days=(now - start).days + 1)
    moments = [_moment(rng, start, days) for _ in range(wish.incidents - len(present.SCENES))]
    return [(at, _life(number, stage, rng, over)) for number, at in enumerate(moments) if at < last]


def _moment(rng: Random, start: datetime, span: timedelta) -> datetime:
    while True:
        at = start + span * rng.random()
        weight = HOURS[at.hour] * (0.45 if at.weekday() >= 5 else 1.0)
        # The closer to Christmas, the more orders, the more breaks.
        weight *= 1.4 if at.month in {11, 12} else 1.0
        if rng.random() * max(HOURS) * 1.4 < weight:
            return at


def _life(number: int, stage: Stage, rng: Random, over: datetime) -> Life:
    """One incident. Drawn when its time has come, so that it knows the organisation of then."""
    severity = rng.choices(list(SHARES), weights=list(SHARES.values()))[0]
    weights = [
        WEIGHTS[service.criticality] if severity in {"SEV1", "SEV2"} else 1
        for service in stage.services
    ]
    service = rng.choices(stage.services, weights=weights)[0]
    case = Case.drawn(stage, rng, service, severity, over)
    yield from _story(number)(case)


def _story(number: int) -> Callable[[Case], Life]:
    """Mostly a plain outage; every so often something else."""
    for every, at, story in RARE:
        if number % every == at:
            return story
    return _outage_and_review


def _outage_and_review(case: Case) -> Life:
    """What was grave, and not long ago, is talked about afterwards."""
    incident = yield from outage(case)
    if incident is not None and case.is_urgent and reviewing.is_recent(case):
        yield from reviewing.review(case, incident)


def _farewell(stage: Stage) -> Life:
    """Somebody leaves, and nobody thinks of the schedule: his next week has nobody on call."""
    first, _, last = organisation.LEAVER.partition(" ")
    core.deactivate_person(User.objects.get(first_name=first, last_name=last), actor=stage.admin)
    yield timedelta()


def _play_the_present(walk: Walk, stage: Stage, rng: Random) -> None:
    """What is open now, at the real now: making the past took its time."""
    clock.use(None)
    now = clock.now()
    clock.use(walk.clock)
    for ago, scene in present.SCENES:
        walk.begin(now - ago, scene(stage, rng, now))
    walk.run(now)


def _check_that_nothing_waits() -> None:
    waiting = Delivery.objects.alive().count()
    if waiting:
        raise RuntimeError(f"{waiting} deliveries of the past would still leave; nothing is kept.")
