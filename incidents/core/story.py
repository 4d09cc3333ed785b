"""An incident's history as people read it: words, signs, and what happened while one was typing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from incidents.core.models import Incident, Kind, TimelineEntry
from incidents.timers.wording import span


@dataclass(frozen=True)
class Telling:
    """How one kind of entry is told: its sign, its tone, and what somebody did."""

    icon: str
    tone: str
    deed: str
    is_whole: bool = False  # the deed says it all; the summary would only repeat it
    by_itself: bool = False  # whoever is named as actor only gave rise to it


TELLINGS = {
    Kind.DECLARED: Telling("campaign", "bad", "declared it"),
    Kind.ACKNOWLEDGED: Telling("front_hand", "good", "acknowledged it", True),
    Kind.JOINED: Telling("group_add", "good", "joined", True),
    Kind.UNACKNOWLEDGED: Telling("undo", "warn", "gave it back"),
    Kind.ACKNOWLEDGEMENT_EXPIRED: Telling("timer_off", "bad", "let the acknowledgement expire"),
    Kind.IDENTIFIED: Telling("troubleshoot", "info", "marked it identified"),
    Kind.MITIGATING: Telling("build", "info", "started mitigating it"),
    Kind.RECOVERED: Telling("favorite", "good", "said that it works again"),
    Kind.RELAPSED: Telling("heart_broken", "bad", "said that it broke again"),
    Kind.ATTESTED: Telling("verified", "info", "attested to its health"),
    Kind.RESOLVED: Telling("check_circle", "good", "resolved it"),
    Kind.DISMISSED: Telling("block", "calm", "dismissed it"),
    Kind.REOPENED: Telling("replay", "bad", "reopened it"),
    Kind.MERGED: Telling("merge", "calm", "merged it"),
    Kind.OVERRIDDEN: Telling("gavel", "warn", "overrode the criteria"),
    Kind.SEVERITY_CHANGED: Telling("swap_vert", "warn", "changed its severity"),
    Kind.TYPE_CHANGED: Telling("category", "info", "changed its type"),
    Kind.PROCEDURE_FOLLOWED: Telling("menu_book", "info", "chose a procedure"),
    Kind.ROLE_ASSIGNED: Telling("badge", "info", "assigned a role"),
    Kind.IMPACT_RECORDED: Telling("groups", "info", "recorded its impact"),
    Kind.NOTE: Telling("edit_note", "calm", "wrote a note"),
    Kind.MILESTONE_CORRECTED: Telling("history", "warn", "corrected a milestone"),
    Kind.SNOOZED: Telling("snooze", "calm", "snoozed it"),
    Kind.SNOOZE_ENDED: Telling("alarm", "warn", "ended the snooze"),
    Kind.CHECKLIST_ADDED: Telling("add_task", "calm", "added to the checklist"),
    Kind.CHECKLIST_TICKED: Telling("task_alt", "good", "ticked off the checklist"),
    Kind.CHECKLIST_UNTICKED: Telling("radio_button_unchecked", "calm", "unticked the checklist"),
    Kind.CHECKLIST_OVERDUE: Telling(
        "assignment_late", "bad", "noticed what is overdue on the checklist", by_itself=True
    ),
    Kind.TARGET_MISSED: Telling(
        "running_with_errors", "bad", "noticed that a target was missed", by_itself=True
    ),
    Kind.ALERT_ATTACHED: Telling("sensors", "warn", "attached an alert"),
    Kind.PAGED: Telling("notifications_active", "warn", "paged"),
    Kind.PAGE_FAILED: Telling("sms_failed", "bad", "could not deliver a page", by_itself=True),
    Kind.TICKETED: Telling("confirmation_number", "info", "sent it as a ticket", by_itself=True),
    Kind.ESCALATED: Telling("stairs", "warn", "escalated it"),
    Kind.LEVEL_SKIPPED: Telling("skip_next", "warn", "skipped a level", by_itself=True),
    Kind.EXHAUSTED: Telling("error", "bad", "found nobody left to ask", by_itself=True),
    Kind.UPDATE_PUBLISHED: Telling("forum", "info", "published an update"),
    Kind.UPDATE_MISSED: Telling("speaker_notes_off", "bad", "missed an update", by_itself=True),
    Kind.CUSTOMERS_ASKED: Telling(
        "contact_support", "info", "asked whether customers are told", by_itself=True
    ),
    Kind.CUSTOMERS_DECLINED: Telling("voice_over_off", "calm", "decided not to tell customers"),
    Kind.IMPORTED: Telling("upload_file", "calm", "imported it"),
}
PLAIN = Telling("circle", "calm", "recorded something")

PAGES = [
    *(Kind.PAGED, Kind.PAGE_FAILED, Kind.TICKETED, Kind.ESCALATED, Kind.LEVEL_SKIPPED),
    *(Kind.EXHAUSTED, Kind.ACKNOWLEDGEMENT_EXPIRED, Kind.SNOOZE_ENDED),
]
UPDATES = [
    *(Kind.UPDATE_PUBLISHED, Kind.UPDATE_MISSED, Kind.CUSTOMERS_ASKED, Kind.CUSTOMERS_DECLINED),
]
# What the timeline may be narrowed to: its name in the address, its words, its entries.
FILTERS: dict[str, tuple[str, Q]] = {
    "": ("Everything", Q()),
    "people": ("What people did", Q(actor__isnull=False) & ~Q(kind__in=PAGES)),
    "pages": ("Pages", Q(kind__in=PAGES)),
    "notes": ("Notes", Q(kind=Kind.NOTE)),
    "updates": ("Updates", Q(kind__in=UPDATES)),
}

# Done by others, these change nothing about what somebody else is about to do.
_BESIDE_THE_POINT = [
    *(Kind.JOINED, Kind.PAGED, Kind.PAGE_FAILED, Kind.TICKETED, Kind.ESCALATED),
    *(
        Kind.LEVEL_SKIPPED,
        Kind.EXHAUSTED,
        Kind.TARGET_MISSED,
        Kind.CHECKLIST_ADDED,
        Kind.CHECKLIST_TICKED,
        Kind.CHECKLIST_UNTICKED,
        Kind.CHECKLIST_OVERDUE,
    ),
    *UPDATES,
]
# Of what happens by itself, these change where the incident stands.
_BY_ITSELF = [
    *(Kind.ACKNOWLEDGEMENT_EXPIRED, Kind.RECOVERED, Kind.RELAPSED, Kind.RESOLVED, Kind.REOPENED),
    *(Kind.DISMISSED, Kind.SEVERITY_CHANGED, Kind.SNOOZE_ENDED),
]
MOST_TOLD = 10


def telling_of(entry: TimelineEntry) -> Telling:
    return TELLINGS.get(Kind(entry.kind), PLAIN) if entry.kind in Kind.values else PLAIN


def who_did(entry: TimelineEntry) -> str:
    return str(entry.actor) if entry.actor and not telling_of(entry).by_itself else "Tocsin"


def newest(incident: Incident) -> int:
    """The mark of what can be seen of the incident now: its newest entry."""
    last = incident.timeline.order_by("-pk").values_list("pk", flat=True).first()
    return last or 0


def meanwhile(incident: Incident, user: Any, seen: str) -> Sequence[TimelineEntry]:
    """What others did since `seen`, newest first, as far as it bears on what `user` does now.

    `seen` is what a form carried: without a mark nobody can tell, and nothing is held back.
    """
    if not seen.isascii() or not seen.isdecimal() or len(seen) > 18:
        return ()
    return list(_bearing(incident, user).filter(pk__gt=int(seen))[:MOST_TOLD])


def last_bearing(incident: Incident, user: Any) -> TimelineEntry | None:
    """The last thing that others did to it."""
    return _bearing(incident, user).first()


def told(entry: TimelineEntry, now: datetime) -> str:
    """E.g. "Bob marked it identified 10 s ago. Identified: full disk"."""
    telling = telling_of(entry)
    line = f"{who_did(entry)} {telling.deed} {span(now - entry.at)} ago."
    return line if telling.is_whole else f"{line} {entry.summary}"


def _bearing(incident: Incident, user: Any) -> QuerySet[TimelineEntry]:
    by_others = Q(actor__isnull=False) & ~Q(actor=user) & ~Q(kind__in=_BESIDE_THE_POINT)
    by_itself = Q(actor=None, kind__in=_BY_ITSELF)
    entries = incident.timeline.filter(by_others | by_itself)
    return entries.select_related("actor").order_by("-pk")
