"""A whole installation in real processes: its own PostgreSQL and Redis, web, workers, clock.

Every process is started here, killed here by its pid, and gone when the block ends.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg

from drills.demo.process import free_port
from tests.chaos.servers import (
    Postgres,
    Provider,
    Redis,
    eventually,
    postgres,
    provider,
    redis,
)

ROOT = Path(__file__).resolve().parents[2]
LEASE_SECONDS = 2.0


class Installation:
    """Starts and kills the processes of one installation; asks its database and its web."""

    def __init__(self, db: Postgres, broker: Redis, wire: Provider, folder: Path) -> None:
        self.db, self.broker, self.wire, self.folder = db, broker, wire, folder
        self.port = free_port()
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": db.url,
            "REDIS_URL": broker.url,
            "DATA_DIR": str(folder),
            "SECRET_KEY": "chaos-tests-only",
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "LAST_RESORT": f"{wire.url}last-resort",
            "WEBHOOK_ALLOW_PRIVATE": "true",
            "DELIVERY_LEASE_SECONDS": str(LEASE_SECONDS),
            "TIMER_LEASE_SECONDS": str(LEASE_SECONDS),
            "LOG_LEVEL": "WARNING",
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        self.known: dict[str, str] = {}

    def build(self) -> None:
        """Migrate, and make an organisation whose two people are webhooks of the provider."""
        self.known = self.seed("build", self.wire.url)

    def seed(self, *arguments: str) -> dict[str, str]:
        run = subprocess.run(
            [sys.executable, "-m", "tests.chaos.seed", *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    def start(self, *arguments: str, failpoints: str = "") -> subprocess.Popen[bytes]:
        """`manage.py …` as a process of its own; `failpoints`: where it is to die."""
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                env={**self.environment, "TOCSIN_FAILPOINTS": failpoints},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_web(self) -> subprocess.Popen[bytes]:
        with (self.folder / "web.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "granian", "--interface", "wsgi"),
                    *("config.wsgi:application", "--host", "127.0.0.1", "--port", str(self.port)),
                    *("--workers", "1", "--blocking-threads", "4", "--no-ws"),
                ],
                env={**self.environment, "TOCSIN_PROCESS": "web"},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        eventually(self._web_answers, within=20)
        return process

    def _web_answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/api/schema/").is_success
        except httpx.TransportError:
            return False

    def alert(self, dedup_key: str, **facts: Any) -> httpx.Response:
        """Post a firing alert as a monitor does."""
        body = {"dedup_key": dedup_key, "service": "checkout", "summary": "It is down", **facts}
        url = f"http://127.0.0.1:{self.port}/api/v1/alerts/{self.known['source_key']}/"
        return httpx.post(url, json=body, timeout=10)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.db.url, autocommit=True) as connection:
            return connection.execute(sql).fetchall()

    def close(self) -> None:
        for process in self.processes:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for a process started here and for what it started itself."""
    if process.returncode is None:  # Not reaped: nobody else can have been given its number.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """An installation with nothing running yet but its servers."""
    with ExitStack() as stack:
        db, broker, wire = (stack.enter_context(thing()) for thing in [postgres, redis, provider])
        house = Installation(db, broker, wire, folder)
        stack.callback(house.close)
        house.build()
        yield house
