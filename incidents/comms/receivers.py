"""How communication follows what happens to an incident. Only writes rows."""

from copy import copy

from incidents.comms.models import Audience, StatusUpdate
from incidents.comms.services import cadence, customers, posting, publishing
from incidents.core.models import Incident, IncidentRole, Kind, TimelineEntry
from incidents.core.signals import entry_recorded

ENDING = {Kind.RESOLVED, Kind.DISMISSED, Kind.MERGED}
CHANGING = {Kind.SEVERITY_CHANGED: "severity", Kind.TYPE_CHANGED: "incident_type"}
SPEAKING = {IncidentRole.COMMUNICATIONS_LEAD, IncidentRole.COMMANDER}


def connect() -> None:
    """Called once, when the house is put together."""
    entry_recorded.connect(begin, kinds={Kind.DECLARED})
    entry_recorded.connect(change, kinds={*CHANGING, Kind.IMPACT_RECORDED})
    entry_recorded.connect(hear_who_speaks, kinds={Kind.ACKNOWLEDGED, Kind.ROLE_ASSIGNED})
    entry_recorded.connect(leave, kinds={Kind.SNOOZED})
    entry_recorded.connect(end, kinds=ENDING)
    entry_recorded.connect(begin_again, kinds={Kind.REOPENED})


def begin(entry: TimelineEntry, incident: Incident) -> None:
    """Colleagues are told and promised more; channels hear of it; customers are considered."""
    cadence.promise(incident, Audience.INTERNAL, entry.at)
    known = incident.description.strip() or incident.title
    publishing.tell_colleagues(incident, known=known, now=entry.at)
    posting.post(incident, "declared", now=entry.at)
    customers.consider(incident, entry.at)


def change(entry: TimelineEntry, incident: Incident) -> None:
    """What is worse is told of more often, and perhaps to customers."""
    if not incident.is_open:
        return
    if entry.kind in CHANGING:
        was = copy(incident)
        setattr(was, CHANGING[Kind(entry.kind)], entry.data["old"])
        cadence.follow_change(incident, was, entry.at)
    customers.consider(incident, entry.at)


def hear_who_speaks(entry: TimelineEntry, incident: Incident) -> None:
    """Whoever speaks for it from now on is asked what nobody was there to be asked."""
    if entry.kind == Kind.ACKNOWLEDGED:
        # What nobody was there to be asked for is promised from now on.
        if cadence.promised(incident, Audience.INTERNAL) is None:
            cadence.promise(incident, Audience.INTERNAL, entry.at)
    elif entry.data["role"] not in SPEAKING:
        return
    customers.ask(incident, entry.at)


def leave(_entry: TimelineEntry, incident: Incident) -> None:
    """It was snoozed: nobody asks colleagues' patience to be renewed before somebody takes it."""
    cadence.release(incident, Audience.INTERNAL)


def end(entry: TimelineEntry, incident: Incident) -> None:
    """It is over: nothing is due any more, and those who heard of it hear that."""
    if incident.is_open:  # a merge is recorded on the one that goes on, too
        return
    cadence.release(incident)
    if StatusUpdate.objects.of(incident, Audience.INTERNAL).exists():
        publishing.tell_colleagues(incident, known=entry.summary, now=entry.at)
    posting.post(incident, "resolved", now=entry.at)
    customers.ask_for_all_clear(incident, entry.at)


def begin_again(entry: TimelineEntry, incident: Incident) -> None:
    cadence.begin_again(incident, entry.at)
    customers.begin_again(incident)
