"""When asking itself fails: a person who cannot be reached, a timer that does not run."""

from datetime import datetime

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.core.services import Draft
from incidents.escalation.models import Escalation, Page
from incidents.escalation.services import last_resort
from incidents.escalation.services.steps import LAST_RESORT, LAST_RESORT_EVERY, RULES, STEP
from incidents.notifications import services as notifications
from incidents.notifications.models import Delivery, DeliveryQuerySet
from incidents.timers import services as timers
from incidents.timers.models import Timer

REACHED_OR_TRIED = [Delivery.State.PENDING, Delivery.State.SENDING, Delivery.State.SENT]


def give_up_page(incident: Incident, delivery: Delivery, *, now: datetime) -> None:
    """None of this person's addresses works (incident locked).

    Where nobody else of the same level was reached or is still being tried, the next step is due
    now. Whoever asked for this person is told. A last resort of the incident's own that is not
    reached gives way to the organisation's.
    """
    if delivery.cause.startswith(last_resort.CAUSE):
        notifications.tell_organisation_instead(delivery)
        return
    page = Page.objects.of_delivery(delivery).select_related("user", "requested_by").first()
    if page is None:
        return
    why = f": {delivery.last_error}" if delivery.last_error else ""
    draft = Draft(
        incident,
        Kind.PAGE_FAILED,
        f"{page.user} could not be reached{why}",
        data={"people": [page.user_id], "epoch": page.epoch, "level": page.level},
    )
    core.record_many([draft], at=now)
    if page.requested_by is not None and page.requested_by_id != page.user_id:
        notifications.message(
            page.requested_by,
            cause=f"not-reached:{page.pk}",
            subject=f"{page.user} could not be reached ({incident.reference})",
            body=f"You asked for {page.user}, but no message arrived. Page somebody else.",
            incident=incident,
        )
    if _is_asked_now(incident, page) and not _others_of(delivery).exists():
        wanted = timers.Wanted(STEP, incident, now, epoch=incident.paging_epoch)
        timers.schedule_many([wanted], now=now)


def _is_asked_now(incident: Incident, page: Page) -> bool:
    """Whether the asking stands where this page was made, waiting for an answer."""
    if page.level is None or page.cycle is None or page.epoch != incident.paging_epoch:
        return False
    if incident.is_acknowledged or not incident.is_open:
        return False
    return Escalation.objects.filter(
        pk=incident.pk, state=Escalation.State.RUNNING, cycle=page.cycle, level=page.level
    ).exists()


def _others_of(delivery: Delivery) -> DeliveryQuerySet:
    """Pages of the same level and time, of others, that arrived or may still arrive."""
    same = Delivery.objects.filter(cause=delivery.cause, state__in=REACHED_OR_TRIED)
    return same.exclude(recipient_key=delivery.recipient_key)


def rescue_from(incident: Incident, timer: Timer, reason: str, *, now: datetime) -> None:
    """A timer without which nobody is asked does not run (incident locked)."""
    if not incident.is_open:
        return
    why = f"its timer {timer.kind} does not run: {reason}"
    if timer.kind in RULES:  # the ladder asks without it
        last_resort.tell_guarded(incident, why, now=now)
        return
    if not incident.is_acknowledged and timer.kind != LAST_RESORT:
        last_resort.rescue(incident, why, now=now)
        return
    if timer.kind != LAST_RESORT:
        last_resort.tell_guarded(incident, why, now=now)
    # Telling, or the end of a snooze, is what fails. Given up for good, it is begun anew: nothing
    # else would ever ask for this incident again.
    if not Timer.objects.pending().of(incident).filter(kind=timer.kind).exists():
        later = now + LAST_RESORT_EVERY
        again = timers.Wanted(timer.kind, incident, later, epoch=timer.epoch)
        timers.schedule_many([again], now=now)
