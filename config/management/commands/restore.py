from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from rich.console import Console

from config.backup import aftermath, archive, facts, postgres, sqlite
from config.backup.archive import BackupError, Manifest

ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class Command(BaseCommand):
    help = (
        "Put back what `backup` wrote: all of it, or nothing. Stop Tocsin first; afterwards this\n"
        "tells what goes on. Deliveries that would come too late by now are not sent.\n"
        "Exit code 0: restored; 1: not, and the message says how things stand.\n"
        "Example: manage.py restore /var/backups/tocsin/tocsin-20261121T031500Z.tar.gz"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", metavar="PATH", type=Path)
        parser.add_argument("--replace", action="store_true", help="throw away what is there now")
        parser.add_argument("--no-input", action="store_true", help="do not ask before replacing")
        parser.add_argument(
            "--with-key", action="store_true", help="put the signing key into DATA_DIR as well"
        )

    def handle(
        self,
        *_args: Any,
        path: Path,
        replace: bool,
        no_input: bool,
        with_key: bool,
        **_options: Any,
    ) -> None:
        console = Console(stderr=True)
        try:
            with archive.beside(_workplace()) as folder:
                manifest = archive.unpack(path, folder)
                _refuse_what_does_not_fit(manifest, with_key=with_key)
                _refuse_or_ask(console, replace=replace, ask=not no_input)
                _restore(console, manifest, folder)
                if with_key:
                    _put_key(folder / archive.KEY)
        except (BackupError, OSError, DatabaseError) as error:
            raise CommandError(str(error)) from error


def _workplace() -> Path:
    """Where the parts of the archive lie meanwhile: the finished file of SQLite is swapped in."""
    if connection.vendor == "sqlite":
        return Path(settings.SQLITE_PATH)
    settings.DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings.DATA_DIR / "restore"


def _refuse_what_does_not_fit(manifest: Manifest, *, with_key: bool) -> None:
    if manifest.engine != connection.vendor:
        raise BackupError(
            f"This backup is of {ENGINES.get(manifest.engine, manifest.engine)}, and this "
            f"installation runs on {ENGINES[connection.vendor]}: a backup goes back to the engine "
            "that it came from. Set or unset DATABASE_URL accordingly."
        )
    if newer := facts.unknown(manifest.migrations):
        raise BackupError(
            f"This backup is of a newer Tocsin ({manifest.version}): {newer[-1]} is unknown here. "
            "Update Tocsin first."
        )
    if with_key and not manifest.has_key:
        raise BackupError("There is no signing key in this backup; leave --with-key out.")


def _refuse_or_ask(console: Console, *, replace: bool, ask: bool) -> None:
    """What is there now is only thrown away by somebody who knows what it is."""
    if facts.heard_of_lately():
        raise BackupError(
            "Tocsin runs, or did half a minute ago: stop it everywhere, then restore."
        )
    present = facts.said(facts.rows_of(facts.tables()))
    if not present:
        return
    if not replace:
        raise BackupError(f"This database holds {present}. To throw that away, add --replace.")
    console.print(f"This replaces [bold]{present}[/] in {_target()}.", highlight=False)
    if ask and input("Type yes to go on: ").strip().lower() != "yes":
        raise BackupError("Nothing was changed.")


def _target() -> str:
    known = connection.settings_dict
    return f"{known['NAME']} on {known['HOST']}" if known.get("HOST") else str(known["NAME"])


def _restore(console: Console, manifest: Manifest, folder: Path) -> None:
    engine = postgres if connection.vendor == "postgresql" else sqlite
    late: list[int] = []
    with console.status("Restoring …") as status:
        finish = _finisher(manifest, late, status.update)
        engine.restore(folder / archive.DUMP, manifest, finish)
    console.print(
        f"Restored as of {manifest.taken_at}: {facts.said(manifest.rows) or 'no data'}.",
        highlight=False,
    )
    if late[0]:
        console.print(f"Not sent, for it is too late by now: {late[0]}.")
    for sentence in aftermath.what_goes_on():
        console.print(sentence, highlight=False)


def _finisher(
    manifest: Manifest, late: list[int], say: Callable[[str], None]
) -> Callable[[], None]:
    """What is done to a restored database before anybody works with it."""

    def finish() -> None:
        say("Bringing it up to date …")
        call_command("migrate", verbosity=0, interactive=False)
        if not facts.history_is_guarded():
            raise BackupError("The guards of the timeline are not there: run manage.py migrate.")
        late.append(aftermath.drop_what_is_too_late(manifest.taken_at))

    return finish


def _put_key(kept: Path) -> None:
    kept.chmod(0o600)
    kept.replace(settings.DATA_DIR / "secret_key")
