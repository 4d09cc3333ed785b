import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import redis
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from config.supervisor import Child, Supervisor
from drills.demo import stage
from drills.demo.process import TargetProcess, free_port
from drills.demo.story import Phones, Story, StoryFailed, scoreboard

MANAGE = str(settings.BASE_DIR / "manage.py")
READY_WITHIN = 40.0  # seconds


class Command(BaseCommand):
    help = (
        "Play a whole outage on a throw-away installation: a service really goes down, a monitor\n"
        "notices, people are paged, the incident is resolved over the API. Needs no server; with\n"
        "DATABASE_URL and REDIS_URL set it runs on those.  Example: manage.py demo --once"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="end after the story, with exit 0")
        parser.add_argument("--port", type=int, default=0, help="of the web pages (default: free)")
        parser.add_argument("--build-stage", action="store_true", help="(used by the demo itself)")

    def handle(
        self, *_args: Any, once: bool, port: int, build_stage: bool, **_options: Any
    ) -> None:
        if build_stage:
            call_command("migrate", verbosity=0, interactive=False)
            self.stdout.write(json.dumps(stage.build().as_dict()))
            return
        signal.signal(signal.SIGTERM, _interrupt)
        console = Console()
        try:
            with ExitStack() as things:
                _play(console, things, port or free_port(), once=once)
        except KeyboardInterrupt:
            console.print("\nEverything is stopped and thrown away.")
        except StoryFailed as error:
            raise CommandError(str(error)) from error


def _play(console: Console, things: ExitStack, port: int, *, once: bool) -> None:
    folder = Path(things.enter_context(_folder()))
    url = f"http://127.0.0.1:{port}"
    environment = things.enter_context(_installation(folder, url))
    console.print("Building a throw-away installation …")
    known = _build_stage(environment)
    target = things.enter_context(TargetProcess())
    alerts = f"{url}/api/v1/alerts/{known['source_key']}/"
    monitor = _monitor(target.health_url, alerts)
    supervisor = _supervisor(console, folder, environment, up=_up(url), monitor=monitor)
    things.callback(supervisor.stop)
    supervisor.start()

    def pause(seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            supervisor.poll()
            time.sleep(min(0.1, seconds))

    headers = {"Authorization": f"Bearer {known['token']}"}
    api = things.enter_context(httpx.Client(base_url=f"{url}/api/v1/", headers=headers, timeout=10))
    _wait_until_ready(api, pause, folder / "tocsin.log")
    phones = Phones(folder / "phones")
    story = Story(api=api, target=target, phones=phones, console=console, pause=pause)
    incident = story.play()
    console.print(f"\n[bold]{incident['reference']}[/] is {incident['status']}.", highlight=False)
    console.print(scoreboard(incident))
    if once:
        return
    console.print(
        f"Look around: [bold]{url}/admin/[/]  log in as [bold]{known['username']}[/] with "
        f"[bold]{known['password']}[/]",
        highlight=False,
    )
    console.print("It keeps running until you press Ctrl-C.")
    while True:
        pause(1)


def _up(url: str) -> list[str]:
    return [sys.executable, MANAGE, "up", "--bind", urlsplit(url).netloc]


def _monitor(target: str, alerts: str) -> list[str]:
    return [
        *(sys.executable, "-m", "drills.demo.monitor", "--target", target),
        *("--alerts", alerts, "--service", "checkout"),
    ]


def _supervisor(
    console: Console,
    folder: Path,
    environment: dict[str, str],
    *,
    up: list[str],
    monitor: list[str],
) -> Supervisor:
    at_home = {**environment, "PYTHONPATH": str(settings.BASE_DIR)}
    return Supervisor(
        [
            Child("tocsin", up, environment, log=folder / "tocsin.log"),
            Child("monitor", monitor, at_home, log=folder / "monitor.log"),
        ],
        grace=30,  # longer than that of the group inside
        say=lambda line: console.print(f"[dim]{line}[/]"),
    )


@contextmanager
def _folder() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="tocsin-demo-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _installation(folder: Path, url: str) -> Iterator[dict[str, str]]:
    """The environment of an installation of its own, whose database goes when the demo ends."""
    environment = {
        **os.environ,
        "DATA_DIR": str(folder),
        "SQLITE_PATH": str(folder / "tocsin.sqlite3"),
        "PUBLIC_URL": url,
        "SECRET_KEY": secrets.token_urlsafe(40),
        "DEMO_TRANSPORTS": "true",
        "LAST_RESORT": "file:phones/last-resort",
        "WEBHOOK_ALLOW_PRIVATE": "true",
        "LOG_LEVEL": "WARNING",
    }
    if not settings.DATABASE_URL:
        yield environment
        return
    name = f"tocsin_demo_{secrets.token_hex(4)}"
    parts = urlsplit(settings.DATABASE_URL)
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield {
                **environment,
                "DATABASE_URL": urlunsplit(parts._replace(path=f"/{name}")),
                "REDIS_PREFIX": f"{name}:",
            }
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
            if settings.REDIS_URL:
                broker = redis.Redis.from_url(settings.REDIS_URL)
                for key in broker.scan_iter(f"{name}:*"):
                    broker.delete(key)


def _build_stage(environment: dict[str, str]) -> dict[str, str]:
    built = subprocess.run(  # noqa: S603 (our own command)
        [sys.executable, MANAGE, "demo", "--build-stage"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise CommandError(f"The installation could not be built:\n{built.stderr}")
    return json.loads(built.stdout)


def _wait_until_ready(api: httpx.Client, pause: Any, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        try:
            if api.get("incidents/").is_success:
                return
        except httpx.TransportError:
            pass  # It is still starting.
        pause(0.2)
    raise CommandError(f"It did not start within {READY_WITHIN:g} s:\n{log.read_text()[-3000:]}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
