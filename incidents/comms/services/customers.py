"""Whether customers are told: asked by the runbook's rule, and always answered."""

from datetime import datetime

from django.db import transaction

from incidents.comms import engine, section
from incidents.comms.facts import spokesperson
from incidents.comms.models import Audience, CustomerNotice, StatusUpdate
from incidents.comms.section import CustomerRule
from incidents.comms.services import asking, cadence
from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind, User
from incidents.timers import clock

State = CustomerNotice.State
LONGEST_REASON = 2_000


def consider(incident: Incident, now: datetime) -> None:
    """Where a rule says that customers are told of such an incident, ask for it, once.

    Nothing about drills and private incidents leaves the house: nobody is asked.
    """
    rule = _rule_for(incident)
    if rule is None:
        return
    earlier = CustomerNotice.objects.filter(pk=incident.pk).first()
    if earlier is not None:
        _ask_again(earlier, incident, rule, now)
        return
    was_told = StatusUpdate.objects.of(incident, Audience.EXTERNAL).exists()
    notice = CustomerNotice.objects.create(
        incident=incident,
        state=State.SENT if was_told else State.ASKED,
        asked_at=now,
        why=_why(incident, rule),
        wants_all_clear=rule.all_clear,
    )
    if not was_told:
        _begin_asking(notice, incident, rule, now)


def _ask_again(
    notice: CustomerNotice, incident: Incident, rule: CustomerRule, now: datetime
) -> None:
    """That they are not told was decided of something less: it has become one that always is."""
    why = _why(incident, rule)
    if notice.state != State.DECLINED or rule.when != "always" or why == notice.why:
        return
    notice.state, notice.why, notice.asked_at = State.ASKED, why, now
    notice.reason, notice.decided_by, notice.decided_at = "", None, None
    notice.wants_all_clear = rule.all_clear
    notice.save()
    _begin_asking(notice, incident, rule, now)


def _begin_asking(
    notice: CustomerNotice, incident: Incident, rule: CustomerRule, now: datetime
) -> None:
    core.record(incident, Kind.CUSTOMERS_ASKED, at=now, summary=notice.why)
    if rule.every is not None:
        cadence.promise(incident, Audience.EXTERNAL, now)
    ask(incident, now)


def ask(incident: Incident, _now: datetime) -> None:
    """Ask whoever speaks for the incident now, who is asked once; while nobody does, nobody is."""
    notice = CustomerNotice.objects.filter(pk=incident.pk, state=State.ASKED).first()
    speaker = spokesperson(incident) if notice else None
    if notice is not None and speaker is not None:
        notice.incident = incident
        asking.ask_about_customers(notice, speaker)


def told(incident: Incident, *, actor: User, now: datetime) -> None:
    """An external update was published."""
    notice = CustomerNotice.objects.filter(pk=incident.pk).first()
    if notice is None:
        return
    if notice.state != State.SENT:
        notice.state, notice.decided_by, notice.decided_at = State.SENT, actor, now
        notice.reason = ""
    if not incident.is_open:
        notice.all_clear_at = now
    notice.save()


@transaction.atomic
def decline_customer_notice(incident: Incident, *, reason: str, actor: User) -> CustomerNotice:
    """Customers are not told, and this is why. Raises Refused where nobody asked, or they were."""
    incident = core.lock(incident)
    notice = CustomerNotice.objects.filter(pk=incident.pk).first()
    if notice is None or notice.state == State.SENT:
        why = "they were told already" if notice else "no rule asks that they be told"
        raise Refused(
            f"There is nothing to decline about {incident.reference}: {why}.",
            state=incident.status,
            code="not_asked",
        )
    reason = reason.replace("\x00", "\N{REPLACEMENT CHARACTER}").strip()
    if not reason:
        raise DomainError("The reason is missing: write it down.", field="reason")
    if len(reason) > LONGEST_REASON:
        raise DomainError(f"The reason is longer than {LONGEST_REASON} characters.", field="reason")
    now = clock.now()
    notice.incident = incident
    notice.state, notice.reason = State.DECLINED, reason
    notice.decided_by, notice.decided_at = actor, now
    notice.save()
    cadence.release(incident, Audience.EXTERNAL)
    core.record(
        incident,
        Kind.CUSTOMERS_DECLINED,
        actor=actor,
        at=now,
        summary=f"Customers are not told: {reason}",
    )
    return notice


def ask_for_all_clear(incident: Incident, now: datetime) -> None:
    """It is over: whoever was told that it began is told that, too."""
    notice = CustomerNotice.objects.filter(pk=incident.pk).first()
    if notice is None or not notice.wants_all_clear or notice.state != State.SENT:
        return
    if notice.all_clear_at is None and (speaker := spokesperson(incident)):
        notice.incident = incident
        asking.ask_for_all_clear(notice, speaker, now)


def begin_again(incident: Incident) -> None:
    """It was not over: an all-clear that was sent counts for nothing."""
    CustomerNotice.objects.filter(pk=incident.pk).update(all_clear_at=None)


def _rule_for(incident: Incident) -> CustomerRule | None:
    if incident.is_drill or incident.is_private:
        return None
    return engine.customer_rule(
        section.of(incident.revision),
        severity=incident.severity,
        users_affected=incident.users_affected,
    )


def _why(incident: Incident, rule: CustomerRule) -> str:
    label = core.policy_of(incident).label
    if rule.when == "always":
        return f"Customers are told of every {label}."
    return (
        f"Customers are told of a {label} that affects more than {rule.when.users_over} users: "
        f"it affects {incident.users_affected}."
    )
