"""What the rules of a runbook do when they are due, and what they find to be so."""

from collections.abc import Collection
from datetime import datetime

from incidents.core import services as core
from incidents.core.models import Attestation, Incident, Kind, SeverityPolicy
from incidents.core.services import Draft
from incidents.escalation import rules, targets
from incidents.escalation.section import Filling, Trigger
from incidents.escalation.services.climbing import climb_by_rule
from incidents.escalation.services.steps import ROLES, STEP, TICKET_DUE
from incidents.escalation.services.summoning import Summons, at_work, paged_since, summon
from incidents.timers import services as timers
from incidents.timers.models import Timer


def call_at_declaration(
    incident: Incident, *, now: datetime, only_tell: bool = False, but: Collection[str] = ()
) -> None:
    """Page and tell whom its severity and type call (incident locked), nobody twice at once.

    Once somebody has it, nobody is paged who was before; while it works again, nobody at all.
    `but`: the roles that were called before.
    """
    if not incident.is_open or incident.recovered_at is not None:
        return
    page, tell = rules.called_at_declaration(incident)
    page = [] if only_tell else [role for role in page if role not in but]
    tell = [role for role in tell if role not in but]
    if not page and not tell:
        return
    spare = paged_since(incident, incident.declared_at)
    if incident.is_acknowledged:
        spare |= at_work(incident) | set(incident.pages.values_list("user_id", flat=True))
    severity = targets.severity_policies([incident])[incident.pk]
    why = f"{severity.label} calls for that at once."
    is_ticket = severity.response == SeverityPolicy.Response.TICKET
    know = _ticket_holders(incident) if tell and is_ticket else set()
    summon(Summons(incident, why, page=page, tell=tell, spare=spare, know=know), now=now)


def _ticket_holders(incident: Incident) -> set[int]:
    sent = incident.timeline.filter(kind=Kind.TICKETED).values_list("data__people", flat=True)
    return {person for people in sent for person in people}


def run_calls(incident: Incident, *, now: datetime) -> None:
    """It was given the time to recover by itself (timer, incident locked).

    Whoever has it by now needs nobody else; those who are only told are.
    """
    incident = Incident.objects.with_context().get(pk=incident.pk)
    call_at_declaration(incident, now=now, only_tell=incident.is_acknowledged)


def run_trigger(incident: Incident, key: str, *, due_at: datetime, now: datetime) -> None:
    """Its moment has come (timer, incident locked): it goes off if it still says so."""
    incident = Incident.objects.with_context().get(pk=incident.pk)
    trigger = next((one for one in rules.triggers_of(incident) if one.id == key), None)
    if trigger is not None and not rules.is_over(trigger, incident) and _holds(trigger, incident):
        go_off(incident, trigger, now=now, due_at=due_at)


def _holds(trigger: Trigger, incident: Incident) -> bool:
    if trigger.fact is not None:
        return trigger.fact in known_facts(incident)
    if trigger.measured:
        stated = latest(incident, trigger.measured)
        return stated is not None and trigger.is_met_by(stated.value, stated.unit)
    is_stuck = incident.is_acknowledged and not incident.snoozed_until
    return trigger.since == "declared" or is_stuck


def go_off(
    incident: Incident, trigger: Trigger, *, now: datetime, due_at: datetime, said: str = ""
) -> None:
    """Do what the trigger says (incident locked), and write down that it did, and why.

    `said`: by whom and with which words, where somebody reported it.
    """
    if isinstance(trigger, Filling) and _is_filled(incident, trigger):
        return
    why = f"{trigger.title.rstrip('.')}. {said}".strip()
    deed = "Told" if trigger.action == "tell" else "Escalated to"
    aim = rules.aim(trigger, rules.section_for(incident))
    facts = {"trigger": trigger.id, "epoch": incident.paging_epoch}
    draft = Draft(incident, Kind.ESCALATED, f"{deed} {aim}: {why}", data=facts)
    core.record_many([draft], at=now)
    if trigger.severity is not None:
        core.change_severity(incident, severity=trigger.severity, reason=why, actor=None)
        return
    spare = at_work(incident) | paged_since(incident, due_at)
    if trigger.to is not None and trigger.to.role is not None:
        called = [trigger.to.role]
        page, tell = ([], called) if trigger.action == "tell" else (called, [])
        fills = isinstance(trigger, Filling)
        summons = Summons(incident, why, page=page, tell=tell, spare=spare, or_next_level=not fills)
        summon(summons, now=now)
        if fills:
            remind_later(incident, now=now)
        return
    refused = (
        ""
        if _was_asked_since(incident, due_at)
        else climb_by_rule(incident, why=why, now=now, spare=spare)
    )
    if refused:
        text = f"No further level was asked: {refused}."
        draft = Draft(incident, Kind.LEVEL_SKIPPED, text, data={**facts, "why": refused})
        core.record_many([draft], at=now)


def remind_later(incident: Incident, *, now: datetime) -> None:
    """Whoever leads it is reminded of vacant roles, unless that is to come anyway."""
    if not Timer.objects.pending().of(incident).filter(kind=ROLES).exists():
        later = now + rules.section_for(incident).remind_roles
        timers.schedule_many([timers.Wanted(ROLES, incident, later)], now=now)


def _is_filled(incident: Incident, filling: Filling) -> bool:
    return bool(incident.roles.filter(role=filling.fills, until=None).exists())


def _was_asked_since(incident: Incident, due_at: datetime) -> bool:
    """Whether the ladder took a step of its own at that moment or later: one is enough."""
    steps = Timer.objects.of(incident).filter(kind__in=[STEP, TICKET_DUE], state=Timer.State.DONE)
    return steps.filter(ended_at__gte=due_at).exists()


# --- What is so -----------------------------------------------------------------------------------


def known_facts(incident: Incident) -> set[str]:
    """What follows from its type and impact, and what somebody reported."""
    affected = incident.affected_services.values_list("pk", flat=True)
    notes = incident.timeline.filter(kind=Kind.NOTE, data__fact__isnull=False)
    return rules.facts_of(incident, affected) | set(notes.values_list("data__fact", flat=True))


def fired(incident: Incident, *, since: Collection[Kind] = ()) -> set[str]:
    """Ids of the triggers that have gone off since it was declared, reopened, or `since` then."""
    beginnings = {Kind.REOPENED, *since}
    entries = incident.timeline.filter(kind__in=[Kind.ESCALATED, *beginnings]).order_by("pk")
    found: set[str] = set()
    for kind, data in entries.values_list("kind", "data"):
        if kind in beginnings:
            found.clear()
        elif "trigger" in data:
            found.add(data["trigger"])
    return found


def latest(incident: Incident, fact: str) -> Attestation | None:
    """What was attested last of it, since it last broke."""
    stated = incident.attestations.filter(fact=fact).order_by("-at", "-pk").first()
    if stated is None:
        return None
    broke = incident.timeline.filter(kind__in=[Kind.RELAPSED, Kind.REOPENED], at__gt=stated.at)
    return None if broke.exists() else stated
