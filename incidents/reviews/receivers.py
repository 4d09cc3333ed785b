"""How reviews follow what happens to their incidents and people. Only writes rows."""

from typing import Any

from incidents.core.models import Incident, Kind, TimelineEntry, User
from incidents.core.signals import entry_recorded, person_deactivated
from incidents.reviews.services import leaving, opening
from incidents.timers import clock


def connect() -> None:
    """Called once, when the house is put together."""
    entry_recorded.connect(follow_resolution, kinds={Kind.RESOLVED})
    entry_recorded.connect(suspend, kinds={Kind.REOPENED})
    entry_recorded.connect(follow_dismissal, kinds={Kind.DISMISSED, Kind.MERGED})
    person_deactivated.connect(pass_on, dispatch_uid="reviews.pass_on")


def follow_resolution(entry: TimelineEntry, incident: Incident) -> None:
    opening.follow_resolution(incident, now=entry.at)


def suspend(entry: TimelineEntry, incident: Incident) -> None:
    opening.suspend(incident, now=entry.at)


def follow_dismissal(entry: TimelineEntry, incident: Incident) -> None:
    """A merge is recorded on the incident that goes on, too."""
    if not incident.is_open:
        opening.follow_dismissal(incident, reason=entry.summary, now=entry.at)


def pass_on(*, user: User, **_: Any) -> None:
    leaving.pass_on(user, now=clock.now())
