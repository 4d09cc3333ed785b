"""What is open right now: five incidents in different states, each with a step to come."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from config.demo_data.lives import Case, report
from config.demo_data.organisation import Stage
from config.demo_data.walk import Life
from incidents.core import services as core
from incidents.core.models import Incident, IncidentRole, User
from incidents.oncall import services as oncall
from incidents.timers import clock

type Scene = Callable[[Stage, Random, datetime], Life]


def _opened(
    stage: Stage, rng: Random, slug: str, severity: str, fault: str
) -> tuple[Case, Incident]:
    """A case on this service, and its incident, just declared by an alert."""
    service = next(service for service in stage.services if service.slug == slug)
    case = Case.drawn(stage, rng, service, severity, clock.now() + timedelta(days=1), fault=fault)
    # A key of its own, so that it is no repeat of anything that happened before.
    body = case.body() | {"dedup_key": f"{slug}/{severity}/{clock.now():%Y%m%d}"}
    incident = report(case.source(), body).incident
    if incident is None:
        raise RuntimeError(f"The alert of {slug} led to no incident.")
    return case, incident


def _on_call(case: Case) -> User:
    schedule = case.stage.schedules[case.service.team_id]
    return oncall.on_call_now(schedule) or case.stage.manager_of(case.service)


def unanswered(stage: Stage, rng: Random, now: datetime) -> Life:
    """Who is on call does not answer: the managers are asked by now, the director is next."""
    _opened(stage, rng, "checkout", "SEV1", "bad-deploy")
    yield timedelta()


def late(stage: Stage, rng: Random, now: datetime) -> Life:
    """Mitigating at last; identification took longer than its target."""
    case, incident = _opened(stage, rng, "event-bus", "SEV2", "consumer-lag")
    yield timedelta(minutes=9)
    actor = _on_call(case)
    core.acknowledge(incident, actor=actor, via="link")
    core.assign_role(incident, role=IncidentRole.COMMANDER, user=actor, actor=actor)
    for text in case.telling.notes[:3]:
        yield timedelta(minutes=19)
        core.note(incident, text=text, actor=actor)
    yield timedelta(minutes=8)
    core.identify(incident, suspected_cause=case.telling.cause, actor=actor)
    yield timedelta(minutes=12)
    core.start_mitigating(
        incident, mitigation=case.telling.repair, kind=case.telling.repair_kind, actor=actor
    )
    core.record_impact(
        incident,
        impact="Orders are accepted but confirmed late.",
        users_affected=1_800,
        data_loss=Incident.DataLoss.NONE,
        affected_services=case.service.dependents.order_by("slug")[:4],
        actor=actor,
    )


def watched(stage: Stage, rng: Random, now: datetime) -> Life:
    """It works again; in a few minutes it may be resolved."""
    case, incident = _opened(stage, rng, "search", "SEV2", "slow-queries")
    yield timedelta(minutes=3)
    actor = _on_call(case)
    core.acknowledge(incident, actor=actor, via="link")
    core.assign_role(incident, role=IncidentRole.COMMANDER, user=actor, actor=actor)
    yield timedelta(minutes=12)
    core.identify(incident, suspected_cause=case.telling.cause, actor=actor)
    yield timedelta(minutes=9)
    core.start_mitigating(
        incident, mitigation=case.telling.repair, kind=case.telling.repair_kind, actor=actor
    )
    yield timedelta(minutes=11)
    core.mark_recovered(incident, actor=actor)


def ticket(stage: Stage, rng: Random, now: datetime) -> Life:
    """Somebody looks at it, without hurry."""
    case, incident = _opened(stage, rng, "label-printing", "SEV3", "partner-down")
    yield timedelta(minutes=50)
    actor = _on_call(case)
    core.acknowledge(incident, actor=actor, via="admin")
    yield timedelta(minutes=30)
    core.note(incident, text=case.telling.notes[0], actor=actor)


def put_off(stage: Stage, rng: Random, now: datetime) -> Life:
    """It can wait until tomorrow."""
    case, incident = _opened(stage, rng, "nightly-exports", "SEV4", "job-failed")
    yield timedelta(hours=1)
    reason = "Nobody needs the export before tomorrow."
    until = now + timedelta(hours=16)
    core.snooze(incident, until=until, reason=reason, actor=_on_call(case))


# How long ago each began.
SCENES: list[tuple[timedelta, Scene]] = [
    (timedelta(hours=5), put_off),
    (timedelta(hours=3), ticket),
    (timedelta(minutes=104), late),
    (timedelta(minutes=40), watched),
    (timedelta(minutes=7), unanswered),
]
