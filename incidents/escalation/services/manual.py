"""What a person may want of the asking: the next level now, somebody in particular, others."""

import secrets

from django.db import transaction

from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind, User
from incidents.core.services import Draft
from incidents.escalation import targets
from incidents.escalation.models import Escalation, EscalationPolicy
from incidents.escalation.services import asking, calling
from incidents.escalation.services.steps import TIMERS, Run
from incidents.notifications import services as notifications
from incidents.timers import clock
from incidents.timers import services as timers


@transaction.atomic
def escalate(incident: Incident, *, reason: str, actor: User) -> Incident:
    """Ask the next level now, without waiting for the ones before to answer.

    While somebody has the incident, the next level is asked to help and nothing else changes.
    Where nobody was left to ask, it starts over. Raises Refused when the incident is resolved.
    """
    incident = core.lock(incident)
    _require_open(incident, "escalate it")
    now, prompt = clock.now(), _said(actor, reason)
    escalation = asking.escalation_of(incident)
    if incident.is_acknowledged:
        _ask_for_help(incident, escalation, prompt, actor)
        return incident
    timers.cancel_all(incident, kinds=TIMERS)
    if escalation.state == Escalation.State.RUNNING:
        severity = targets.severity_policies([incident])[incident.pk]
        asking.ask([Run(incident, escalation, severity, prompt, actor)], now=now)
        return incident
    notifications.cancel_pages(incident)
    core.raise_paging_epoch(incident)
    escalation.is_ticket = False
    asking.begin(incident, escalation, now=now, prompt=prompt, actor=actor, again=True)
    return incident


def _ask_for_help(incident: Incident, escalation: Escalation, prompt: str, actor: User) -> None:
    severity = targets.severity_policies([incident])[incident.pk]
    escalation.is_ticket = False
    run = Run(incident, escalation, severity, prompt, actor)
    (step,) = asking.ask([run], now=clock.now())
    if step.decision.exhausted:
        raise DomainError(
            f"There is no further level to ask: {step.decision.exhausted}. "
            "Page somebody in particular, or reroute it to another policy."
        )


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


def _said(actor: User, reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason:
        raise DomainError("The reason is missing: write it down.", field="reason")
    if len(reason) > 1_000:
        raise DomainError("The reason is longer than 1000 characters.", field="reason")
    return f"{actor}: {reason}"


def _require_open(incident: Incident, deed: str) -> None:
    if not incident.is_open:
        raise Refused(
            f"{incident.reference} is resolved; reopen it before you {deed}.",
            state=incident.status,
            allowed=["reopen"],
        )
