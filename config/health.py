"""What machines ask Tocsin about itself: is this process alive, can it serve, do the engines run.

Answered before hosts are checked and sessions are read: a load balancer asks by address, and nobody
logs in. So nothing is told but states and seconds. Each answer is kept for a second, so that asking
often costs nothing. Prometheus comes by address as well, with a token, and is told more; without
it `/metrics` is there for administrators only.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from incidents.insights.metrics import exposition
from incidents.timers import clock
from incidents.timers import services as timers

KEPT_SECONDS, METRICS_KEPT_SECONDS = 1.0, 5.0
METRICS = "/metrics"
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
    """Middleware: `/livez`, `/readyz`, `/health/engine`, and `/metrics` for who has the token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._asked: dict[str, tuple[Look, Kept[Verdict]]] = {
            path: (look, Kept(KEPT_SECONDS)) for path, look in ADDRESSES.items()
        }

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = self._asked.get(request.path_info)
        if probe is None and not (request.path_info == METRICS and _has_token(request)):
            return self.get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if probe is None:
            return _metrics()
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


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The same for an administrator who is logged in; for anybody else there is nothing here."""
    user: Any = request.user
    if not user.is_superuser:
        raise Http404
    return _metrics()


_counted: Kept[bytes] = Kept(METRICS_KEPT_SECONDS)


def _metrics() -> HttpResponse:
    try:
        told = _counted.get(lambda: exposition(clock.now()))
    except (DatabaseError, InterfaceError):
        return _answer(Verdict({}, UNREACHABLE))
    return HttpResponse(told, content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return (
        bool(settings.METRICS_TOKEN)
        and scheme.lower() == "bearer"
        and constant_time_compare(token.strip(), settings.METRICS_TOKEN)
    )


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
