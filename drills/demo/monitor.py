"""The demo's monitor: probes a health address and tells an alert source what it finds.

    python -m drills.demo.monitor --target http://127.0.0.1:8090/health \
        --alerts http://127.0.0.1:8000/api/v1/alerts/KEY/ --service checkout

Stands outside of what it watches and of whom it tells: imports nothing of Tocsin. What to think of
a probe is decided by `judge`, which knows neither network nor clock; telling has a thread of its
own, so that an intake that is down never stops the probing.
"""

import argparse
import logging
import os
import signal
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Any, Literal

import httpx

logger = logging.getLogger("monitor")

POST_TIMEOUT_SECONDS = 5.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
LAST_WORDS_SECONDS = 8.0  # How long to go on delivering after SIGTERM.


@dataclass(frozen=True)
class Rule:
    strikes: int = 3  # Failed probes in a row until it fires.
    goods: int = 2  # Good probes in a row until it has resolved.


@dataclass(frozen=True)
class State:
    """What is known from the probes so far. `failing_since` is when the outage's first failed."""

    failing_since: datetime | None = None
    strikes: int = 0
    goods: int = 0
    firing: bool = False

    @property
    def phase(self) -> str:
        if self.firing:
            return "down"
        return "suspect" if self.strikes else "up"


@dataclass(frozen=True)
class Alert:
    status: Literal["firing", "resolved"]
    started_at: datetime


def judge(
    state: State,
    probe_ok: bool,
    now: datetime,
    *,
    rule: Rule = Rule(),
) -> tuple[State, Alert | None]:
    """The state after a probe that began at `now`, and the alert to send, if any."""
    since = state.failing_since or now
    if not probe_ok:
        failing = replace(state, failing_since=since, strikes=state.strikes + 1, goods=0)
        if state.firing or failing.strikes < rule.strikes:
            return failing, None
        return replace(failing, firing=True), Alert("firing", since)
    if not state.firing:
        return State(), None
    if state.goods + 1 < rule.goods:
        return replace(state, strikes=0, goods=state.goods + 1), None
    return State(), Alert("resolved", since)


def detection_floor(interval: float, timeout: float, strikes: int, hang: bool = True) -> float:
    """Seconds from fault to alert at the worst: no response can be expected any sooner.

    A hang costs the timeout at every probe, a refused connection next to nothing. The last term is
    the fault that begins just after a good probe.
    """
    failed_probe = timeout if hang else 0.0
    return (strikes - 1) * max(interval, failed_probe) + failed_probe + interval


class Courier(threading.Thread):
    """Delivers alerts in order, each until it is accepted; `dedup_key` makes repeats harmless."""

    def __init__(self, url: str) -> None:
        super().__init__(name="courier", daemon=True)
        self._url = url
        self._outbox: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._closing = threading.Event()

    def send(self, alert: dict[str, Any]) -> None:
        self._outbox.put(alert)

    def close(self) -> None:
        """Give everything that is left one more try, for a limited time."""
        self._outbox.put(None)
        self._closing.set()
        self.join(LAST_WORDS_SECONDS)

    def run(self) -> None:
        with httpx.Client(timeout=POST_TIMEOUT_SECONDS, trust_env=False) as client:
            while (alert := self._outbox.get()) is not None:
                self._deliver(client, alert)

    def _deliver(self, client: httpx.Client, alert: dict[str, Any]) -> None:
        pause, last_trouble = FIRST_PAUSE_SECONDS, ""
        while trouble := self._post(client, alert):
            if trouble != last_trouble:
                logger.warning("%s not delivered yet: %s", alert["status"], trouble)
                last_trouble = trouble
            if self._closing.is_set():
                logger.error("%s never delivered: the monitor was stopped", alert["status"])
                return
            self._closing.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        logger.info("%s delivered", alert["status"])

    def _post(self, client: httpx.Client, alert: dict[str, Any]) -> str:
        """What went wrong, or nothing."""
        try:
            answer = client.post(self._url, json=alert)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return str(error) or type(error).__name__
        return "" if answer.is_success else f"the intake answers {answer.status_code}"


@dataclass(frozen=True)
class Watch:
    """What to watch, and in which words to tell."""

    target: str
    service: str
    severity: str
    interval: float
    timeout: float
    rule: Rule

    def probe(self) -> str:
        """Why the target is not well, or nothing. Each time over a connection of its own."""
        try:
            answer = httpx.get(self.target, timeout=self.timeout, trust_env=False)
        except httpx.TimeoutException:
            return f"no answer within {self.timeout:g} s"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return str(error) or type(error).__name__
        return "" if answer.is_success else f"answers {answer.status_code}"

    def payload(self, alert: Alert, trouble: str) -> dict[str, Any]:
        summary = (
            f"{self.service} is down: {trouble}, {self.rule.strikes} times in a row"
            if alert.status == "firing"
            else f"{self.service} answers again"
        )
        return {
            "dedup_key": f"{self.service}:health",
            "status": alert.status,
            "service": self.service,
            "severity": self.severity,
            "summary": summary,
            "links": [{"href": self.target, "text": "Health check"}],
            "started_at": alert.started_at.isoformat(),
        }


def run(watch: Watch, courier: Courier, stop: "SimpleQueue[int]") -> None:
    """Probe every interval, until something is in `stop` or the parent process is gone."""
    state, parent = State(), os.getppid()
    while os.getppid() == parent:
        began, now = time.monotonic(), datetime.now(UTC)
        trouble = watch.probe()
        before = state
        state, alert = judge(state, not trouble, now, rule=watch.rule)
        if state.phase != before.phase:
            logger.info("%s is %s%s", watch.service, state.phase, trouble and f": {trouble}")
        if alert:
            courier.send(watch.payload(alert, trouble))
        try:
            stop.get(timeout=max(0.0, began + watch.interval - time.monotonic()))
        except Empty:
            continue
        return


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m drills.demo.monitor",
        description="Probe a health address; tell an alert source when it fails and recovers.",
        epilog="Example: python -m drills.demo.monitor --target http://127.0.0.1:8090/health "
        "--alerts http://127.0.0.1:8000/api/v1/alerts/KEY/ --service checkout",
    )
    parser.add_argument("--target", required=True, help="address to probe")
    parser.add_argument("--alerts", required=True, help="address of the alert source")
    parser.add_argument("--service", required=True, help="name of the service in Tocsin")
    parser.add_argument("--severity", default="critical", help="of the alert (%(default)s)")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds (%(default)s)")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds (%(default)s)")
    parser.add_argument(
        "--strikes", type=int, default=3, help="failed probes in a row that fire (%(default)s)"
    )
    return parser.parse_args()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asked = options()
    # Not an Event: setting one in a handler deadlocks when its waiter is the interrupted thread.
    stop: SimpleQueue[int] = SimpleQueue()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda number, _: stop.put(number))
    courier = Courier(asked.alerts)
    courier.start()
    watch = Watch(
        target=asked.target,
        service=asked.service,
        severity=asked.severity,
        interval=asked.interval,
        timeout=asked.timeout,
        rule=Rule(strikes=asked.strikes),
    )
    try:
        run(watch, courier, stop)
    finally:
        courier.close()


if __name__ == "__main__":
    main()
