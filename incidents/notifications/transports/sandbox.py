"""Where the canary's pages go: nowhere. That one came here is what is to be known.

No Channel: people cannot choose it as a way to be reached.
"""

from incidents.notifications.transports.base import Outgoing, Sent


def check(_address: str) -> None:
    """Everything is accepted."""


def send(outgoing: Outgoing) -> Sent:
    return Sent(provider_id=f"sandbox:{outgoing.id}")
