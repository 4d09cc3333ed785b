"""When so much breaks at once that one incident says more than many. Pure: no ORM, no clock."""

from dataclasses import dataclass
from datetime import timedelta

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Ticket:
    """Where a new alert stands among those of its service.

    `number`: it is the so manieth of its minute; `before`: how many there were in the minute
    before that one.
    """

    number: int
    before: int = 0


def is_storm(ticket: Ticket, *, threshold: int) -> bool:
    """Whether this alert joins an incident that is there, instead of declaring another one.

    More than `threshold` new alerts of one service within a minute are a storm, from the one that
    is too many; it is over after a minute with no more than that. Threshold 0: there are no storms.
    """
    return threshold > 0 and (ticket.number > threshold or ticket.before > threshold)


def told(service: str, *, threshold: int) -> str:
    """What the incident's timeline says once."""
    return (
        f"A storm: more than {threshold} new alerts of {service} within a minute. Further new "
        "alerts are bundled here instead of declaring incidents, until a minute has no more "
        "than that."
    )
