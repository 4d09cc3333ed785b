"""A sign of life to somebody outside who waits for it."""

from incidents.notifications.transports import webhook
from incidents.notifications.transports.base import TransportError


def ping(url: str) -> str:
    """GET this address, to which webhooks might be sent; why that failed, empty if it did not.

    Takes 10 seconds at most. Call outside of any transaction.
    """
    try:
        webhook.ping(url)
    except TransportError as error:
        return f"failed: {error}"
    return ""
