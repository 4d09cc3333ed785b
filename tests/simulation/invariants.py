"""What holds between any two transactions, whatever happened before. Reads; never writes."""

from collections import Counter, defaultdict

from incidents.core.models import Incident, Kind, Status, TimelineEntry
from incidents.escalation.models import Escalation, Page
from incidents.escalation.services.steps import (
    ACK_EXPIRY,
    LAST_RESORT,
    RULES,
    STEP,
    TICKET_DUE,
    TIMERS,
)
from incidents.notifications.models import Delivery
from incidents.timers.models import Timer
from tests.simulation.faults import Faults

State = Escalation.State


class Present:
    """Everything there is, in a handful of queries."""

    def __init__(self) -> None:
        self.incidents = list(Incident.objects.order_by("pk"))
        self.escalations = Escalation.objects.in_bulk()
        self.timers: dict[int, list[Timer]] = defaultdict(list)
        self.quarantined: list[Timer] = []
        for timer in Timer.objects.filter(state__in=["pending", "quarantined"]):
            if timer.subject_type != "incidents.incident":
                continue
            if timer.state == Timer.State.PENDING:
                self.timers[timer.subject_id].append(timer)
            else:
                self.quarantined.append(timer)
        self.alive: dict[int, list[Delivery]] = defaultdict(list)
        for delivery in Delivery.objects.alive().pages():
            self.alive[delivery.incident_id or 0].append(delivery)
        self.told: dict[int, list[TimelineEntry]] = defaultdict(list)
        for entry in TimelineEntry.objects.order_by("id"):
            self.told[entry.incident_id].append(entry)

    def kinds(self, incident: Incident) -> set[str]:
        """Of its pending timers, without those that are void."""
        return {
            timer.kind
            for timer in self.timers[incident.pk]
            if timer.epoch in {None, incident.paging_epoch}
        }


def hold(faults: Faults) -> None:
    """All of them."""
    present = Present()
    for incident in present.incidents:
        if not incident.is_open:
            closed_is_closed(incident, present)
        elif incident.is_acknowledged:
            taken_is_quiet(incident, present)
        else:
            not_silent(incident, present)
        no_page_outlives_its_epoch(incident, present)
        levels_in_order(incident, present)
        the_timeline_agrees(incident, present)
    quarantine_is_told(present)
    nothing_twice(faults)


def not_silent(incident: Incident, present: Present) -> None:
    """Somebody is asked later, or the last resort was told and is told again."""
    kinds, escalation = present.kinds(incident), present.escalations.get(incident.pk)
    assert escalation is not None, f"{incident} was never asked about"
    if escalation.state == State.RUNNING:
        assert STEP in kinds, f"{incident} is silent: running without a step, {kinds}"
    elif escalation.state == State.TICKET:
        assert TICKET_DUE in kinds, f"{incident} is silent: a ticket without a deadline, {kinds}"
    else:
        assert escalation.state == State.EXHAUSTED, f"{incident} is silent: {escalation.state}"
        assert LAST_RESORT in kinds, f"{incident} is silent: exhausted without reminder, {kinds}"
        last_resort_was_told(incident, present)
    assert ACK_EXPIRY not in kinds
    if escalation.state != State.EXHAUSTED:
        assert LAST_RESORT not in kinds, f"{incident} is asked about, and the last resort is told"


def last_resort_was_told(incident: Incident, present: Present) -> None:
    said = [e for e in present.told[incident.pk] if e.kind == Kind.EXHAUSTED]
    assert said, f"{incident} is exhausted without a word"
    if said[-1].data["told"]:
        cause = f"last-resort:{incident.pk}:{said[-1].data['epoch']}:"
        assert Delivery.objects.filter(incident=incident, cause__startswith=cause).exists()


def taken_is_quiet(incident: Incident, present: Present) -> None:
    kinds, escalation = present.kinds(incident), present.escalations[incident.pk]
    assert not kinds & {STEP, TICKET_DUE, LAST_RESORT}, f"{incident} is taken, yet {kinds}"
    assert escalation.state == State.PAUSED, f"{incident} is taken, yet {escalation.state}"
    if incident.snoozed_until:
        assert "core.snooze_end" in kinds, f"{incident} sleeps for ever"


def closed_is_closed(incident: Incident, present: Present) -> None:
    kinds = {timer.kind for timer in present.timers[incident.pk]}
    over = {*TIMERS, *RULES, "core.target", "core.snooze_end"}
    assert not kinds & over, f"{incident} is over, yet {kinds & over} is due"
    assert present.escalations[incident.pk].state == State.ENDED


def no_page_outlives_its_epoch(incident: Incident, present: Present) -> None:
    """What nobody has in hands is void at once; what somebody has is judged again (the wire)."""
    for delivery in present.alive[incident.pk]:
        if delivery.state == Delivery.State.PENDING:
            assert incident.is_open, f"{delivery} waits though {incident} is over"
            assert delivery.paging_epoch == incident.paging_epoch, f"{delivery} is void and waits"


def levels_in_order(incident: Incident, present: Present) -> None:
    """Within an epoch the ladder is climbed, cycle by cycle, never down and never twice."""
    last: dict[int, tuple[int, int]] = {}
    for entry in present.told[incident.pk]:
        if entry.kind != Kind.PAGED or entry.data.get("level") is None:
            continue
        place = (entry.data["cycle"], entry.data["level"])
        epoch = entry.data["epoch"]
        assert place > last.get(epoch, (0, 0)), f"{incident}: {place} after {last[epoch]}"
        last[epoch] = place


STATUS_AFTER = {
    Kind.DECLARED: Status.INVESTIGATING,
    Kind.IDENTIFIED: Status.IDENTIFIED,
    Kind.MITIGATING: Status.MITIGATING,
    Kind.RESOLVED: Status.RESOLVED,
    Kind.DISMISSED: Status.RESOLVED,
    Kind.REOPENED: Status.INVESTIGATING,
}
TAKEN_AFTER = {
    Kind.DECLARED: False,
    Kind.ACKNOWLEDGED: True,
    Kind.SNOOZED: True,
    Kind.UNACKNOWLEDGED: False,
    Kind.ACKNOWLEDGEMENT_EXPIRED: False,
    Kind.SNOOZE_ENDED: False,
    Kind.REOPENED: False,
}


def the_timeline_agrees(incident: Incident, present: Present) -> None:
    """Whoever reads the history alone comes to the state in which the incident is."""
    status, taken, severity = "", False, ""
    for entry in present.told[incident.pk]:
        status = STATUS_AFTER.get(Kind(entry.kind), status)
        taken = TAKEN_AFTER.get(Kind(entry.kind), taken)
        if entry.kind == Kind.MERGED and entry.data["from"] == incident.pk:
            status = Status.RESOLVED
        if entry.kind == Kind.DECLARED:
            severity = entry.data["severity"]
        if entry.kind == Kind.SEVERITY_CHANGED:
            severity = entry.data["new"]
    assert status == incident.status, f"{incident}: {status} is told, {incident.status} it is"
    assert severity == incident.severity, f"{incident}: {severity} is told"
    if incident.is_open:
        assert taken == incident.is_acknowledged, f"{incident}: taken {taken} is told"


def quarantine_is_told(present: Present) -> None:
    """A timer that was given up, of those without which nobody is asked, is known to people."""
    for timer in present.quarantined:
        if timer.kind.startswith(("escalation.", "core.snooze_end")):
            told = Delivery.objects.filter(cause__startswith=f"last-resort:{timer.subject_id}:")
            said = [e for e in present.told[timer.subject_id] if e.kind == Kind.EXHAUSTED]
            assert told.exists() or said, f"{timer} is quarantined without a word"


def nothing_twice(faults: Faults) -> None:
    """One key for one (cause, recipient, address); a provider hears it again after a death only."""
    heard = Counter(delivery.pk for delivery in faults.sent)
    for key, times in heard.items():
        assert times <= 1 + faults.cut[key], f"{key} was sent {times} times"
    keys = defaultdict(set)
    for delivery in faults.sent:
        what = (delivery.incident_id, delivery.cause, delivery.recipient_key, delivery.address)
        keys[what].add(delivery.pk)
    for what, ids in keys.items():
        assert len(ids) == 1, f"{what} left under {len(ids)} keys"


def pages_have_their_deliveries() -> None:
    """Nobody counts as paged for whom nothing was ever put into the outbox."""
    for page in Page.objects.all():
        rows = Delivery.objects.filter(
            incident=page.incident_id, cause=page.cause, recipient=page.user_id
        )
        assert rows.exists(), f"{page} has no delivery"
