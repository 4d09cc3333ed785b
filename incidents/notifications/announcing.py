"""Telling the higher rooms that somebody could not be reached, whatever goes wrong there."""

import logging
from datetime import datetime

from django.db import transaction

from incidents.core.models import Incident
from incidents.notifications.models import Delivery
from incidents.notifications.signals import delivery_given_up
from incidents.timers import clock
from incidents.timers import services as timers
from incidents.timers.models import Timer

logger = logging.getLogger(__name__)

GIVEN_UP = "notifications.given_up"


def given_up(delivery: Delivery, incident: Incident | None) -> None:
    """Announce it. Where a receiver raises it is logged, what it wrote is undone, and a timer
    announces it again: the delivery itself has ended, and its lane goes on."""
    try:
        with transaction.atomic():
            delivery_given_up.send(Delivery, delivery=delivery, incident=incident)
    except Exception:
        logger.exception("Unable to react to the end of %s; a timer will try again", delivery)
        if incident is not None:
            key = str(delivery.pk)
            timers.schedule(
                GIVEN_UP, incident, due_at=clock.now(), key=key, payload={"delivery": key}
            )


def again(timer: Timer, incident: Incident, _now: datetime) -> None:
    """The handler of that timer. Its links are not kept by then."""
    pages = Delivery.objects.select_related("recipient", "incident")
    delivery = pages.filter(pk=timer.payload["delivery"]).first()
    if delivery is not None and not delivery.is_void_for(incident):
        delivery_given_up.send(Delivery, delivery=delivery, incident=incident)
