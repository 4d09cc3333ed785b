"""A whole installation in real processes: its own PostgreSQL and Redis, web, workers, clock.

Every process is started here, killed here by its pid, and gone when the block ends. The database is
filled once; each test gets a copy of it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from drills.demo.process import free_port
from tests.chaos import prepared
from tests.chaos.history import History
from tests.chaos.servers import (
    Postgres,
    Provider,
    Received,
    Redis,
    eventually,
    postgres,
    provider,
    redis,
)
from tests.sizes import size

ROOT = Path(__file__).resolve().parents[2]
LEASE_SECONDS = 2.0
type Running = subprocess.Popen[bytes] | prepared.Process
BUILT, COPY = "built", "house"
CALM_WORLDS = size(60, 24)
# What the checker asks: who committed what before what. A claim of a page is the insert of an
# attempt; an acknowledgement raises the incident's epoch.
WITNESS = """
CREATE TABLE chaos_witness (
  xid xid NOT NULL DEFAULT pg_current_xact_id()::xid, what text NOT NULL, incident bigint NOT NULL,
  epoch int NOT NULL, delivery uuid);
CREATE FUNCTION chaos_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_witness (what, incident, epoch, delivery)
    SELECT 'claim', incident_id, paging_epoch, id FROM notifications_delivery
     WHERE id = NEW.delivery_id AND paging_epoch IS NOT NULL;
  RETURN NULL; END $$;
CREATE TRIGGER chaos_claim AFTER INSERT ON notifications_attempt
  FOR EACH ROW EXECUTE FUNCTION chaos_claim();
CREATE FUNCTION chaos_taken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_witness (what, incident, epoch) VALUES ('taken', NEW.id, OLD.paging_epoch);
  RETURN NULL; END $$;
CREATE TRIGGER chaos_taken AFTER UPDATE OF paging_epoch ON incidents_incident FOR EACH ROW
  WHEN (NEW.paging_epoch <> OLD.paging_epoch) EXECUTE FUNCTION chaos_taken();
"""


@dataclass(frozen=True)
class Site:
    """The servers that tests share, and what the database holds to begin with."""

    db: Postgres
    broker: Redis
    wire: Provider
    known: dict[str, Any]

    def url(self, database: str) -> str:
        return f"{self.db.url.rpartition('/')[0]}/{database}"


class Installation:
    """Starts and kills the processes of one installation; asks its database and its web."""

    def __init__(self, site: Site, folder: Path, **settings: str) -> None:
        self.db, self.broker, self.wire, self.folder = site.db, site.broker, site.wire, folder
        self.known, self.url = site.known, site.url(COPY)
        self.port = free_port()
        self.environment = {
            **environment(self.url, self.broker.url, self.wire.url, folder),
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            **settings,
        }
        self.processes: list[Running] = []
        self.history = History(folder / "history.jsonl")
        self.wire.listener = self.history.hear
        self._client = httpx.Client(timeout=10, base_url=f"http://127.0.0.1:{self.port}/api/v1/")

    def verb(self, *arguments: str) -> dict[str, Any]:
        """One of the seed's, in a process of its own."""
        return seed(self.environment, *arguments)

    def start(
        self, *arguments: str, failpoints: str = "", settings: dict[str, str] | None = None
    ) -> Running:
        """`manage.py …` as a process of its own; `failpoints`: where it is to die."""
        more = {"TOCSIN_FAILPOINTS": failpoints, "TOCSIN_PROCESS": "worker", **(settings or {})}
        if "LD_PRELOAD" in more:  # Only a program that begins is given another clock.
            return self.spawn(arguments[0], [sys.executable, "manage.py", *arguments], more)
        log = self.folder / f"{arguments[0]}.log"
        process = prepared.start(["manage.py", *arguments], {**self.environment, **more}, log)
        self.processes.append(process)
        return process

    def start_web(self, *, failpoints: str = "", ready: bool = True) -> subprocess.Popen[bytes]:
        """The web server; `ready`: return when it answers."""
        command = [
            *(sys.executable, "-m", "granian", "--interface", "wsgi"),
            *("config.wsgi:application", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--workers", "1", "--blocking-threads", "4", "--no-ws", "--respawn-failed-workers"),
        ]
        more = {"TOCSIN_FAILPOINTS": failpoints, "TOCSIN_PROCESS": "web"}
        process = self.spawn("web", command, more)
        if ready:
            eventually(self.web_answers, within=40)
        return process

    def web_answers(self) -> bool:
        try:
            return self._client.get("../schema/", timeout=5).status_code < 500
        except httpx.TransportError:
            return False

    def alert(self, dedup_key: str, world: str = "quick-0", **facts: Any) -> httpx.Response:
        """Post a firing alert as a monitor does. TransportError when nobody answers."""
        body = {"dedup_key": dedup_key, "service": world, "summary": "It is down", **facts}
        try:
            answer = self._client.post(f"alerts/{self.known['sources'][world]}/", json=body)
        except httpx.TransportError as error:
            self.history.note("refused", dedup_key=dedup_key, answer=repr(error))
            raise
        if answer.status_code == 202:
            incident = answer.json()["incident"]
            self.history.note("accepted", dedup_key=dedup_key, world=world, incident=incident)
        else:
            self.history.note("refused", dedup_key=dedup_key, answer=answer.status_code)
        return answer

    def acknowledge(self, reference: str) -> httpx.Response:
        answer = self._client.post(
            f"incidents/{reference}/acknowledge/",
            headers={"Authorization": f"Bearer {self.known['token']}"},
        )
        if answer.is_success:
            self.history.note("acknowledged", incident=reference)
        return answer

    def last_resorts(self) -> list[Received]:
        """What the last resort was told about incidents; the auditor may tell it more."""
        calls = self.wire.calls("last-resort")
        return [call for call in calls if call.json()["data"]["incident"]]

    def ask(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql, arguments or None).fetchall()

    def tell(self, sql: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(sql)

    def audit(self, ledger: Path | None = None) -> dict[str, Any]:
        """What the product's own auditor says, told what was accepted."""
        if ledger is None:
            ledger = self.folder / "accepted.jsonl"
            lines = [json.dumps(line) + "\n" for line in self.history.all("accepted")]
            ledger.write_text("".join(lines), encoding="utf-8")
        run = subprocess.run(
            [sys.executable, "manage.py", "audit", "--json", "--ledger", str(ledger)],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.stdout, run.stderr
        return json.loads(run.stdout)

    def close(self) -> None:
        for process in self.processes:
            kill(process)
        self._client.close()
        self.history.close()

    def spawn(self, name: str, command: list[str], more: dict[str, str]) -> subprocess.Popen[bytes]:
        """A process of this installation; what it says is in `name`.log."""
        if setpriv := shutil.which("setpriv"):  # Goes down with the tests, even with killed ones.
            command = [setpriv, "--pdeathsig", "TERM", *command]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**self.environment, **more},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process


def environment(database: str, broker: str, wire: str, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database,
        "REDIS_URL": broker,
        "DATA_DIR": str(folder),
        "SECRET_KEY": "chaos-tests-only",
        "LAST_RESORT": f"{wire}last-resort",
        "WEBHOOK_ALLOW_PRIVATE": "true",
        "DELIVERY_LEASE_SECONDS": str(LEASE_SECONDS),
        "TIMER_LEASE_SECONDS": str(LEASE_SECONDS),
        # Each page by itself: what is counted here is calls. Telling together has its own tests.
        "PAGE_INTERVAL_SECONDS": "0",
        "LOG_LEVEL": "WARNING",
    }


def seed(env: dict[str, str], *arguments: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "tests.chaos.seed", *arguments],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def kill(process: Running) -> None:
    """SIGKILL for a process started here and for what it started itself."""
    if process.returncode is None:  # Not reaped: nobody else can have been given its number.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Servers, and a database with an organisation in it that is never worked in itself."""
    with ExitStack() as stack:
        db, broker, wire = (stack.enter_context(thing()) for thing in [postgres, redis, provider])
        built = Site(db, broker, wire, {})
        execute(db.url, f"CREATE DATABASE {BUILT}")
        env = environment(built.url(BUILT), broker.url, wire.url, folder)
        built.known.update(seed(env, "build", wire.url, str(CALM_WORLDS)))
        execute(built.url(BUILT), WITNESS)
        yield built


@contextmanager
def installation(on: Site, folder: Path, **settings: str) -> Iterator[Installation]:
    """An installation of one's own on these servers, with nothing running yet."""
    on.db.start()
    on.broker.start()
    on.broker.flush()
    on.wire.forget()
    execute(on.db.url, f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")
    execute(on.db.url, f"CREATE DATABASE {COPY} TEMPLATE {BUILT}")
    house = Installation(on, folder, **settings)
    try:
        yield house
    finally:
        house.close()


def execute(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql)
