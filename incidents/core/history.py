"""History is append-only by triggers in the database itself, not by good manners.

The guards are put up again after every migrate, because a table that SQLite rebuilds loses its
triggers. One switch opens history, for retention and for tests that empty their tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction
from django.db.backends.signals import connection_created

TABLES = ["incidents_timelineentry"]


def keep_history(table: str) -> None:
    """Have a table of another room guarded as well. Called in its `ready()`, before any migrate."""
    if table not in TABLES:
        TABLES.append(table)


POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION tocsin_keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('tocsin.history_open', true) = 'on' THEN
    IF TG_OP = 'UPDATE' THEN RETURN NEW; ELSE RETURN OLD; END IF;
  END IF;
  RAISE EXCEPTION 'history is append-only: % of % refused', TG_OP, TG_TABLE_NAME;
END $$;
"""
_POSTGRES_TABLE = """
DROP TRIGGER IF EXISTS {table}_keep ON {table};
CREATE TRIGGER {table}_keep BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION tocsin_keep_history();
DROP TRIGGER IF EXISTS {table}_keep_all ON {table};
CREATE TRIGGER {table}_keep_all BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION tocsin_keep_history();
"""
_SQLITE_TABLE = """
CREATE TRIGGER IF NOT EXISTS {table}_keep_{event} BEFORE {event} ON {table}
  WHEN NOT tocsin_history_open()
  BEGIN SELECT RAISE(ABORT, 'history is append-only: {event} of {table} refused'); END
"""

_open_in_sqlite: set[str] = set()


def install_guards(*, using: str = "default", **_: Any) -> None:
    """Put the triggers on every table of history (receiver of post_migrate)."""
    connection = connections[using]
    existing = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRES_FUNCTION)
        for table in TABLES:
            if table not in existing:
                continue
            if connection.vendor == "postgresql":
                cursor.execute(_POSTGRES_TABLE.format(table=table))
            else:
                for event in ["update", "delete"]:
                    cursor.execute(_SQLITE_TABLE.format(table=table, event=event))


def missing_guards(*, using: str = "default") -> list[str]:
    """The names of triggers that should stand before history and do not (or are switched off)."""
    connection = connections[using]
    endings = ["_keep", "_keep_all"]
    query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
    if connection.vendor != "postgresql":
        endings = ["_keep_update", "_keep_delete"]
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    with connection.cursor() as cursor:
        cursor.execute(query)
        standing = {name for (name,) in cursor.fetchall()}
    return [f"{table}{end}" for table in TABLES for end in endings if table + end not in standing]


@contextmanager
def opened(*, using: str = "default") -> Iterator[None]:
    """Allow changes to history within this block and transaction. For retention and tests only."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        with transaction.atomic(using=using), connection.cursor() as cursor:
            cursor.execute("SET LOCAL tocsin.history_open = 'on'")
            yield
            cursor.execute("SET LOCAL tocsin.history_open = 'off'")
        return
    _open_in_sqlite.add(using)
    try:
        yield
    finally:
        _open_in_sqlite.discard(using)


def unlock_session(*, using: str = "default") -> None:
    """Open history for this whole connection: for a test database that is about to be emptied."""
    _switch_session(using, opened=True)


def lock_session(*, using: str = "default") -> None:
    """Undo `unlock_session`."""
    _switch_session(using, opened=False)


def _switch_session(using: str, *, opened: bool) -> None:
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET tocsin.history_open = '{'on' if opened else 'off'}'")
    elif opened:
        _open_in_sqlite.add(using)
    else:
        _open_in_sqlite.discard(using)


def _teach_sqlite(connection: Any, **_: Any) -> None:
    if connection.vendor == "sqlite":
        alias = connection.alias
        connection.connection.create_function(
            "tocsin_history_open", 0, lambda: alias in _open_in_sqlite
        )


connection_created.connect(_teach_sqlite)
