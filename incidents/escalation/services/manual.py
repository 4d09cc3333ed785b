"""What a person may want of the asking: the next level now, somebody in particular, others."""

import secrets

from django.db import transaction

from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind, User
from incidents.core.services import Draft
from incidents.escalation import roles, rules, section, targets
from incidents.escalation.models import EscalationPolicy
from incidents.escalation.services import asking, calling
from incidents.escalation.services.climbing import climb
from incidents.escalation.services.going_off import fired, go_off
from incidents.escalation.services.steps import TIMERS
from incidents.escalation.services.summoning import Summons, summon
from incidents.notifications import services as notifications
from incidents.timers import clock
from incidents.timers import services as timers


@transaction.atomic
def escalate(
    incident: Incident, *, reason: str, actor: User | None, role: str = "", fact: str = ""
) -> Incident:
    """Ask the next level now, without waiting for the ones before to answer.

    While somebody has the incident, the next level is asked to help and nothing else changes.
    Where nobody was left to ask, it starts over. `role`: whoever has that role is asked instead;
    `fact`: those whom the runbook calls for it. `actor` None: Tocsin itself escalates. Raises
    Refused when the incident is resolved, DomainError where no further level can help.
    """
    if role and fact:
        raise DomainError("Escalate to a role or because of a fact, not both.", field="role")
    if role:
        return call_role(incident, role=role, reason=reason, actor=actor)
    if fact:
        return report_fact(incident, fact=fact, reason=reason, actor=actor)
    incident = core.lock(incident)
    _require_open(incident, "escalate it")
    exhausted = climb(incident, prompt=_said(actor, reason), actor=actor, now=clock.now())
    if exhausted and incident.is_acknowledged:
        raise DomainError(
            f"There is no further level to ask: {exhausted}. "
            "Page somebody in particular, or reroute it to another policy."
        )
    return incident


@transaction.atomic
def call_role(incident: Incident, *, role: str, reason: str, actor: User | None) -> Incident:
    """Page whoever has this role now, or stands in for it; else the next level is asked.

    A role that its runbook does not know is the function that people have in a team: where nobody
    has it, DomainError. Raises Refused when the incident is resolved.
    """
    incident = core.lock(incident)
    _require_open(incident, "escalate it")
    now, prompt, plan = clock.now(), _said(actor, reason), rules.section_for(incident)
    known = {*section.BUILT_IN, *plan.roles}
    if role not in known and not roles.ways(incident, [role], now)[role][0].people:
        raise DomainError(
            f"Nobody is {role}; choose one of {', '.join(sorted(known))}, or a function that "
            "somebody has in a team.",
            field="role",
        )
    text = f"Escalated to {rules.called(role, plan)}. {prompt}"
    facts = {"role": role, "epoch": incident.paging_epoch}
    core.record_many([Draft(incident, Kind.ESCALATED, text, actor, facts)], at=now)
    spare = {actor.pk} if actor else set()
    summon(Summons(incident, prompt, page=[role], actor=actor, spare=spare), now=now)
    return incident


@transaction.atomic
def report_fact(incident: Incident, *, fact: str, reason: str, actor: User | None) -> Incident:
    """Say that something is so for which the runbook calls somebody; they are called at once.

    Each of its triggers goes off once for an incident. Raises Refused when it is resolved.
    """
    incident = core.lock(incident)
    _require_open(incident, "report anything about it")
    if fact not in rules.FACTS:
        raise DomainError(
            f"{fact!r} is no fact; use one of {', '.join(rules.FACTS)}.", field="fact"
        )
    now, prompt = clock.now(), _said(actor, reason)
    about = [one for one in rules.triggers_of(incident) if one.fact == fact]
    gone = fired(incident) if about else set()
    due = [one for one in about if one.id not in gone and not rules.is_over(one, incident)]
    otherwise = " Its runbook calls nobody for that." if not about else " That was known."
    text = f"{rules.FACTS[fact]}: {' '.join(reason.split())}{'' if due else otherwise}"
    core.record_many([Draft(incident, Kind.NOTE, text, actor, {"fact": fact})], at=now)
    for trigger in due:
        go_off(core.lock(incident), trigger, now=now, due_at=now, said=prompt)
    return core.lock(incident)


@transaction.atomic
def page_person(incident: Incident, *, user: User, reason: str, actor: User) -> Incident:
    """Page `user` now, whoever else is being asked and whether or not somebody has it.

    Raises Refused when the incident is resolved, DomainError when this person cannot be reached
    or may not see the incident.
    """
    incident = core.lock(incident)
    _require_open(incident, "page somebody")
    if not user.is_active:
        raise DomainError(f"{user} is deactivated; page somebody else.", field="user")
    if incident.is_private and not incident.audience.filter(pk=user.pk).exists():
        raise DomainError(
            f"{user} may not see this private incident; page somebody of its audience.",
            field="user",
        )
    now, prompt = clock.now(), _said(actor, reason)
    call = calling.Call(
        incident=incident,
        user=user,
        key=f"{incident.paging_epoch}.asked.{secrets.token_hex(6)}",
        severity=targets.severity_policies([incident])[incident.pk].label,
        asked="You are asked for.",
        prompt=prompt,
        requested_by=actor,
    )
    if calling.page([call], now=now):
        raise DomainError(
            f"{user} has no verified way to be reached; page somebody else.", field="user"
        )
    draft = Draft(
        incident,
        Kind.PAGED,
        f"Paged {user}: {prompt}",
        actor,
        {"people": [user.pk], "epoch": incident.paging_epoch, "level": None},
    )
    core.record_many([draft], at=now)
    return incident


@transaction.atomic
def reroute(incident: Incident, *, policy: EscalationPolicy, reason: str, actor: User) -> Incident:
    """Hand it to the people of another policy, from its first level on.

    Whoever has it gives it back by that. The policy stays, whatever is assigned; raises
    DomainError for one by which nobody could be asked.
    """
    incident = core.lock(incident)
    _require_open(incident, "reroute it")
    policy = EscalationPolicy.objects.get(pk=policy.pk)
    if not policy.is_active or not policy.levels.exists():
        flaw = "has no levels" if policy.is_active else "is switched off"
        raise DomainError(f"{policy} {flaw}; choose another policy.", field="policy")
    now, prompt = clock.now(), _said(actor, reason)
    escalation = asking.escalation_of(incident)
    escalation.policy, escalation.is_rerouted, escalation.is_ticket = policy, True, False
    draft = Draft(
        incident,
        Kind.ESCALATED,
        f"Rerouted to {policy}. {prompt}",
        actor,
        {"policy": policy.name, "rerouted": True},
    )
    core.record_many([draft], at=now)
    if incident.is_acknowledged:
        asking.save([escalation])
        return core.unacknowledge(incident, actor=actor, reason=f"Rerouted to {policy}. {prompt}")
    timers.cancel_all(incident, kinds=TIMERS)
    notifications.cancel_pages(incident)
    core.raise_paging_epoch(incident)
    asking.begin(incident, escalation, now=now, prompt=prompt, again=True)
    return incident


def _said(actor: User | None, reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason:
        raise DomainError("The reason is missing: write it down.", field="reason")
    if len(reason) > 1_000:
        raise DomainError("The reason is longer than 1000 characters.", field="reason")
    return f"{actor}: {reason}" if actor else reason


def _require_open(incident: Incident, deed: str) -> None:
    if not incident.is_open:
        raise Refused(
            f"{incident.reference} is resolved; reopen it before you {deed}.",
            state=incident.status,
            allowed=["reopen"],
        )
