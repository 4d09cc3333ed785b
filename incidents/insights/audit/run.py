"""One audit: every invariant looked at, in one read-only transaction, and what was found."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction

from incidents.core.models import Incident, TimelineEntry
from incidents.insights.audit import asking, keeping, sending
from incidents.insights.audit.kinds import MOST_OFFENCES, Finding, Invariant, Scope
from incidents.notifications.models import Delivery
from incidents.timers.models import Timer

logger = logging.getLogger(__name__)

INVARIANTS: list[Invariant] = sorted(
    [*asking.INVARIANTS, *sending.INVARIANTS, *keeping.INVARIANTS],
    key=lambda one: int(one.name.removeprefix("I")),
)
QUICK = timedelta(seconds=5)
PATIENT = timedelta(minutes=2)


@dataclass(frozen=True)
class Report:
    """What one audit found. `looked_at`: how many rows of what there were; `mark`: where the next
    one may begin; `is_whole`: it looked at everything there ever was.
    """

    at: datetime
    took: float
    findings: list[Finding]
    looked_at: dict[str, int]
    mark: int
    is_whole: bool

    @property
    def has_passed(self) -> bool:
        return not self.findings

    @property
    def saw_nothing(self) -> bool:
        """There was no row to look at: that nothing was wrong means nothing."""
        return not any(self.looked_at.values())

    def as_dict(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "took_seconds": round(self.took, 4),
            "passed": self.has_passed,
            "whole": self.is_whole,
            "looked_at": self.looked_at,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def audit(scope: Scope, *, also: Sequence[Invariant] = (), patience: timedelta = QUICK) -> Report:
    """Look whether everything holds; writes nothing, and the database sees to that.

    `also`: further invariants. An invariant that cannot be looked at within `patience` (seconds for
    each query, PostgreSQL) is a finding like one that does not hold.
    """
    began = time.monotonic()
    with _reading(patience):
        looked_at, mark = _count(scope), _newest()
        findings = [found for one in [*INVARIANTS, *also] if (found := _look(one, scope))]
    took = time.monotonic() - began
    return Report(scope.now, took, findings, looked_at, mark, is_whole=scope.since is None)


def _look(invariant: Invariant, scope: Scope) -> Finding | None:
    offences, error = [], ""
    try:
        with _fence():
            offences = list(islice(invariant.find(scope), MOST_OFFENCES))
    except Exception as failure:
        logger.exception("Unable to look at %s", invariant.name)
        error = f"It could not be looked at: {type(failure).__name__}: {failure}"
    if not offences and not error:
        return None
    about = (invariant.name, invariant.title, invariant.sentence, invariant.advice)
    return Finding(*about, offences, error, invariant.is_queue)


def _count(scope: Scope) -> dict[str, int]:
    """Of what there was to look at. Each is answered by an index, and none grows with history."""
    return {
        "open incidents": Incident.objects.without_canary().open().count(),
        "touched incidents": scope.incidents.count(),
        "pending timers": Timer.objects.pending().count(),
        "waiting deliveries": Delivery.objects.alive().count(),
    }


def _newest() -> int:
    newest = TimelineEntry.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


@contextmanager
def _reading(patience: timedelta) -> Iterator[None]:
    """Nothing can be written in here, and nobody waits for it.

    SQLite has no shared lock that would not stop its one writer: each query sees its own moment.
    """
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = ON")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA query_only = OFF")
        return
    isolation = "" if connection.in_atomic_block else "ISOLATION LEVEL REPEATABLE READ, "
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET TRANSACTION {isolation}READ ONLY")
        cursor.execute(f"SET LOCAL statement_timeout = {patience // timedelta(milliseconds=1)}")
        yield


@contextmanager
def _fence() -> Iterator[None]:
    """A failure in here leaves the others their transaction, where there is one."""
    if not connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        yield
