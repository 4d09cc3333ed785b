"""The verbs of this room: take in what a monitor says; keep the sources and their last requests."""

from incidents.alerts.services.canary import chirp
from incidents.alerts.services.declaring import Overtaken, Receipt
from incidents.alerts.services.ingesting import ingest
from incidents.alerts.services.requests import KEPT, log_request, prune_requests
from incidents.alerts.services.routing import route, unrouted
from incidents.alerts.services.sources import (
    change_source,
    create_source,
    rotate_key,
    source_of,
)

__all__ = [
    "KEPT",
    "Overtaken",
    "Receipt",
    "change_source",
    "chirp",
    "create_source",
    "ingest",
    "log_request",
    "prune_requests",
    "rotate_key",
    "route",
    "source_of",
    "unrouted",
]
