"""What happens now and then: twins that are merged, secrets, drills, shifts that are swapped."""

from datetime import timedelta
from random import Random

from config.demo_data import faults
from config.demo_data.lives import (
    TO_ACKNOWLEDGE,
    TO_RECOVER,
    WATCHED,
    Case,
    holder,
    report,
    resolve,
)
from config.demo_data.organisation import Stage
from config.demo_data.walk import Life
from incidents.core import services as core
from incidents.core.models import Incident, IncidentRole
from incidents.oncall import services as oncall
from incidents.timers import clock


def twin(case: Case) -> Life:
    """One fault, two alerts: what hangs on the broken service breaks too, and is merged into it."""
    dependents = list(case.service.dependents.order_by("slug")) or [case.service]
    other = case.rng.choice(dependents)
    first = report(case.source(), case.body()).incident
    yield timedelta(seconds=case.rng.randint(20, 90))
    body = case.body() | {
        "dedup_key": f"{other.slug}/errors",
        "service": other.slug,
        "summary": f"{other.name}: errors from {case.service.name}",
    }
    second = report(case.source(), body).incident
    yield case.minutes(TO_ACKNOWLEDGE)
    if first is None or second is None or first == second:
        return
    actor = case.stage.manager_of(case.service)
    for incident in [first, second]:
        incident.refresh_from_db()
        if not incident.is_open:
            return
        core.acknowledge(incident, actor=actor, via="link")
    yield timedelta(minutes=6)
    why = f"{other.name} only suffers from {case.service.name}."
    core.merge(second, into=first, reason=why, actor=actor)
    yield from _mend(case, first)


def upgrade(case: Case) -> Life:
    """It is worse than it looked."""
    case.severity = "SEV3"
    incident = report(case.source(), case.body()).incident
    yield timedelta(minutes=case.rng.randint(10, 40))
    if incident is None or not incident.is_open or incident.severity != "SEV3":
        return
    actor = case.stage.manager_of(case.service)
    core.acknowledge(incident, actor=actor, via="admin")
    reason = "More customers are hurt than it looked."
    core.change_severity(incident, severity="SEV2", reason=reason, actor=actor)
    case.severity = "SEV2"
    core.assign_role(incident, role=IncidentRole.COMMANDER, user=actor, actor=actor)
    yield from _mend(case, incident)


def secret(case: Case) -> Life:
    """Not for everybody's eyes: a private incident with its own audience."""
    case.severity = "SEV2"
    director, manager = case.stage.director, case.stage.manager_of(case.service)
    incident = core.declare(
        title=case.rng.choice(faults.PRIVATE),
        service=case.service,
        severity=case.severity,
        actor=manager,
        via="admin",
        is_private=True,
        audience=[manager, director, case.stage.admin],
    )
    yield timedelta(minutes=3)
    core.acknowledge(incident, actor=manager, via="link")
    yield from _mend(case, incident)


def drill(case: Case) -> Life:
    """Announced to the house beforehand, and a real page for who is on call."""
    body = case.body() | {"dedup_key": f"drill-{clock.now():%Y-%m}", "summary": case.telling.title}
    until = clock.now() + timedelta(hours=1)
    core.expect_signal(matchers={"dedup_key": str(body["dedup_key"])}, until=until)
    incident = report(case.source(), body).incident
    yield timedelta(minutes=4)
    if incident is None:
        return
    actor = case.stage.manager_of(case.service)
    core.acknowledge(incident, actor=actor, via="link")
    yield from _mend(case, incident)


def _mend(case: Case, incident: Incident) -> Life:
    """From having it to Resolved, without detours."""
    yield case.minutes(TO_RECOVER) / 3
    actor = holder(case, incident)
    core.identify(incident, suspected_cause=case.telling.cause, actor=actor)
    yield timedelta(minutes=case.rng.randint(5, 25))
    core.note(incident, text=case.telling.notes[0], actor=holder(case, incident))
    yield case.minutes(TO_RECOVER) / 3
    actor = holder(case, incident)
    core.start_mitigating(
        incident, mitigation=case.telling.repair, kind=case.telling.repair_kind, actor=actor
    )
    yield case.minutes(TO_RECOVER) / 3
    core.mark_recovered(incident, actor=holder(case, incident))
    yield WATCHED
    resolve(case, incident)


def swaps(stage: Stage, rng: Random) -> Life:
    """Every other week somebody takes over a shift of somebody else."""
    while True:
        yield timedelta(days=rng.uniform(5, 18))
        schedule = rng.choice(list(stage.schedules.values()))
        team = [user for user in stage.people[schedule.team_id or 0] if user.is_active]
        starts_at = clock.now() + timedelta(days=rng.randint(1, 12))
        oncall.add_override(
            schedule,
            user=rng.choice(team),
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=rng.choice([8, 24, 48])),
            reason=rng.choice(
                ["Dentist", "Swapped with a colleague", "Conference", "Moving house"]
            ),
            actor=team[0],
        )
