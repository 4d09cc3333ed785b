"""What machines ask Tocsin about itself: is this process alive, can it serve, do the engines run.

Answered before hosts are checked and sessions are read: a load balancer asks by address, and nobody
logs in. So nothing is told but states and seconds. Each answer is kept for a second, so that asking
often costs nothing.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from incidents.timers import clock
from incidents.timers import services as timers

KEPT_SECONDS = 1.0
RETRY_AFTER_SECONDS = 5
UNREACHABLE = "The database cannot be reached."


@dataclass(frozen=True)
class Verdict:
    """What is answered; `fault` says in a sentence why it is a 503."""

    facts: dict[str, Any]
    fault: str = ""


type Look = Callable[[], Verdict]


class Kept[T]:
    """A value that is worked out at most once in `seconds`, however many ask at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._making = seconds, threading.Lock()
        self._kept: tuple[float, T] | None = None

    def get(self, make: Callable[[], T]) -> T:
        with self._making:
            if self._kept is None or time.monotonic() >= self._kept[0]:
                value = make()
                self._kept = (time.monotonic() + self._seconds, value)
            return self._kept[1]


class Probes:
    """Middleware: `/livez`, `/readyz` and `/health/engine`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._asked: dict[str, tuple[Look, Kept[Verdict]]] = {
            path: (look, Kept(KEPT_SECONDS)) for path, look in ADDRESSES.items()
        }

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = self._asked.get(request.path_info)
        if probe is None:
            return self.get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        look, kept = probe
        return _answer(kept.get(look))


def alive() -> Verdict:
    """This process answers. Touches no database: one that is away is no reason to restart it."""
    return Verdict({})


def ready() -> Verdict:
    """It can take requests: the database answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return Verdict({}, UNREACHABLE)
    return Verdict({})


def engines() -> Verdict:
    """Somewhere timers happen and pages leave: both engines were heard of within 10 seconds."""
    try:
        now = clock.now()
        pulses = timers.alive(now)
    except (DatabaseError, InterfaceError):
        return Verdict({}, UNREACHABLE)
    facts = {
        name: {
            "processes": pulse.processes,
            "silent_for_seconds": round((now - pulse.last_at).total_seconds(), 1)
            if pulse.last_at
            else None,
        }
        for name, pulse in pulses.items()
    }
    dead = [name for name, pulse in pulses.items() if not pulse.is_alive]
    fault = f"No engine runs for: {', '.join(dead)}." if dead else ""
    return Verdict({"engines": facts}, fault)


ADDRESSES: dict[str, Look] = {
    "/livez": alive,
    "/readyz": ready,
    "/health/engine": engines,
}


def _answer(verdict: Verdict) -> HttpResponse:
    if not verdict.fault:
        return HttpResponse(
            json.dumps({"status": "ok", **verdict.facts}), content_type="application/json"
        )
    status = HTTPStatus.SERVICE_UNAVAILABLE
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": verdict.fault,
        "code": "unavailable",
        **verdict.facts,
    }
    answer = HttpResponse(
        json.dumps(problem), status=status, content_type="application/problem+json"
    )
    answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    # A state that is told every second is no news for the log.
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer
