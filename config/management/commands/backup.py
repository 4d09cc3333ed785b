import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from rich.console import Console

from config.backup import archive, facts, postgres, sqlite
from config.backup.archive import BackupError, Manifest
from incidents.timers import clock


class Command(BaseCommand):
    help = (
        "Write the whole database into one file, while Tocsin runs. Only its owner can read it.\n"
        "Exit code 0: the file is complete; 1: there is none. A folder as PATH: the name is made\n"
        "of the time.  Example: manage.py backup /var/backups/tocsin/"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", metavar="PATH")
        parser.add_argument(
            "--with-key",
            action="store_true",
            help="include the signing key: who has the file can then sign sessions",
        )

    def handle(self, *_args: Any, path: str, with_key: bool, **_options: Any) -> None:
        console = Console(stderr=True)
        began, now = time.monotonic(), clock.now()
        into = Path(path)
        # A slash at the end means a folder, and one that is not there is said to be missing.
        if into.is_dir() or path.endswith("/"):
            into /= f"tocsin-{now:%Y%m%dT%H%M%SZ}.tar.gz"
        try:
            manifest = _write(into.absolute(), now.isoformat(timespec="seconds"), console, with_key)
        except (BackupError, OSError, DatabaseError) as error:
            raise CommandError(f"There is no backup: {error}") from error
        size = into.stat().st_size / 1_000_000
        took = time.monotonic() - began
        console.print(f"{into}: {size:.2f} MB, {took:.1f} s.", highlight=False, soft_wrap=True)
        console.print(f"{facts.said(manifest.rows) or 'No data'}.", highlight=False)
        if not with_key:
            console.print(
                "The signing key is not in it (--with-key): restored without it, people log in "
                "again and invitations are void; API tokens and acknowledge links stay good.",
                highlight=False,
            )


def _write(path: Path, taken_at: str, console: Console, with_key: bool) -> Manifest:
    if path.exists():
        raise BackupError(f"{path} exists already; choose another name.")
    if not path.parent.is_dir():
        raise BackupError(f"There is no folder {path.parent}; make it first.")
    engine = postgres if connection.vendor == "postgresql" else sqlite
    with archive.beside(path) as folder, console.status("Copying the database …") as status:
        rows, migrations = engine.dump(folder / archive.DUMP)
        manifest = Manifest(connection.vendor, taken_at, facts.version(), migrations, rows)
        status.update("Packing …")
        key = settings.SECRET_KEY if with_key else None
        archive.write(path, manifest, dump=folder / archive.DUMP, key=key)
    return manifest
