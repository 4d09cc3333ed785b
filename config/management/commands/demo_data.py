import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from config.demo_data import history
from config.demo_data.history import Wish
from incidents.alerts.models import Alert
from incidents.core.models import Incident, Service, Team, TimelineEntry, User
from incidents.notifications.models import Delivery


class Command(BaseCommand):
    help = (
        "Fill an empty database with a convincing organisation: teams, people, services,\n"
        "schedules, policies and years of incidents, five of them open now. Nothing of the past\n"
        "is sent to anybody; all addresses are @example.org.\n"
        "Example: DATA_DIR=/tmp/demo manage.py demo_data && DATA_DIR=/tmp/demo manage.py up"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=1, help="another number, another story")
        parser.add_argument("--years", type=float, default=2.0, help="of history (default 2)")
        parser.add_argument("--incidents", type=int, default=1_500, help="about (default 1500)")

    def handle(self, *_args: Any, seed: int, years: float, incidents: int, **_options: Any) -> None:
        if not 0.05 <= years <= 20 or not 10 <= incidents <= 100_000:
            raise CommandError("--years takes 0.05 to 20, --incidents 10 to 100000.")
        call_command("migrate", verbosity=0, interactive=False)
        if not history.is_empty():
            raise CommandError(
                "This database holds people, teams, services or incidents already. Demo data is "
                "for an empty one: set DATABASE_URL, or DATA_DIR, to another place."
            )
        console = Console()
        password = secrets.token_urlsafe(12)
        _make(console, Wish(seed, years, incidents, password))
        _report(console, password)


def _make(console: Console, wish: Wish) -> None:
    columns = [TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Living through the past …", total=1.0)

        def show(at: datetime, done: float) -> None:
            bar.update(task, completed=done, description=f"{at:%B %Y}".ljust(16))

        history.make(wish, progress=show)
        bar.update(task, completed=1.0, description="Done".ljust(16))


def _report(console: Console, password: str) -> None:
    models = [Team, User, Service, Incident, TimelineEntry, Alert, Delivery]
    counts = ", ".join(
        f"{model._default_manager.count()} {model._meta.verbose_name_plural}" for model in models
    )
    console.print(f"{counts}.", highlight=False)
    opened = ", ".join(Incident.objects.open().order_by("pk").values_list("reference", flat=True))
    console.print(f"Open now, and going on as soon as Tocsin runs: {opened}.", highlight=False)
    if settings.SMTP_HOST or settings.LAST_RESORT:
        console.print(
            "[yellow]SMTP_HOST or LAST_RESORT is set: pages of the open incidents will leave.[/]"
        )
    console.print(
        f"Log in as [bold]admin[/] with [bold]{password}[/] (shown only now).", highlight=False
    )
