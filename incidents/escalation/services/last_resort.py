"""When nobody is left to ask: tell exactly that to somebody, again and again."""

import logging
from datetime import datetime

from django.db import transaction

from incidents.core import services as core
from incidents.core.models import Incident
from incidents.escalation import targets, wording
from incidents.escalation.models import Escalation
from incidents.escalation.services.steps import (
    LAST_RESORT,
    LAST_RESORT_EVERY,
    STEP,
    exhaustion,
)
from incidents.notifications import services as notifications
from incidents.timers import services as timers

logger = logging.getLogger(__name__)

CAUSE = "last-resort:"


def tell(incident: Incident, reason: str, *, severity: str, now: datetime) -> int:
    """Tell the last resort once why this incident has nobody; to how many addresses.

    Void as soon as somebody acknowledges. The caller sees to the next time.
    """
    return notifications.tell_last_resort(
        incident=incident,
        cause=f"{CAUSE}{incident.pk}:{incident.paging_epoch}:{now.isoformat()}",
        subject=wording.subject_of(incident, severity, before="NOBODY ANSWERS: "),
        body=wording.last_resort_body(incident, reason, now),
        links=[wording.incident_link(incident)],
        epoch=incident.paging_epoch,
    )


def tell_last_resort_again(incident: Incident, *, now: datetime) -> None:
    """Half an hour has passed (timer, incident locked): repeat it while nobody is left to ask."""
    # Another timer of the same moment may have begun anew a moment ago.
    incident = Incident.objects.with_context().get(pk=incident.pk)
    if not incident.is_open or incident.is_acknowledged:
        return
    escalation = Escalation.objects.filter(pk=incident.pk).first()
    if escalation is not None and escalation.state != Escalation.State.EXHAUSTED:
        return  # People are asked again, since a moment ago.
    reason = escalation.reason if escalation else ""
    tell(
        incident,
        reason or "its escalation is in trouble",
        severity=targets.severity_policies([incident])[incident.pk].label,
        now=now,
    )
    repeat(incident, now=now)


def repeat(incident: Incident, *, now: datetime) -> None:
    """Have `tell_last_resort_again` happen in half an hour."""
    timers.schedule_many([timers.Wanted(LAST_RESORT, incident, now + LAST_RESORT_EVERY)], now=now)


def rescue(
    incident: Incident, reason: str, *, now: datetime, anew: Escalation | None = None
) -> None:
    """Something in here is broken: the last resort is told at once, and again.

    `anew`: the asking was to begin from there; the step is due now, so that paging goes on as soon
    as it can. Whatever else fails in here, the timers stand in the end.
    """
    told = tell_guarded(incident, reason, now=now)
    # Where even that failed, the clock is to do it as soon as it works again.
    again = now + LAST_RESORT_EVERY if told is not None else now
    wanted = [timers.Wanted(LAST_RESORT, incident, again)]
    if anew is not None:
        wanted.append(timers.Wanted(STEP, incident, now, epoch=incident.paging_epoch))
    timers.schedule_many(wanted, now=now)
    _mark_exhausted(incident, reason, now, anew)
    core.record_many([exhaustion(incident, reason, told or 0)], at=now)


def tell_guarded(incident: Incident, reason: str, *, now: datetime) -> int | None:
    """`tell`, from where nothing may fail any more; None when it did."""
    try:
        with transaction.atomic():
            return tell(incident, reason, severity=incident.severity, now=now)
    except Exception:
        logger.exception("Unable to tell the last resort about %s", incident.reference)
        return None


def _mark_exhausted(
    incident: Incident, reason: str, now: datetime, anew: Escalation | None
) -> None:
    escalation = anew or Escalation(incident=incident)
    escalation.state, escalation.reason = Escalation.State.EXHAUSTED, reason
    escalation.exhausted_at = now
    beginning = ["policy", "is_rerouted", "cycle", "level", "links_from_epoch"]
    Escalation.objects.bulk_create(
        [escalation],
        update_conflicts=True,
        unique_fields=["incident"],
        update_fields=["state", "exhausted_at", "reason", *(beginning if anew else [])],
    )
