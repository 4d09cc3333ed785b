"""What happens by itself: the next step, a ticket's deadline, an expiry, the last resort again.

The engine has locked the incidents. Steps and tickets are taken in bulk: the number of queries
does not grow with the batch.
"""

from collections.abc import Sequence
from datetime import datetime

from incidents.core.models import Incident
from incidents.escalation import services
from incidents.timers.engine import Due
from incidents.timers.models import Timer


def take_steps(due: Sequence[Due], *, now: datetime) -> None:
    services.take_steps([one.subject for one in due], now=now)


def page_tickets(due: Sequence[Due], *, now: datetime) -> None:
    """A ticket that nobody took in time is paged like anything else, from the first level on."""
    services.take_steps([one.subject for one in due], now=now)


def make_calls(_timer: Timer, incident: Incident, now: datetime) -> None:
    services.make_calls(incident, now=now)


def pull_trigger(timer: Timer, incident: Incident, now: datetime) -> None:
    services.run_trigger(incident, timer.key, due_at=timer.due_at, now=now)


def remind_of_roles(_timer: Timer, incident: Incident, now: datetime) -> None:
    services.remind_of_roles(incident, now=now)


def expire_acknowledgement(_timer: Timer, incident: Incident, _now: datetime) -> None:
    services.expire_acknowledgement(incident)


def tell_last_resort_again(_timer: Timer, incident: Incident, now: datetime) -> None:
    services.tell_last_resort_again(incident, now=now)
