"""What follows for the asking when something happens to the incident."""

from datetime import datetime, timedelta

from incidents.core import services as core
from incidents.core.models import Incident, Severity, SeverityPolicy, User
from incidents.escalation import rules, targets
from incidents.escalation.models import Escalation, Page
from incidents.escalation.services import asking
from incidents.escalation.services.steps import ACK_EXPIRY, CALLS, RULES, STEP, TIMERS, Run
from incidents.escalation.wording import duration_text
from incidents.notifications import services as notifications
from incidents.timers import services as timers

State = Escalation.State


def pause(incident: Incident, *, by: User | None, now: datetime) -> None:
    """Somebody has it (acknowledged or snoozed): nobody is asked any further."""
    timers.cancel_all(incident, kinds=TIMERS)
    notifications.cancel_pages(incident)
    Escalation.objects.filter(pk=incident.pk).update(state=State.PAUSED)
    if by is not None:
        mark_answered(incident, by=by, now=now)


def mark_answered(incident: Incident, *, by: User, now: datetime) -> None:
    """This person acknowledged or joined: the pages to him or her have done their work."""
    Page.objects.of(incident).filter(user=by, acknowledged_at=None).update(acknowledged_at=now)


def end(incident: Incident) -> None:
    """It is over: nothing is due any more."""
    timers.cancel_all(incident, kinds=TIMERS | RULES)
    notifications.cancel_pages(incident)
    Escalation.objects.filter(pk=incident.pk).update(state=State.ENDED)


def reopen(incident: Incident, *, now: datetime, prompt: str) -> None:
    """It was not over: begin anew. Links of the pages from before do not acknowledge it."""
    timers.cancel_all(incident, kinds=TIMERS)
    escalation = asking.escalation_of(incident)
    escalation.links_from_epoch = incident.paging_epoch
    asking.begin(incident, escalation, now=now, prompt=prompt)


def keep_alive(incident: Incident, *, now: datetime) -> None:
    """Somebody did something about it: the acknowledgement expires that much later.

    A ticket's does not expire: it would page at night for what can wait.
    """
    if not (incident.is_open and incident.is_acknowledged) or incident.snoozed_until:
        return
    escalation = asking.escalation_of(incident)
    expiry = escalation.policy and escalation.policy.acknowledgement_expiry
    if not expiry or escalation.is_ticket:
        return
    timers.schedule_many(
        [timers.Wanted(ACK_EXPIRY, incident, now + expiry, epoch=incident.paging_epoch)], now=now
    )


def expire_acknowledgement(incident: Incident) -> None:
    """Nothing was done for as long as the policy allows (timer, incident locked): ask again."""
    if not (incident.is_open and incident.is_acknowledged) or incident.snoozed_until:
        return
    escalation = asking.escalation_of(incident)
    expiry = escalation.policy and escalation.policy.acknowledgement_expiry
    idle = f" for {duration_text(expiry)}" if expiry else ""
    core.unacknowledge(incident, actor=None, reason=f"nothing was done{idle}.")


def change_severity(
    incident: Incident, *, old: str, prompt: str, actor: User | None, now: datetime
) -> None:
    """The severity changed from `old`. Only a worse one changes who is asked, and at once.

    While nobody has it, the asking begins anew where another policy applies or a ticket becomes
    a page, and begins where it was still given the time to recover by itself. While somebody has
    it, those whom the new policy adds are paged as well.
    """
    if not incident.is_open or Severity(incident.severity).rank >= Severity(old).rank:
        return
    escalation = asking.escalation_of(incident)
    severity = targets.severity_policies([incident])[incident.pk]
    had = escalation.policy_id
    plan = asking.choose_policy(incident, escalation)
    was_ticket = escalation.is_ticket
    escalation.is_ticket = was_ticket and severity.response == SeverityPolicy.Response.TICKET
    if incident.is_acknowledged:
        _widen(Run(incident, escalation, severity, prompt, actor, plan=plan), now)
    elif escalation.policy_id != had or escalation.is_ticket != was_ticket or escalation.is_waiting:
        notifications.cancel_pages(incident)
        timers.cancel_all(incident, kinds=TIMERS)
        core.raise_paging_epoch(incident)
        asking.begin(incident, escalation, now=now, prompt=prompt, again=True)


def change_type(incident: Incident, *, prompt: str, now: datetime) -> None:
    """It is of another type. Where it was still given the time to recover by itself, it has that
    of the new type, from the declaration on; where that has none, or is over, people are asked now.
    """
    escalation = asking.escalation_of(incident)
    is_left_alone = incident.is_acknowledged or incident.recovered_at is not None
    if is_left_alone or not escalation.is_waiting:
        return
    due_at = incident.declared_at + (rules.page_delay(incident) or timedelta())
    if due_at > now:
        step = timers.Wanted(STEP, incident, due_at, epoch=incident.paging_epoch)
        timers.schedule_many([step], now=now)
        return
    timers.cancel_all(incident, kinds=TIMERS)
    core.raise_paging_epoch(incident)
    asking.begin(incident, escalation, now=now, prompt=prompt, again=True)


def relapse(incident: Incident, *, prompt: str, now: datetime) -> None:
    """It broke again. What had recovered by itself, and become a ticket by that, is paged now."""
    if not incident.incident_type:  # the one that it had then may have been another
        return
    escalation = asking.escalation_of(incident)
    severity = targets.severity_policies([incident])[incident.pk]
    if not escalation.is_ticket or severity.response == SeverityPolicy.Response.TICKET:
        return
    escalation.is_ticket = False
    if incident.is_acknowledged:
        asking.save([escalation])
        return
    notifications.cancel_pages(incident)
    timers.cancel_all(incident, kinds=TIMERS)
    core.raise_paging_epoch(incident)
    asking.begin(incident, escalation, now=now, prompt=prompt, again=True)
    timers.schedule_many([timers.Wanted(CALLS, incident, now)], now=now)


def _widen(run: Run, now: datetime) -> None:
    """Page the first people of the policy whom this incident has not paged yet."""
    escalation = run.escalation
    # A cycle of its own, so that no page has the key of an earlier one.
    escalation.cycle, escalation.level = escalation.cycle + 1, 0
    if escalation.is_ticket:
        asking.save([escalation])
        return
    paged = set(Page.objects.of(run.incident).values_list("user_id", flat=True))
    asking.ask([run], now=now, spare=paged | {run.incident.acknowledged_by_id or 0})
