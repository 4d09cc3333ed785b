"""Asks the pages in turns, in this process, and prints what they cost (used by the bench).

Measured is the whole request through Django's handler: database, templates, middleware; no
network. An empty admin page, asked in turns with the others, tells how fast this machine is just
now: the ratio to it holds where milliseconds do not.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import django

django.setup()

from django.contrib import admin  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.template.response import TemplateResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import path, reverse  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from config import urls  # noqa: E402
from incidents.core.models import Incident, User  # noqa: E402

BAR_MS = 150.0
WARM_UP = 3
SLOWEST_SHOWN = 3


@dataclass
class Page:
    name: str
    url: str
    taken: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)  # by this process, whoever else is busy
    queries: int = 0
    slowest: list[dict[str, str]] = field(default_factory=list)

    @property
    def p50(self) -> float:
        return statistics.median(self.taken)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.taken, n=20)[-1]


def empty(request: HttpRequest) -> HttpResponse:
    """The admin's frame around nothing."""
    return TemplateResponse(request, "admin/base_site.html", admin.site.each_context(request))


def pages() -> list[Page]:
    urls.urlpatterns.insert(0, path("bench/", admin.site.admin_view(empty)))
    opened = Incident.objects.open().order_by("-paging_epoch", "pk").first()
    longest = (
        Incident.objects.raw(
            "SELECT incident_id AS id FROM incidents_timelineentry "
            "GROUP BY incident_id ORDER BY count(*) DESC LIMIT 1"
        )
    )[0]
    change, listed = "admin:incidents_incident_change", "admin:incidents_incident_changelist"
    return [
        Page("empty admin page", "/bench/"),
        Page("cockpit", reverse("admin:index")),
        Page("incident (open)", reverse(change, args=[opened.pk])),
        Page("incident (longest)", reverse(change, args=[longest.pk])),
        Page("list of incidents", reverse(listed)),
        Page("list of open incidents", reverse(listed) + "?status=open"),
        Page("responder's home", reverse("home")),
    ]


def measure(page: Page, get: Callable[[str], HttpResponse]) -> None:
    began, worked = time.perf_counter(), time.thread_time()
    answer = get(page.url)
    page.worked.append((time.thread_time() - worked) * 1_000)
    page.taken.append((time.perf_counter() - began) * 1_000)
    if answer.status_code != 200:
        raise SystemExit(f"{page.url} answers {answer.status_code}, not 200.")


def look_into(page: Page, get: Callable[[str], HttpResponse]) -> None:
    """Once more, with a look at the queries; not measured, for looking costs time."""
    with CaptureQueriesContext(connection) as captured:
        get(page.url)
    page.queries = len(captured)
    by_time = sorted(captured, key=lambda query: float(query["time"]), reverse=True)
    page.slowest = by_time[:SLOWEST_SHOWN]


def report(known: list[Page], console: Console) -> None:
    table = Table()
    for title in ["Page", "p50 ms", "p95 ms", "best ms", "CPU ms", "× empty", "queries"]:
        table.add_column(title, justify="left" if title == "Page" else "right")
    for page in known:
        table.add_row(
            page.name,
            f"{page.p50:.0f}",
            f"{page.p95:.0f}",
            f"{min(page.taken):.0f}",
            f"{statistics.median(page.worked):.0f}",
            f"{page.p50 / known[0].p50:.1f}",
            str(page.queries),
        )
    console.print(table)
    for page in known[1:]:
        for query in page.slowest:
            text = " ".join(query["sql"].split())[:140]
            console.print(
                f"{page.name}: {float(query['time']) * 1_000:.0f} ms  {text}", markup=False
            )


def main(requests: int) -> int:
    console = Console(width=180)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.filter(is_superuser=True).earliest("pk"))
    known = pages()
    for number in range(WARM_UP + requests):
        for page in known:
            measure(page, client.get)
        if number == WARM_UP - 1:
            for page in known:
                page.taken.clear()
                page.worked.clear()
    for page in known:
        look_into(page, client.get)
    report(known, console)
    cockpit = known[1]
    met = cockpit.p50 <= BAR_MS
    busy = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    word = "met" if met else "MISSED"
    console.print(f"Cockpit: {cockpit.p50:.0f} ms, bar {BAR_MS:.0f} ms: {word} ({busy}).")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
