import secrets
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from rich.console import Console
from rich.markup import escape

from config import first_run
from config.choosing import choose_runbook
from config.env import is_loopback
from config.supervisor import Child, become_supervisor
from incidents.core import services
from incidents.core.models import Organisation, User
from incidents.timers import clock


class Command(BaseCommand):
    help = (
        "Run Tocsin: migrate, make the first administrator, then web, worker and clock as one "
        "group.\nA child that dies is started again; Ctrl-C or SIGTERM ends them all.\n"
        "Example: manage.py up --bind 0.0.0.0:8000"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")
        parser.add_argument("--workers", type=int, default=1, help="worker processes (default 1)")
        parser.add_argument("--web-threads", type=int, default=8, help="requests at once")
        parser.add_argument(
            "--runbook",
            default="",
            metavar="SLUG",
            help="what the organisation goes by from now on (see `manage.py runbook list`)",
        )

    def handle(
        self,
        *_args: Any,
        bind: str,
        workers: int,
        web_threads: int,
        runbook: str,
        **_options: Any,
    ) -> None:
        host, port = _address(bind)
        if settings.DEBUG and not is_loopback(host):
            raise CommandError("DEBUG is on: listen on 127.0.0.1, or unset DEBUG.")
        if workers > 1 and not settings.REDIS_URL:
            raise CommandError("Several workers need a broker: set REDIS_URL.")
        console = Console(stderr=True)
        console.print("Setting up the database… (the first time this takes up to a minute)")
        try:
            call_command("migrate", verbosity=0, interactive=False)
        except OperationalError as error:
            raise CommandError(f"Unable to reach the database: {error}") from error
        is_first = self._first_start(console)
        choose_runbook(console, runbook, is_first=is_first)
        for step in first_run.progress(now=clock.now()).missing:
            line = f"[yellow]•[/] {step.name}: {escape(step.missing)}"
            console.print(line, highlight=False, soft_wrap=True)
        console.print(f"Tocsin is at [bold]{settings.PUBLIC_URL}/admin/[/]", highlight=False)
        sys.stdout.flush()
        become_supervisor(_children(host, port, workers, web_threads))

    def _first_start(self, console: Console) -> bool:
        Organisation.objects.get_or_create(pk=1)
        services.ensure_default_runbook()
        if User.objects.filter(is_superuser=True).exists():
            return False
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser("admin", f"admin@{settings.MAIL_DOMAIN}", password)
        console.print(
            f"First administrator: [bold]admin[/], password [bold]{password}[/] "
            "(shown only now; change it after logging in)",
            highlight=False,
        )
        return True


def _children(host: str, port: str, workers: int, web_threads: int) -> list[Child]:
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    granian = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "config.wsgi:application"),
        *("--host", host, "--port", port, "--workers", "1"),
        *("--blocking-threads", str(web_threads), "--working-dir", str(settings.BASE_DIR)),
        *("--no-ws", "--log-level", "error", "--respawn-failed-workers"),
    ]
    environment = {"DJANGO_SETTINGS_MODULE": "config.settings"}
    children = [Child("web", granian, {**environment, "TOCSIN_PROCESS": "web"})]
    worker = {**environment, "TOCSIN_PROCESS": "worker"}
    children += [
        Child(f"worker {number + 1}", [*manage, "worker"], worker) for number in range(workers)
    ]
    if settings.REDIS_URL:
        # Workers are deaf while Redis is away; this loop needs the database only.
        children.append(Child("clock", [*manage, "clock"], worker))
    return children


def _address(bind: str) -> tuple[str, str]:
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise CommandError(f"--bind takes HOST:PORT, e.g. 0.0.0.0:8000, not {bind!r}.")
    return host.strip("[]") or "0.0.0.0", port  # noqa: S104 (asked for by an empty host)
