"""The last requests of every source and what became of each: for people who wonder what arrives."""

import logging

from django.db.models import Count

from incidents.alerts.models import IntakeRequest, Source
from incidents.alerts.services.ingesting import Receipt
from incidents.timers import clock

logger = logging.getLogger(__name__)

KEPT = 50
LONGEST_BODY = 2_000


def log_request(
    source: Source,
    *,
    status: int,
    body: str,
    receipt: Receipt | None = None,
    problem: str = "",
) -> None:
    """Write down one request, after whatever it led to was committed. Never raises."""
    try:
        IntakeRequest.objects.create(
            source=source,
            at=clock.now(),
            status=status,
            outcome=receipt.action if receipt else IntakeRequest.Outcome.REFUSED,
            dedup_key=receipt.dedup_key if receipt else "",
            incident=receipt.incident if receipt else None,
            problem=problem[:LONGEST_BODY],
            body=body[:LONGEST_BODY],
        )
    except Exception:
        logger.exception("Unable to write down a request of the source %s", source.pk)


def prune_requests() -> int:
    """Keep the last 50 requests of every source; returns how many are forgotten."""
    rows = IntakeRequest.objects.values_list("source", flat=True)
    full = rows.annotate(number=Count("pk")).filter(number__gt=KEPT).order_by()
    return sum(_prune(source) for source in full)


def _prune(source: int) -> int:
    rows = IntakeRequest.objects.filter(source=source)
    oldest_kept = rows.order_by("-pk").values_list("pk", flat=True)[KEPT - 1]
    return rows.filter(pk__lt=oldest_kept).delete()[0]
