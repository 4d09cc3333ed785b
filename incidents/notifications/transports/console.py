"""Writes to standard output. For demos."""

import sys

from incidents.notifications.transports.base import Outgoing, Sent, require_demo


def check(_address: str) -> None:
    require_demo("console")


def send(outgoing: Outgoing) -> Sent:
    require_demo("console")
    head = f"── {outgoing.urgency} to {outgoing.address}: {outgoing.subject}"
    # One write, so that messages of several threads do not mix.
    sys.stdout.write(f"{head}\n{outgoing.text}\n\n")
    sys.stdout.flush()
    return Sent()
