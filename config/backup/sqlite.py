"""SQLite: a consistent copy while others write, and a new file put in the old one's place."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.db import connection

from config.backup import facts
from config.backup.archive import BackupError, Manifest

SIDE_FILES = ["-journal", "-wal", "-shm"]


def dump(to: Path) -> tuple[dict[str, int], list[str]]:
    """Copy the database as it is at one moment; returns its rows and migrations."""
    path = _path()
    with closing(sqlite3.connect(path, timeout=20)) as source:
        source.execute("VACUUM INTO ?", [str(to)])
    with _instead(to):
        return facts.rows_of(facts.tables()), facts.migrations()


def restore(dumped: Path, manifest: Manifest, finish: Callable[[], None]) -> None:
    """Make the dump ready beside the database, then swap the files: whole, or not at all."""
    path = _path()
    with closing(sqlite3.connect(dumped)) as copy:
        if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise BackupError("The database in this backup is damaged.")
    with _instead(dumped):
        if facts.rows_of(sorted(manifest.rows)) != manifest.rows:
            raise BackupError("The database in this backup has other rows than its manifest says.")
        finish()
    _settle(path)
    dumped.chmod(0o600)
    with dumped.open("rb") as file:
        os.fsync(file.fileno())
    dumped.replace(path)


def _path() -> Path:
    return Path(connection.settings_dict["NAME"])


def _settle(path: Path) -> None:
    """Nothing of the old database may be taken for a part of the new one."""
    if path.exists() and path.stat().st_size:
        try:
            with closing(sqlite3.connect(path, timeout=2, isolation_level=None)) as old:
                old.execute("PRAGMA journal_mode = DELETE")  # takes in what a WAL still holds
                old.execute("BEGIN EXCLUSIVE")
                old.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            raise BackupError(
                f"Somebody works with {path}: stop Tocsin first. ({error})"
            ) from error
        except sqlite3.DatabaseError:
            pass  # a broken file is a good reason to restore
    for suffix in SIDE_FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _instead(file: Path) -> Iterator[None]:
    """Within the block Django's connection leads to another file."""
    connection.close()
    before, connection.settings_dict["NAME"] = connection.settings_dict["NAME"], str(file)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before
