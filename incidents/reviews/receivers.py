"""How reviews follow what happens to their incidents and people. Only writes rows."""

import logging
from datetime import datetime
from typing import Any

from django.db import transaction

from incidents.core.models import Incident, Kind, TimelineEntry, User
from incidents.core.signals import entry_recorded, person_deactivated
from incidents.reviews.services import handing, leaving, opening
from incidents.timers import clock, engine
from incidents.timers import services as timers
from incidents.timers.models import Timer

logger = logging.getLogger(__name__)

REPAIR = "reviews.repair"


def connect() -> None:
    """Called once, when the house is put together."""
    entry_recorded.connect(follow_resolution, kinds={Kind.RESOLVED})
    entry_recorded.connect(suspend, kinds={Kind.REOPENED})
    entry_recorded.connect(follow_dismissal, kinds={Kind.DISMISSED, Kind.MERGED})
    person_deactivated.connect(let_go, dispatch_uid="reviews.let_go")
    engine.register(
        REPAIR,
        model="incidents.User",
        handle=engine.each(pass_on_late),
        label="what they had in reviews passes to others",
    )


def follow_resolution(entry: TimelineEntry, incident: Incident) -> None:
    opening.follow_resolution(incident, now=entry.at)


def suspend(entry: TimelineEntry, incident: Incident) -> None:
    opening.suspend(incident, now=entry.at)


def follow_dismissal(entry: TimelineEntry, incident: Incident) -> None:
    """A merge is recorded on the incident that goes on, too."""
    if not incident.is_open:
        opening.follow_dismissal(incident, reason=entry.summary, now=entry.at)


def let_go(*, user: User, actor: User | None, **_: Any) -> None:
    """Nothing of theirs waits for somebody who is gone.

    A mistake in here never keeps anybody from being shut out: a timer tries it again.
    """
    try:
        with transaction.atomic():
            pass_on(user, actor, clock.now())
    except Exception:
        logger.exception("Unable to pass on what %s had; a timer will try again", user.username)
        timers.schedule(REPAIR, user, due_at=clock.now())


def pass_on_late(_timer: Timer, user: User, now: datetime) -> None:
    """Do once more what failed when they were shut out (timer `reviews.repair`)."""
    if not user.is_active:
        pass_on(user, None, now)


def pass_on(user: User, actor: User | None, now: datetime) -> None:
    leaving.pass_on(user, now=now)
    handing.hand_over(user, actor=actor, now=now)
