"""How incidents go: from the first alert to the end, told as people act. Every act is a verb.

A life is a generator: it acts, then yields how long it waits. Between two acts others take their
turns, timers come due and people are paged.
"""

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from config.demo_data import faults
from config.demo_data.faults import Telling
from config.demo_data.organisation import Stage
from config.demo_data.walk import Life
from incidents.alerts import services as alerts
from incidents.alerts.models import Source
from incidents.alerts.payload import parse
from incidents.alerts.services import Receipt
from incidents.core import services as core
from incidents.core.models import Incident, IncidentRole, Service, User
from incidents.escalation import services as escalation
from incidents.oncall import services as oncall
from incidents.timers import clock

# Median and spread (of the logarithm), in minutes.
TO_ACKNOWLEDGE = {"SEV1": (2.4, 0.6), "SEV2": (4.5, 0.8), "SEV3": (35, 1.0), "SEV4": (80, 1.0)}
TO_RECOVER = {"SEV1": (55, 0.6), "SEV2": (75, 0.7), "SEV3": (150, 0.9), "SEV4": (300, 0.9)}
URGENT = {"SEV1", "SEV2"}
WATCHED = timedelta(minutes=11)  # a little longer than the runbook asks for


@dataclass
class Case:
    """One thing that goes wrong: where, how bad, in which words, and how far the story goes.

    `ends_before`: it is over by then, whatever the dice say.
    """

    stage: Stage
    rng: Random
    service: Service
    severity: str
    telling: Telling
    ends_before: datetime

    @classmethod
    def drawn(
        cls,
        stage: Stage,
        rng: Random,
        service: Service,
        severity: str,
        ends_before: datetime,
        *,
        fault: str = "",
    ) -> "Case":
        needed = list(service.depends_on.order_by("slug"))
        dependency = rng.choice(needed or [other for other in stage.services if other != service])
        telling = faults.tell(
            rng,
            stage.kinds[service.pk],
            service.name,
            dependency.name,
            grave=severity in URGENT,
            slug=fault,
        )
        return cls(stage, rng, service, severity, telling, ends_before)

    @property
    def is_urgent(self) -> bool:
        return self.severity in URGENT

    def minutes(self, figures: Mapping[str, tuple[float, float]]) -> timedelta:
        """A duration by the dice, cut where the story has to end."""
        median, spread = figures[self.severity]
        drawn = timedelta(minutes=median * self.rng.lognormvariate(0, spread))
        left = self.ends_before - clock.now()
        return max(min(drawn, left / 4), timedelta(seconds=40))

    def source(self) -> Source:
        return self.rng.choice(self.stage.sources)

    def body(self, status: str = "firing") -> dict[str, object]:
        return {
            "dedup_key": f"{self.service.slug}/{self.telling.slug}",
            "status": status,
            "service": self.service.slug,
            "severity": self.severity,
            "summary": self.telling.title,
            "description": self.telling.alert,
            "links": [
                {"href": f"https://graphs.example.org/d/{self.service.slug}", "text": "Graph"}
            ],
            "labels": {"team": self.service.team.slug, "env": "production"},
        }


def report(source: Source, body: dict[str, object]) -> Receipt:
    """What a monitor's request does: it is taken in, and kept for whoever wonders what arrives."""
    receipt = alerts.ingest(source, parse(body))
    alerts.log_request(source, status=202, body=json.dumps(body), receipt=receipt)
    return receipt


def outage(case: Case) -> Generator[timedelta, None, Incident | None]:
    """From an alert, or from what a person saw, to Resolved or another end.

    Gives the incident where it was a real one.
    """
    source = None if case.rng.random() < 0.18 else case.source()
    incident = _begin(case, source)
    if incident is None:
        return None
    yield _time_to_answer(case)
    holder(case, incident)
    if case.rng.random() < 0.06:
        yield from _false_alarm(case, incident)
        return None
    yield from _work(case, incident)
    yield from _end(case, incident, source)
    if case.rng.random() < 0.03:
        yield from _once_more(case, incident)
    return incident


def _begin(case: Case, source: Source | None) -> Incident | None:
    """The new incident; None where the signal belongs to one that is open already."""
    if source is not None:
        since = clock.now() - timedelta(seconds=case.rng.randint(20, 400))
        body = case.body() | {"started_at": since.isoformat()}
        receipt = report(source, body)
        return receipt.incident if receipt.action == "declared" else None
    return core.declare(
        title=case.telling.title,
        service=case.service,
        severity=case.severity,
        actor=case.rng.choice(case.stage.people[case.service.team_id]),
        via="admin",
        description="Noticed by hand, no alert so far.",
        started_at=clock.now() - timedelta(minutes=case.rng.randint(5, 90)),
    )


def _time_to_answer(case: Case) -> timedelta:
    """Pages are answered at any hour; what is only a ticket waits for the morning."""
    drawn = case.minutes(TO_ACKNOWLEDGE)
    if not case.is_urgent:
        return _in_working_hours(case, drawn)
    hour = clock.now().astimezone(ZoneInfo(case.service.team.timezone)).hour
    return drawn * 1.7 if hour < 7 or hour >= 23 else drawn


def _in_working_hours(case: Case, pause: timedelta) -> timedelta:
    """`pause`, and until the next working morning where it would end at night."""
    now = clock.now()
    end = (now + pause).astimezone(ZoneInfo(case.service.team.timezone))
    rested = opens_at(end) - now
    return rested if now + rested < case.ends_before else pause


def opens_at(now: datetime) -> datetime:
    """`now` in working hours, else the next working morning."""
    if now.weekday() < 5 and 8 <= now.hour < 17:
        return now
    day = now.date() if now.hour < 8 else now.date() + timedelta(days=1)
    while day.weekday() >= 5:
        day += timedelta(days=1)
    return datetime.combine(day, time(8, 30), now.tzinfo).astimezone(UTC)


def _answer(case: Case, incident: Incident) -> Incident:
    """The incident as it is now; where nobody has it, somebody who was asked takes it."""
    known = Incident.objects.select_related("acknowledged_by").get(pk=incident.pk)
    if known.is_acknowledged:
        return known
    via = case.rng.choice(["link", "link", "API"])
    return core.acknowledge(known, actor=_responder(case, known), via=via)


def _responder(case: Case, incident: Incident) -> User:
    """Who was paged last; of a ticket, who is on call."""
    page = incident.pages.filter(user__is_active=True).order_by("-at").first()
    if page is not None:
        return page.user
    schedule = case.stage.schedules[case.service.team_id]
    return oncall.on_call_now(schedule) or case.stage.manager_of(case.service)


def holder(case: Case, incident: Incident) -> User:
    """Who has it. Where the acknowledgement expired over the work, it is taken again."""
    return _answer(case, incident).acknowledged_by or case.stage.manager_of(case.service)


def _false_alarm(case: Case, incident: Incident) -> Life:
    yield case.minutes(TO_ACKNOWLEDGE)
    reason = case.rng.choice(faults.FALSE_ALARMS)
    core.dismiss(incident, reason=reason, actor=holder(case, incident))


def _work(case: Case, incident: Incident) -> Life:
    """Roles, notes, cause and repair, spread over the time that it takes to recover."""
    notes = iter(case.telling.notes)
    if case.is_urgent:
        _staff(case, incident, holder(case, incident))
    whole = case.minutes(TO_RECOVER)
    acts = list(_acts(case, incident, notes))
    for act in acts:
        # While it burns somebody says something every 20 minutes; a ticket rests overnight.
        pause = whole / len(acts)
        yield (
            min(pause, timedelta(minutes=20)) if case.is_urgent else _in_working_hours(case, pause)
        )
        act(holder(case, incident))


def _acts(
    case: Case, incident: Incident, notes: Iterator[str]
) -> Iterator[Callable[[User], object]]:
    rng, telling = case.rng, case.telling

    def say(actor: User) -> None:
        core.note(incident, text=next(notes), actor=actor)

    def identify(actor: User) -> None:
        core.identify(incident, suspected_cause=telling.cause, actor=actor)

    def mitigate(actor: User) -> None:
        core.start_mitigating(
            incident, mitigation=telling.repair, kind=telling.repair_kind, actor=actor
        )

    yield say
    if not case.is_urgent:
        if rng.random() < 0.4:
            yield identify
            yield mitigate
        return
    if rng.random() < 0.15:
        yield lambda actor: _ask_for_help(case, incident, actor)
    if rng.random() < 0.6:
        yield lambda actor: _impact(case, incident, actor)
    yield identify
    yield say
    yield mitigate
    yield say
    if rng.random() < 0.5:
        yield say


def _staff(case: Case, incident: Incident, actor: User) -> None:
    core.assign_role(incident, role=IncidentRole.COMMANDER, user=actor, actor=actor)
    if case.severity != "SEV1":
        return
    manager = case.stage.manager_of(case.service)
    others = [user for user in case.stage.people[case.service.team_id] if user.is_active]
    for role, user in [
        (IncidentRole.COMMANDER, manager),
        (IncidentRole.TECHNICAL_LEAD, actor),
        (IncidentRole.COMMUNICATIONS_LEAD, case.rng.choice(others)),
        (IncidentRole.SCRIBE, case.rng.choice(others)),
    ]:
        core.assign_role(incident, role=role, user=user, actor=actor)
    for text in ["Open a bridge", "Tell customer support", "Freeze deployments"]:
        item = core.add_checklist_item(incident, text=text, phase="First minutes", actor=actor)
        if case.rng.random() < 0.8:
            core.tick(item, actor=actor)


def _ask_for_help(case: Case, incident: Incident, actor: User) -> None:
    neighbour = case.rng.choice(list(case.service.depends_on.order_by("slug")) or [case.service])
    helper = case.rng.choice(case.stage.people[neighbour.team_id][1:])
    if helper != actor and helper.is_active:
        reason = f"Need somebody who knows {neighbour.name}."
        escalation.page_person(incident, user=helper, reason=reason, actor=actor)


def _impact(case: Case, incident: Incident, actor: User) -> None:
    core.record_impact(
        incident,
        impact=f"Customers of {case.service.name} see errors or long waits.",
        users_affected=case.rng.choice([40, 250, 900, 3_000, 12_000]),
        data_loss=Incident.DataLoss.NONE,
        affected_services=case.service.dependents.order_by("slug")[:3],
        actor=actor,
    )


def _end(case: Case, incident: Incident, source: Source | None) -> Life:
    """It works again, is watched for a while, and is resolved."""
    if source is not None:
        report(source, case.body("resolved"))
    else:
        core.mark_recovered(incident, actor=holder(case, incident))
    if source is not None and case.rng.random() < 0.05:
        yield timedelta(minutes=4)
        report(source, case.body())
        yield timedelta(minutes=case.rng.randint(6, 25))
        report(source, case.body("resolved"))
    yield WATCHED * (1 + case.rng.random())
    resolve(case, incident)
    if case.is_urgent and case.rng.random() < 0.2:
        yield timedelta(minutes=case.rng.randint(20, 200))
        _correct(case, incident)


def _correct(case: Case, incident: Incident) -> None:
    """Afterwards the graphs show that it began earlier than was thought."""
    incident.refresh_from_db()
    earlier = incident.started_at or incident.clock_starts_at
    core.correct_milestone(
        incident,
        milestone="started",
        at=earlier - timedelta(minutes=case.rng.randint(3, 30)),
        reason="The graphs show the first errors earlier.",
        actor=case.stage.manager_of(case.service),
    )


def resolve(case: Case, incident: Incident) -> None:
    telling = case.telling
    knows = case.is_urgent or case.rng.random() < 0.4
    core.resolve(
        incident,
        root_cause=telling.root if knows else "",
        suspected_cause=telling.cause,
        mitigation=telling.repair,
        kind=telling.repair_kind,
        resolution="" if knows else "Watched it for a while; it stays away.",
        actor=holder(case, incident),
    )


def _once_more(case: Case, incident: Incident) -> Life:
    """It was not over after all."""
    yield case.minutes(TO_RECOVER) / 2
    team = [user for user in case.stage.people[case.service.team_id] if user.is_active]
    reason = case.rng.choice(faults.REOPENINGS)
    core.reopen(incident, reason=reason, actor=case.rng.choice(team))
    yield case.minutes(TO_ACKNOWLEDGE)
    core.note(incident, text="Same picture as before.", actor=holder(case, incident))
    yield case.minutes(TO_RECOVER) / 2
    core.mark_recovered(incident, actor=holder(case, incident))
    yield WATCHED
    resolve(case, incident)
