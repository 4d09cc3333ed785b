"""What every transport is given, what it answers, and how it fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.conf import settings

LONGEST_DETAIL = 1024


@dataclass(frozen=True)
class Link:
    """Somewhere to go from a message, e.g. Link("Acknowledge", "https://…")."""

    title: str
    url: str


@dataclass(frozen=True)
class Outgoing:
    """One message to one address. `id` is the same at every attempt: receivers can tell repeats.

    `html` may be empty, and `calendar` (an iCalendar object); `reference` is the incident's, or
    empty, and `others` are those of further incidents that it tells of; `at`: when this attempt
    started.
    """

    id: str
    address: str
    secret: str
    subject: str
    body: str
    at: datetime
    html: str = ""
    calendar: str = ""
    links: Sequence[Link] = ()
    urgency: str = "message"
    reference: str = ""
    others: Sequence[str] = ()

    @property
    def text(self) -> str:
        """Body and links, for whoever shows plain text."""
        links = "\n".join(f"{link.title}: {link.url}" for link in self.links)
        return f"{self.body}\n\n{links}" if links else self.body


@dataclass(frozen=True)
class Sent:
    """The provider took it. Whether anybody saw it only a person can say."""

    provider_id: str = ""


class TransportError(Exception):
    """It was not sent, or nobody can tell.

    `permanent`: the same attempt will never succeed. `retry_after`: seconds that the other side
    asked to wait. The text is kept as evidence, up to 1 KiB.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message[:LONGEST_DETAIL])
        self.permanent, self.retry_after = permanent, retry_after


class Transport(Protocol):
    """One way out; each is a module with these two functions."""

    def check(self, address: str, /) -> None:
        """Raises TransportError when nothing could ever be sent there; never touches a network."""

    def send(self, outgoing: Outgoing, /) -> Sent:
        """Send once; at most 13 seconds. Raises TransportError."""


def require_demo(transport: str) -> None:
    """Raises TransportError where transports for demos and tests are switched off."""
    if not settings.DEMO_TRANSPORTS:
        raise TransportError(
            f"The {transport} transport is for demos and tests: set DEMO_TRANSPORTS=true.",
            permanent=True,
        )
