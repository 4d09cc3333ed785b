"""Messages to whoever speaks for the incident: an update is due, customers are to be told."""

from datetime import datetime, timedelta
from urllib.parse import quote

from django.conf import settings

from incidents.comms.engine import Rhythm
from incidents.comms.models import Audience, CustomerNotice
from incidents.comms.wording import both_times
from incidents.core import services as core
from incidents.core.models import Incident, User
from incidents.notifications import services as notifications
from incidents.notifications.services import Link

SOON = timedelta(seconds=30)


def remind(
    incident: Incident,
    audience: str,
    speaker: User,
    *,
    due_at: datetime,
    rhythm: Rhythm,
    now: datetime,
) -> None:
    """The next update is due (soon): once for each moment."""
    when = both_times(due_at, speaker.timezone)
    whom = "customers and the public" if audience == Audience.EXTERNAL else "colleagues"
    lines = [f"{whom.capitalize()} were promised an update by {when}.", incident.title]
    if rhythm.missed is not None:
        paged_at = both_times(due_at + rhythm.missed, speaker.timezone)
        lines.append(f"If none is published by {paged_at}, the next level is paged.")
    is_early = due_at > now + SOON
    _tell(
        incident,
        speaker,
        cause=f"update-due:{audience}:{now.isoformat()}",
        before="Update due soon: " if is_early else "Update due: ",
        body="\n".join(lines),
        link=Link("Write the update", writing_address(incident, audience)),
    )


def ask_about_customers(notice: CustomerNotice, speaker: User) -> None:
    """Told to each person once: tell the customers, or say why not."""
    _tell(
        notice.incident,
        speaker,
        cause=f"customers:{notice.asked_at.isoformat()}",
        before="Tell the customers? ",
        body=f"{notice.why}\n{notice.incident.title}\n"
        "Publish an external update, or write down why they are not told.",
        link=Link("Write to the customers", writing_address(notice.incident, Audience.EXTERNAL)),
    )


def ask_for_all_clear(notice: CustomerNotice, speaker: User, now: datetime) -> None:
    """It is over, and customers have heard of it: they are told that, too."""
    _tell(
        notice.incident,
        speaker,
        cause=f"all-clear:{now.isoformat()}",
        before="Send the all-clear: ",
        body=f"Customers were told of this incident and wait to hear that it is over.\n"
        f"{notice.incident.title}",
        link=Link("Write the all-clear", writing_address(notice.incident, Audience.EXTERNAL)),
    )


def incident_address(incident: Incident) -> str:
    """Where everybody who logs in and may see it finds it."""
    # Not by reverse(), which raises for a reference that it does not like.
    return f"{settings.PUBLIC_URL}/i/{quote(incident.reference, safe='')}/"


def writing_address(incident: Incident, audience: str) -> str:
    """Where an update is written, made for a phone."""
    return f"{incident_address(incident)}publish-update/?audience={audience}"


def _tell(
    incident: Incident, person: User, *, cause: str, before: str, body: str, link: Link
) -> None:
    severity = core.policy_of(incident).label
    notifications.message(
        person,
        cause=cause,
        subject=f"{before}{severity} {incident.service}: {incident.title} ({incident.reference})",
        body=body,
        incident=incident,
        links=[link],
    )
