"""Asks lists in turns, in this process, and prints what they cost as JSON (used by the bench)."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from incidents.core.models import User  # noqa: E402
from tests.bench.house import percentile  # noqa: E402

WARM_UP = 3


def lists(token: str) -> dict[str, Callable[[], Any]]:
    api = Client(headers={"host": "localhost", "authorization": f"Bearer {token}"})
    admin = Client(headers={"host": "localhost"})
    admin.force_login(User.objects.filter(is_superuser=True).earliest("pk"))
    page, cursor = "/admin/incidents/incident/", "/api/v1/incidents/?page_size=50"
    deep = cursor
    for _ in range(5):
        deep = api.get(deep).json()["next"] or deep
    return {
        "API": lambda: api.get(cursor),
        "API, open": lambda: api.get(f"{cursor}&state=open"),
        "API, of a service": lambda: api.get(f"{cursor}&service=shop"),
        "API, sixth page": lambda: api.get(deep),
        "Admin": lambda: admin.get(page),
        "Admin, open": lambda: admin.get(f"{page}?status=open"),
        "Admin, of a service": lambda: admin.get(f"{page}?service__id__exact=1"),
    }


def main(token: str, requests: int) -> None:
    asked = lists(token)
    taken: dict[str, list[float]] = {name: [] for name in asked}
    found: dict[str, dict[str, Any]] = {}
    for number in range(WARM_UP + requests):
        for name, ask in asked.items():
            began = time.perf_counter()
            answer = ask()
            if answer.status_code != 200:
                raise SystemExit(f"{name} answers {answer.status_code}: {answer.content[:500]}")
            if number >= WARM_UP:
                taken[name].append((time.perf_counter() - began) * 1_000)
    for name, ask in asked.items():
        with CaptureQueriesContext(connection) as captured:
            ask()
        found[name] = {"queries": len(captured), "p95": percentile(taken[name], 0.95)}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
