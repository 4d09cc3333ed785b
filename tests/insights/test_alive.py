"""Real processes: what the outside sees while engines live, and when the last one dies.

Runs on SQLite in a folder of its own, whatever the suite runs on. In full size (PROOF=full) it also
waits for the first minutes of the audit, the canary and the outgoing heartbeat.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from drills.demo.process import free_port
from tests.chaos.servers import eventually
from tests.config.houses import OURS, ROOT, House
from tests.proof.report import note
from tests.sizes import FULL

pytestmark = pytest.mark.chaos

TOKEN = {"Authorization": "Bearer a-token-of-this-test"}


class Installation:
    """Web and worker of one house; each killed here by its pid, and gone in the end."""

    def __init__(self, folder: Path, heartbeat_url: str) -> None:
        self.house, self.port = House(folder), free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in OURS},
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(folder),
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "METRICS_TOKEN": "a-token-of-this-test",
            "HEARTBEAT_URL": heartbeat_url,
            "WEBHOOK_ALLOW_PRIVATE": "true",
            "DEMO_TRANSPORTS": "true",
            "LAST_RESORT": "file:phones/duty",
            "LOG_LEVEL": "ERROR",
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *argv: str, process: str) -> subprocess.Popen[bytes]:
        started = subprocess.Popen(
            [sys.executable, *argv],
            cwd=ROOT,
            env={**self.environment, "TOCSIN_PROCESS": process},
            start_new_session=True,
        )
        self.processes.append(started)
        return started

    def start_web(self) -> None:
        self.start(
            *("-m", "granian", "--interface", "wsgi", "config.wsgi:application"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1", "--no-ws"),
            process="web",
        )

    def status(self, path: str) -> int:
        """0: nobody answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=5).status_code
        except httpx.TransportError:
            return 0

    def metric(self, name: str) -> float:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/metrics", headers=TOKEN, timeout=5)
        lines = (line.rpartition(" ") for line in answer.text.splitlines())
        return next(float(value) for known, _, value in lines if known == name)

    def stop(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def outside() -> Iterator[tuple[str, list[float]]]:
    """Somebody outside who waits for signs of life; when they came."""
    asked: list[float] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(time.monotonic())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/alive", asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(tmp_path: Path, outside: tuple[str, list[float]]) -> Iterator[Installation]:
    site = Installation(tmp_path, outside[0])
    try:
        yield site
    finally:
        site.stop()


def test_it_says_within_fifteen_seconds_that_the_last_engine_died(site, outside):
    site.house.act("build")
    site.start_web()
    worker = site.start("manage.py", "worker", process="worker")
    eventually(lambda: site.status("/readyz") == 200, within=60)
    assert site.status("/livez") == 200
    eventually(lambda: site.status("/health/engine") == 200, within=60)
    if FULL:
        _hears_of_it_outside(site, outside[1])

    worker.kill()
    died = time.monotonic()
    eventually(lambda: site.status("/health/engine") == 503, within=30)
    took = time.monotonic() - died

    note("503 after the last engine died", f"{took:.1f} s", "≤ 15 s", met=took <= 15)
    assert took <= 15
    assert site.status("/livez") == site.status("/readyz") == 200


def _hears_of_it_outside(site: Installation, heard: list[float]) -> None:
    """The first audit passes, the canary comes round, and the heartbeat leaves; then all stops."""
    began = time.monotonic()
    eventually(lambda: heard, within=240, every=0.2)
    took = time.monotonic() - began
    note("First outgoing heartbeat after a start", f"{took:.0f} s", "≤ 150 s", met=took <= 150)
    assert site.metric("tocsin_canary_age_seconds") < 180
    assert site.metric('tocsin_audit_findings{invariant="I2"}') == 0
    site.house.act("silence")
    told = time.monotonic()
    metric = 'tocsin_audit_findings{invariant="I2"}'
    eventually(lambda: site.metric(metric) == 1, within=150, every=0.5)
    took = time.monotonic() - told
    note("A silent incident is found", f"{took:.0f} s", "≤ 90 s", met=took <= 90)
    eventually(lambda: any("TOCSIN IS ILL" in line for line in site.house.phone("duty")), within=30)
    before = len(heard)
    time.sleep(75)
    stopped = len(heard) == before
    note("The heartbeat stops when the audit fails", stopped, "True", met=stopped)
    assert stopped
