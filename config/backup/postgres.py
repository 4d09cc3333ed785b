"""PostgreSQL: pg_dump of one snapshot, and everything put back in one transaction."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from config.backup import facts
from config.backup.archive import BackupError, Manifest
from incidents.core import configuration, history

FOLDERS = Path("/usr/lib/postgresql")
# How our settings are called in the environment of PostgreSQL's own programs.
VARIABLES = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "PASSWORD": "PGPASSWORD"}
OPTIONS = {name: f"PG{name.upper()}" for name in ["sslmode", "sslrootcert", "sslcert", "sslkey"]}
# A table takes its triggers with it; the functions that they call have to be there before.
_HEAD = f"""SET statement_timeout = 0; SET lock_timeout = '10s'; SET client_min_messages = warning;
SET search_path = public;
{history.POSTGRES_FUNCTION}
{configuration.POSTGRES_FUNCTION}
"""
_COUNTED = """DO $$ DECLARE found bigint; BEGIN
  SELECT count(*) INTO found FROM public."{table}";
  IF found <> {rows} THEN RAISE EXCEPTION '{table} has % rows instead of {rows}', found; END IF;
END $$;
"""


def dump(to: Path) -> tuple[dict[str, int], list[str]]:
    """Dump the database as it is at one moment; returns its rows and migrations.

    They are counted in the very snapshot that pg_dump reads.
    """
    program = _program("pg_dump")
    with _patient(), connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        snapshot = cursor.fetchone()[0]
        tables = facts.tables()
        rows, applied = facts.rows_of(tables), facts.migrations()
        named = [f'--table=public."{table}"' for table in tables]
        what = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
        _run([program, *what, *named, f"--file={to}"])
        cursor.execute("COMMIT")
    return rows, applied


def restore(dumped: Path, manifest: Manifest, finish: Callable[[], None]) -> None:
    """Everything of the old database out, all of the backup in, rows counted: one transaction.

    Its COMMIT is the last word, said only when all before it went well.
    """
    _refuse_company()
    script = dumped.with_name("script.sql")
    what = ["--no-owner", "--no-privileges", "--exit-on-error", f"--file={script}"]
    _run([_program("pg_restore"), *what, str(dumped)])
    before, after = dumped.with_name("before.sql"), dumped.with_name("after.sql")
    before.write_text(
        _HEAD + "".join(f'DROP TABLE public."{name}" CASCADE;\n' for name in facts.tables())
    )
    counts = [_COUNTED.format(table=name, rows=rows) for name, rows in manifest.rows.items()]
    after.write_text("".join(counts))
    connection.close()
    files = [f"--file={file}" for file in [before, script, after]]
    shell = ["--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1"]
    _run([_program("psql"), *shell, "--single-transaction", *files])
    finish()


def _refuse_company() -> None:
    """Whoever else is connected would write into what goes away."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        others = cursor.fetchone()[0]
    if others:
        raise BackupError(
            f"{others} other connections to this database are open: stop Tocsin (web, worker, "
            "clock) everywhere first, then restore."
        )


@contextmanager
def _patient() -> Iterator[None]:
    """A big database takes longer than a request may."""
    with connection.cursor() as cursor:
        for limit in ["statement_timeout", "idle_in_transaction_session_timeout"]:
            cursor.execute(f"SET {limit} = 0")
    try:
        yield
    finally:
        connection.close()


def _run(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, env=_environment(), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = done.stderr.strip()[-1_500:]
        raise BackupError(f"{Path(argv[0]).name} failed, nothing was changed: {said}")


def _environment() -> dict[str, str]:
    """Where the database is: not in arguments, which everybody on the machine can read."""
    known = connection.settings_dict
    given = {variable: str(known[name]) for name, variable in VARIABLES.items() if known.get(name)}
    secured = {
        variable: str(known["OPTIONS"][name])
        for name, variable in OPTIONS.items()
        if known["OPTIONS"].get(name)
    }
    # The limits that are good for requests (PGOPTIONS) are left behind.
    return {**os.environ, **given, **secured, "PGDATABASE": known["NAME"], "PGOPTIONS": ""}


def _program(name: str) -> str:
    """The program of the server's version, or the next newer one: an older one cannot read it."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        server = int(cursor.fetchone()[0]) // 10_000
    on_path = shutil.which(name)
    found = [*([on_path] if on_path else []), *map(str, FOLDERS.glob(f"*/bin/{name}"))]
    versions = {path: _version(path) for path in found}
    fitting = [path for path in found if versions[path] >= server]
    if not fitting:
        has = ", ".join(f"{path} is {version}" for path, version in versions.items()) or "none"
        raise BackupError(
            f"The server is PostgreSQL {server} and needs {name} {server} or newer (found: {has}). "
            f"Install postgresql-client-{server}, or put {name} on PATH."
        )
    return min(fitting, key=versions.__getitem__)


def _version(program: str) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"\d+", told.stdout)
    return int(found.group()) if found else 0
