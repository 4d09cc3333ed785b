"""How the asking follows what happens elsewhere. Only writes rows."""

import logging
from datetime import datetime
from typing import Any

from incidents.core.models import Incident, Kind, Severity, TimelineEntry
from incidents.core.services import HUMAN_ACTIONS
from incidents.core.signals import entry_recorded
from incidents.escalation import rules, services
from incidents.notifications.models import Delivery
from incidents.notifications.signals import delivery_given_up
from incidents.timers import clock
from incidents.timers.models import Timer
from incidents.timers.signals import timer_failed

logger = logging.getLogger(__name__)

STARTING_AGAIN = {Kind.UNACKNOWLEDGED, Kind.ACKNOWLEDGEMENT_EXPIRED, Kind.SNOOZE_ENDED}
TAKING = {Kind.ACKNOWLEDGED, Kind.SNOOZED}
ENDING = {Kind.RESOLVED, Kind.DISMISSED, Kind.MERGED}
DECISIVE = {
    *STARTING_AGAIN,
    *TAKING,
    *ENDING,
    *(Kind.DECLARED, Kind.REOPENED, Kind.SEVERITY_CHANGED, Kind.TYPE_CHANGED, Kind.RELAPSED),
}
# What the rules of a runbook depend on.
RULED = {
    *STARTING_AGAIN,
    *TAKING,
    *(Kind.DECLARED, Kind.REOPENED, Kind.SEVERITY_CHANGED, Kind.RECOVERED, Kind.RELAPSED),
    *(Kind.TYPE_CHANGED, Kind.IMPACT_RECORDED, Kind.ATTESTED),
}
# Without these the asking would stand still, whoever is asked.
VITAL_TIMERS = ("escalation.", "core.snooze_end", "notifications.given_up")


def connect() -> None:
    """Called once, when the house is put together."""
    # Essential: an incident whose paging cannot be started or stopped must not be recorded as if.
    entry_recorded.connect(follow, kinds=DECISIVE, essential=True)
    entry_recorded.connect(follow_rules, kinds=RULED, when=rules.has_rules)
    entry_recorded.connect(count_as_action, kinds=HUMAN_ACTIONS)
    entry_recorded.connect(tell_those_paged, kinds={*TAKING, *ENDING})
    entry_recorded.connect(tell_commander, kinds={Kind.TARGET_MISSED, Kind.CHECKLIST_OVERDUE})
    delivery_given_up.connect(on_given_up, dispatch_uid="escalation")
    timer_failed.connect(on_timer_failed, dispatch_uid="escalation")


def follow(entry: TimelineEntry, incident: Incident) -> None:
    """Start, stop or change the asking as the entry demands."""
    now: datetime = entry.at
    if entry.kind == Kind.DECLARED:
        services.start(incident, now=now)
    elif entry.kind in TAKING:
        services.pause(incident, by=entry.actor, now=now)
    elif entry.kind in STARTING_AGAIN:
        services.restart(incident, now=now, prompt=entry.summary)
    elif entry.kind == Kind.REOPENED:
        services.reopen(incident, now=now, prompt=entry.summary)
    elif entry.kind == Kind.SEVERITY_CHANGED:
        services.change_severity(
            incident, old=entry.data["old"], prompt=entry.summary, actor=entry.actor, now=now
        )
    elif entry.kind == Kind.TYPE_CHANGED:
        services.change_type(incident, prompt=entry.summary, now=now)
    elif entry.kind == Kind.RELAPSED:
        services.relapse(incident, now=now, prompt=entry.summary)
    elif not incident.is_open:  # a merge is recorded on the one that goes on, too
        services.end(incident)


def follow_rules(entry: TimelineEntry, incident: Incident) -> None:
    """Begin, change and end what its runbook escalates by itself. After the asking itself."""
    now: datetime = entry.at
    if entry.kind in {Kind.DECLARED, Kind.REOPENED, Kind.SEVERITY_CHANGED}:
        was = entry.data.get("old", "")
        is_worse = bool(was) and Severity(incident.severity).rank < Severity(was).rank
        services.begin_rules(incident, now=now, is_new=not was, is_worse=is_worse)
    elif entry.kind == Kind.TYPE_CHANGED:
        services.change_rules(incident, old=entry.data["old"], now=now)
    elif entry.kind in TAKING:
        is_snoozed = entry.kind == Kind.SNOOZED
        services.follow_acknowledgement(incident, now=now, is_snoozed=is_snoozed)
    elif entry.kind in STARTING_AGAIN:
        services.follow_release(incident)
    elif entry.kind == Kind.RECOVERED:
        services.follow_recovery(incident)
    elif entry.kind == Kind.RELAPSED:
        services.follow_relapse(incident, now=now)
    elif entry.kind == Kind.IMPACT_RECORDED:
        services.notice_facts(incident, now=now)
    elif entry.kind == Kind.ATTESTED:
        services.measure(incident, entry.data["fact"], now=now)
    if entry.kind in {Kind.DECLARED, Kind.ACKNOWLEDGED} and entry.actor is not None:
        services.appoint_detector(incident, entry.actor)


def count_as_action(entry: TimelineEntry, incident: Incident) -> None:
    """Somebody works on it: the acknowledgement lives longer. What machines report is no work."""
    if entry.actor is None:
        return
    if entry.kind == Kind.JOINED:
        services.mark_answered(incident, by=entry.actor, now=entry.at)
    services.keep_alive(incident, now=entry.at)


def tell_those_paged(entry: TimelineEntry, incident: Incident) -> None:
    """Whoever was got out of bed is told that it is over, or who has it."""
    if entry.kind in TAKING:
        services.tell_who_has_it(incident, entry)
    elif not incident.is_open:
        services.tell_it_is_over(incident, entry)


def tell_commander(entry: TimelineEntry, incident: Incident) -> None:
    services.tell_commander(incident, entry)


def on_given_up(delivery: Delivery, incident: Incident | None, **_: Any) -> None:
    """A person could not be reached at any address."""
    if incident is not None and delivery.is_page and delivery.recipient is not None:
        services.give_up_page(incident, delivery, now=clock.now())


def on_timer_failed(timer: Timer, reason: str, **_: Any) -> None:
    """A timer on which somebody's being asked depends does not work."""
    if not timer.kind.startswith(VITAL_TIMERS):
        return
    incident = Incident.objects.with_context().filter(pk=timer.subject_id).first()
    if incident is not None:
        services.rescue_from(incident, timer, reason, now=clock.now())
