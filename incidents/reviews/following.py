"""How action items follow what happens to incidents and people. Only writes rows."""

from incidents.core import panels
from incidents.core.models import Incident, Kind, TimelineEntry
from incidents.core.signals import entry_recorded
from incidents.reviews import pages
from incidents.reviews.services import effect, handing, proposals, working
from incidents.timers import engine


def connect() -> None:
    """Called once, when the house is put together."""
    engine.register(
        working.DAY,
        model="incidents.Team",
        handle=working.do_day,
        label="the day's work with action items",
    )
    happened = {Kind.IDENTIFIED, Kind.TYPE_CHANGED, Kind.RESOLVED}
    entry_recorded.connect(ask_whether_it_worked, kinds=happened, when=_is_real)
    entry_recorded.connect(hold_against_nothing, kinds={Kind.DISMISSED, Kind.MERGED})
    entry_recorded.connect(move_items, kinds={Kind.MERGED})
    entry_recorded.connect(take_in_items, kinds={Kind.IMPORTED})
    entry_recorded.connect(join_review, kinds={Kind.REVIEW_OPENED})
    panels.register("pocket-incident", pages.items_of_incident, order=45)


def ask_whether_it_worked(entry: TimelineEntry, incident: Incident) -> None:
    """What an incident is shows by then; at its declaration nobody may have looked."""
    effect.consider(incident, now=entry.at)


def hold_against_nothing(entry: TimelineEntry, incident: Incident) -> None:
    """A false alarm, or a duplicate. A merge is recorded on the one that goes on, too."""
    if not incident.is_open:
        effect.withdraw(incident, now=entry.at)


def move_items(entry: TimelineEntry, incident: Incident) -> None:
    """What was agreed for a duplicate is done for the incident that goes on."""
    if not incident.is_open and incident.duplicate_of is not None:
        handing.move_items(incident, incident.duplicate_of, now=entry.at)


def join_review(_entry: TimelineEntry, incident: Incident) -> None:
    """What was agreed before anybody thought of a review belongs to it."""
    handing.join_review(incident)


def take_in_items(entry: TimelineEntry, incident: Incident) -> None:
    proposals.import_with(incident, entry.data.get("document", ""))


def _is_real(incident: Incident) -> bool:
    return not incident.is_drill
