"""INSERT by SQL that is composed from what is known of a model, and not by the ORM for every row.

Composing a statement takes the ORM longer than the database needs for it, and an alert that is
taken in writes into eight tables. What is written is the same as `bulk_create` writes; signals of
models are not sent by either.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from types import NoneType
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection, connections, models

from incidents.timers.prepared import prepared

MOST_AT_ONCE = 500  # rows: SQLite takes 32,766 values in a statement
_WRITTEN_OUT: dict[tuple[type, Any], str] = {
    (NoneType, None): "NULL",
    (str, ""): "''",
    (int, 0): "0",
    (bool, True): "TRUE",
    (bool, False): "FALSE",
}
_SIMPLE = frozenset(kind for kind, _ in _WRITTEN_OUT)
# What needs no preparation for the driver, whatever column it is for.
_AS_IT_IS = {"postgresql": frozenset({str, datetime}), "sqlite": frozenset({str})}


class Target(NamedTuple):
    """Where rows go, and what becomes of those that are there already (see `insert`)."""

    model: type[models.Model]
    with_key: bool
    ignore_conflicts: bool
    unique: str
    update: tuple[str, ...]


_waiting: ContextVar[dict[Target, list[models.Model]] | None] = ContextVar("waiting", default=None)


@contextmanager
def together() -> Iterator[None]:
    """What is inserted in here is written in one statement at the end; nothing if that fails.

    Whoever asks the database for anything else meanwhile finds it there: it is written before. On
    PostgreSQL, where each statement is a journey to another process; elsewhere each is written at
    once. Rows get no keys by it: one that others refer to brings its own (`reserved_key`).
    """
    if connection.vendor != "postgresql":
        yield
        return
    waiting: dict[Target, list[models.Model]] = {}
    token = _waiting.set(waiting)
    try:
        with connection.execute_wrapper(_after(waiting)):
            yield
    finally:
        _waiting.reset(token)
    _insert_all(waiting)


def _after(waiting: dict[Target, list[models.Model]]) -> Callable[..., Any]:
    def execute_after(execute: Callable[..., Any], *arguments: Any) -> Any:
        _insert_all(waiting)
        return execute(*arguments)

    return execute_after


def insert[Row: models.Model](
    rows: Sequence[Row],
    *,
    ignore_conflicts: bool = False,
    unique: str = "",
    update: tuple[str, ...] = (),
) -> Sequence[Row]:
    """Store new rows of one model; gives them back, with their keys.

    `ignore_conflicts`: what is there already stays; the rows get no keys. `unique` and `update`
    (names of fields): where a row has the same value in `unique`, these fields of it are set.
    """
    if not rows:
        return rows
    target = Target(type(rows[0]), rows[0].pk is not None, ignore_conflicts, unique, update)
    if (waiting := _waiting.get()) is not None:
        waiting.setdefault(target, []).extend(rows)
        return rows
    for start in range(0, len(rows), MOST_AT_ONCE):
        _insert(target, rows[start : start + MOST_AT_ONCE])
    return rows


def returning(column: str) -> str:
    """RETURNING for a statement that counts and is a transaction of its own: it does not wait for
    the disk.

    Whoever counts after it waits for its commit, and a disk's time for each would be the speed of
    all. Nothing can be lost that is missed: the log of the database is written in order, so what
    was committed later with the number in it brings the count along.
    """
    quick = connection.vendor == "postgresql" and not connection.in_atomic_block
    return f"RETURNING {column}" + (
        ", set_config('synchronous_commit', 'off', true)" if quick else ""
    )


def reserved_key(model: type[models.Model]) -> str:
    """An expression for a key that no other row will have; NULL where only an INSERT makes one."""
    return f"nextval('{_sequence_of(model)}')" if connection.vendor == "postgresql" else "NULL"


@cache
def _sequence_of(model: type[models.Model]) -> str:
    table, pk = model._meta.db_table, model._meta.pk
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [table, pk.column])
        return str(cursor.fetchone()[0])


def _insert(target: Target, rows: Sequence[models.Model]) -> None:
    database: Any = connections[DEFAULT_DB_ALIAS]
    values: list[Any] = []
    sql = _statement(target, rows, values, "%s".format)
    if not target.ignore_conflicts:
        sql += f" RETURNING {database.ops.quote_name(target.model._meta.pk.column)}"
    with database.cursor() as cursor:
        cursor.execute(sql, values)
        keys = [] if target.ignore_conflicts else cursor.fetchall()
    # In the order of the rows, as both databases document for VALUES.
    for row, key in zip(rows, keys, strict=not target.ignore_conflicts):
        row.pk = target.model._meta.pk.to_python(key[0])
        row._state.adding, row._state.db = False, database.alias


def _insert_all(waiting: dict[Target, list[models.Model]]) -> None:
    """One statement, which PostgreSQL parses and plans once for each shape of it.

    Nothing waits any more afterwards, also where it failed: then all is undone.
    """
    if not waiting:
        return
    taken = dict(waiting)
    waiting.clear()
    values: list[Any] = []
    parts = [
        f"w{number} AS ({_statement(target, rows, values, '${}'.format)})"
        for number, (target, rows) in enumerate(taken.items())
    ]
    with prepared() as cursor:
        cursor.execute(f"WITH {', '.join(parts)} SELECT 1", values)
    for row in (row for rows in taken.values() for row in rows):
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def _statement(
    target: Target, rows: Sequence[models.Model], values: list[Any], mark: Callable[[int], str]
) -> str:
    """The INSERT; appends what it needs to `values`. `mark`: what stands for the n-th of them."""
    database = connections[DEFAULT_DB_ALIAS]
    head, tail = _sql(target, database.vendor)
    fields = _fields(target.model, target.with_key)
    marks = ", ".join([_marks(fields, row, values, mark, database) for row in rows])
    return f"{head}{marks}{tail}"


def _marks(
    fields: list[tuple[str, Any, bool]],
    row: models.Model,
    values: list[Any],
    mark: Callable[[int], str],
    database: Any,
) -> str:
    """Where the values of this row go; what most columns hold most of the time is written out."""
    marks = []
    as_it_is = _AS_IT_IS[database.vendor]
    for name, field, is_json in fields:
        value = getattr(row, name)
        kind = type(value)
        written = _WRITTEN_OUT.get((kind, value)) if kind in _SIMPLE and not is_json else None
        if written is None:
            ready = kind in as_it_is and not is_json
            values.append(value if ready else field.get_db_prep_save(value, database))
            written = mark(len(values))
        marks.append(written)
    return f"({', '.join(marks)})"


@cache
def _fields(model: type[models.Model], with_key: bool) -> list[tuple[str, Any, bool]]:
    """Name, field and whether it is JSON, of all columns; not the key that the database makes."""
    return [
        (field.attname, field, isinstance(field, models.JSONField))
        for field in model._meta.concrete_fields
        if with_key or not isinstance(field, models.AutoField | models.BigAutoField)
    ]


@cache
def _sql(target: Target, _vendor: str) -> tuple[str, str]:
    quote, options = connection.ops.quote_name, target.model._meta
    columns_of: Any = options.get_field
    columns = [quote(field.column) for _, field, _ in _fields(target.model, target.with_key)]
    conflict = " ON CONFLICT DO NOTHING" if target.ignore_conflicts else ""
    if target.unique:
        changed = [quote(columns_of(name).column) for name in target.update]
        settings = ", ".join(f"{column} = EXCLUDED.{column}" for column in changed)
        where = quote(columns_of(target.unique).column)
        conflict = f" ON CONFLICT ({where}) DO UPDATE SET {settings}"
    return (  # names of tables and columns only, quoted
        f"INSERT INTO {quote(options.db_table)} ({', '.join(columns)}) VALUES ",  # noqa: S608
        conflict,
    )
