"""A whole installation for a benchmark: tests/chaos' servers, this folder's organisation and views.

Everything listens on loopback, is started here, and is gone when the block ends.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg
from rich.console import Console
from rich.table import Table

from drills.demo.process import free_port
from tests.chaos.servers import Postgres, Provider, eventually, postgres, provider, redis
from tests.proof.report import note

ROOT = Path(__file__).resolve().parents[2]
WEB_THREADS = 8  # as `manage.py up` starts it


class House:
    """Starts the processes of one installation and asks its database."""

    def __init__(self, db: Postgres, wire: Provider, folder: Path, broker: str = "") -> None:
        self.db, self.wire, self.folder = db, wire, folder
        self.port = free_port()
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
            "DATABASE_URL": db.url,
            "REDIS_URL": broker,
            "DATA_DIR": str(folder),
            "SECRET_KEY": "benchmarks-only",
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "WEBHOOK_ALLOW_PRIVATE": "true",
            # Each page by itself, or a thousand incidents of one service would be one message.
            "LOG_LEVEL": "WARNING",
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        self.known: dict[str, str] = {}

    def build(self, *, timeout: float = 300.0, storm_threshold: int = 0) -> None:
        """Migrate and make the organisation; `timeout`: seconds for each level to answer."""
        facts = (self.wire.url, str(timeout), str(storm_threshold))
        answer = self.run("-m", "tests.bench.seed", *facts)
        self.known = json.loads(answer)

    def run(self, *arguments: str) -> str:
        """What a Python program prints; raises RuntimeError with what it complained of."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """`python …` as a process of its own, until the block ends or the bench is killed."""
        setpriv = shutil.which("setpriv")
        tied = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*tied, sys.executable, *arguments],
                env={**self.environment, **environment},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_web(self) -> subprocess.Popen[bytes]:
        process = self.start(
            *("-m", "granian", "--interface", "wsgi", "config.wsgi:application"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
            *("--blocking-threads", str(WEB_THREADS), "--no-ws", "--log-level", "error"),
            TOCSIN_PROCESS="web",
        )
        eventually(self._answers, within=30)
        return process

    def start_worker(self, kind: str = "worker") -> subprocess.Popen[bytes]:
        return self.start("manage.py", kind, TOCSIN_PROCESS="worker")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/api/schema/", timeout=10).is_success
        except httpx.TransportError:
            return False

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.db.url, autocommit=True) as connection:
            return connection.execute(sql).fetchall()

    def do(self, sql: str) -> None:
        with psycopg.connect(self.db.url, autocommit=True) as connection:
            connection.execute(sql)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4_000:]

    def close(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def house(*, with_redis: bool = False) -> Iterator[House]:
    """An installation with nothing running yet but its servers."""
    with ExitStack() as stack:
        db, wire = stack.enter_context(postgres()), stack.enter_context(provider())
        broker = stack.enter_context(redis()).url if with_redis else ""
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tocsin-bench-")))
        built = House(db, wire, folder, broker)
        stack.callback(built.close)
        yield built


def median_of(runs: int, measure: Callable[[int], float]) -> tuple[float, list[float]]:
    """The median of `measure(0)`, `measure(1)` …, and all of them."""
    figures = [measure(number) for number in range(runs)]
    return statistics.median(figures), figures


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie; nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Report:
    """The table at the end of a benchmark, and whether every bar was met."""

    def __init__(self, title: str) -> None:
        self.table = Table(title=title, title_justify="left")
        for name in ["What", "Figure", "Bar", ""]:
            self.table.add_column(name)
        self.met = True

    def add(self, what: str, figure: str, bar: str = "", *, met: bool | None = None) -> None:
        """`met` None: only for reading, there is no bar."""
        word = {None: "", True: "met", False: "MISSED"}[met]
        self.table.add_row(what, figure, bar, word)
        if met is not None:
            self.met &= met
            note(what, figure, bar, met=met)

    def show(self) -> int:
        """Prints it; the exit code of the benchmark."""
        busy = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        Console(width=120).print(self.table, f"({busy})", highlight=False)
        return 0 if self.met else 1
