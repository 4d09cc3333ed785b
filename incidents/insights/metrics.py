"""What Prometheus is told: lateness, queues, deliveries, open incidents, the watch itself.

Worked out of the rows at the moment of asking, so that any process of the web may answer for all
that run, in a constant number of queries. No label names a person, a team, a service or an address.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from incidents.core.models import Incident
from incidents.insights import canary, services
from incidents.insights.audit.run import INVARIANTS
from incidents.insights.percentiles import percentile
from incidents.notifications.models import Delivery, Urgency
from incidents.timers import services as timers
from incidents.timers.models import Timer

RECENTLY = timedelta(minutes=5)
LATELY = timedelta(hours=1)
MOST_READ = 20_000
QUANTILES = {"0.5": 50, "0.99": 99, "1": 100}
NEVER = float("nan")
WATCHED = [*(invariant.name for invariant in INVARIANTS), "I14"]

type Pairs = Iterable[tuple[datetime, datetime | None]]


def exposition(now: datetime) -> bytes:
    """The text that Prometheus reads. At most 20,000 of the last events are looked at."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows(now))
    return generate_latest(registry)


class _Rows(Collector):
    """All of it, read when it is asked for."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = self._now
        yield from _lateness(now)
        yield from _queues(now)
        yield from _deliveries(now)
        yield from _incidents()
        yield from _watch(now)
        yield from _engines(now)


def _lateness(now: datetime) -> Iterator[GaugeMetricFamily]:
    # Both conditions: SQLite takes the index of what is not pending only when it is told so.
    ended = Timer.objects.exclude(state=Timer.State.PENDING)
    done = ended.filter(state=Timer.State.DONE, ended_at__gte=now - RECENTLY)
    yield _quantiles(
        "tocsin_timer_lateness_seconds",
        "From due to done, of timers done in the last 5 minutes.",
        done.order_by("-ended_at").values_list("due_at", "ended_at")[:MOST_READ],
    )
    # Of what needed one attempt: a repetition is due at another moment.
    sent = Delivery.objects.filter(
        ended_at__gte=now - RECENTLY,
        state=Delivery.State.SENT,
        urgency=Urgency.PAGE,
        attempts=1,
        tries__number=1,
    )
    yield _quantiles(
        "tocsin_page_lateness_seconds",
        "From due to handed to the transport, of pages sent in the last 5 minutes.",
        sent.order_by("-ended_at").values_list("due_at", "tries__started_at")[:MOST_READ],
    )


def _quantiles(name: str, told: str, pairs: Pairs) -> GaugeMetricFamily:
    seconds = [(end - start).total_seconds() for start, end in pairs if end is not None]
    family = GaugeMetricFamily(name, told, labels=["quantile"])
    for label, p in QUANTILES.items():
        value = percentile(seconds, p)
        family.add_metric([label], NEVER if value is None else value)
    return family


def _queues(now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = Delivery.objects.due(now)
    queues: dict[str, QuerySet[Any]] = {
        "timers": Timer.objects.due(now),
        "pages": waiting.filter(urgency=Urgency.PAGE),
        "messages": waiting.exclude(urgency=Urgency.PAGE),
    }
    age = GaugeMetricFamily(
        "tocsin_queue_age_seconds", "How long the oldest of what is due waits.", labels=["queue"]
    )
    length = GaugeMetricFamily("tocsin_queue_length", "How much is due.", labels=["queue"])
    for name, found in queues.items():
        due = list(found.order_by("due_at").values_list("due_at", flat=True)[:MOST_READ])
        age.add_metric([name], (now - min(due, default=now)).total_seconds())
        length.add_metric([name], len(due))
    yield age
    yield length
    yield _gauge(
        "tocsin_quarantined_timers",
        "Timers that do not happen until somebody retries them.",
        Timer.objects.quarantined().count(),
    )


def _deliveries(now: datetime) -> Iterator[GaugeMetricFamily]:
    ended = Delivery.objects.filter(ended_at__gte=now - LATELY)
    counted = ended.order_by().values_list("urgency", "transport", "state").annotate(Count("pk"))
    family = GaugeMetricFamily(
        "tocsin_deliveries_last_hour",
        "What became of messages in the last hour; the canary's go by sandbox.",
        labels=["urgency", "transport", "fate"],
    )
    for urgency, transport, state, many in counted:
        family.add_metric([urgency, transport, state], many)
    yield family


def _incidents() -> Iterator[GaugeMetricFamily]:
    counted = Incident.objects.real().open().order_by()
    rows = counted.values_list("severity", "status", "is_acknowledged").annotate(Count("pk"))
    family = GaugeMetricFamily(
        "tocsin_open_incidents",
        "Open incidents, without drills.",
        labels=["severity", "state", "acknowledged"],
    )
    for severity, status, held, many in rows:
        family.add_metric([severity, status, str(held).lower()], many)
    yield family


def _watch(now: datetime) -> Iterator[GaugeMetricFamily]:
    last, bird = services.latest_run(), canary.look()
    found = {one["name"]: one["count"] or 1 for one in last.findings} if last else {}
    family = GaugeMetricFamily(
        "tocsin_audit_findings", "What breaks an invariant.", labels=["invariant"]
    )
    for name in WATCHED:
        family.add_metric([name], found.get(name, 0) if last else NEVER)
    yield family
    yield _gauge(
        "tocsin_audit_age_seconds", "Since the last audit.", _age(last.at if last else None, now)
    )
    yield _gauge(
        "tocsin_audit_duration_seconds", "It took.", last.took_ms / 1000 if last else NEVER
    )
    yield _gauge(
        "tocsin_canary_age_seconds",
        "Since the canary last came the whole way.",
        _age(bird.arrived_at, now),
    )


def _engines(now: datetime) -> Iterator[GaugeMetricFamily]:
    processes = GaugeMetricFamily(
        "tocsin_engine_processes", "In how many processes it runs.", labels=["engine"]
    )
    silent = GaugeMetricFamily(
        "tocsin_engine_silent_seconds", "Since it was last heard of.", labels=["engine"]
    )
    for name, pulse in timers.alive(now).items():
        processes.add_metric([name], pulse.processes)
        silent.add_metric([name], _age(pulse.last_at, now))
    yield processes
    yield silent


def _gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, value=value)


def _age(at: datetime | None, now: datetime) -> float:
    return NEVER if at is None else (now - at).total_seconds()
