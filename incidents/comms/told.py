"""What an incident's page tells of communication, on any page: in a constant number of queries."""

from dataclasses import dataclass
from datetime import datetime

from incidents.comms import engine
from incidents.comms.facts import channel_of
from incidents.comms.models import CustomerNotice, StatusUpdate
from incidents.comms.services import promises
from incidents.core.models import Incident, Kind

MOST_UPDATES = 20
TONES = {
    CustomerNotice.State.ASKED: "warn",
    CustomerNotice.State.SENT: "good",
    CustomerNotice.State.DECLINED: "calm",
}


@dataclass(frozen=True)
class Told:
    """What was told, what is promised, and how well promises were kept."""

    updates: list[StatusUpdate]
    promises: list[tuple[str, datetime]]
    notice: CustomerNotice | None
    quality: engine.Quality
    channel: str
    bridge: str

    @property
    def notice_tone(self) -> str:
        return TONES[CustomerNotice.State(self.notice.state)] if self.notice else ""

    @property
    def awaits_all_clear(self) -> bool:
        notice = self.notice
        return (
            notice is not None
            and notice.state == CustomerNotice.State.SENT
            and notice.wants_all_clear
            and notice.all_clear_at is None
            and not notice.incident.is_open
        )

    @property
    def share(self) -> str:
        share = self.quality.share
        return "" if share is None else f"{share:.0%}"

    @property
    def is_empty(self) -> bool:
        return not (self.updates or self.promises or self.notice or self.channel or self.bridge)


def told_of(incident: Incident, *, judged: bool = True) -> Told:
    """Newest first; what is due soonest first. `judged`: also how well promises were kept."""
    updates = list(StatusUpdate.objects.of(incident).select_related("author"))
    entries = incident.timeline.filter(kind=Kind.UPDATE_MISSED)
    missed = entries.count() if judged else 0
    notice = CustomerNotice.objects.filter(pk=incident.pk).first()
    if notice is not None:
        notice.incident = incident
    document = incident.revision.document or {}
    return Told(
        updates=updates[:MOST_UPDATES],
        promises=sorted(promises(incident).items(), key=lambda one: one[1]),
        notice=notice,
        quality=engine.quality((one.is_on_time for one in updates), missed),
        channel=channel_of(incident, str(document.get("channel") or "")),
        bridge=str(document.get("bridge") or ""),
    )
