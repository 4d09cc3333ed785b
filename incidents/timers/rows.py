"""INSERT by SQL that is composed once for a model, and not anew for every row.

Composing a statement takes the ORM longer than the database needs for it, and an alert that is
taken in writes into eight tables. What is written is the same as `bulk_create` writes; signals of
models are not sent by either.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from types import NoneType
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models

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
    for start in range(0, len(rows), MOST_AT_ONCE):
        _insert(rows[start : start + MOST_AT_ONCE], ignore_conflicts, unique, update)
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


def _insert(
    rows: Sequence[models.Model], ignore_conflicts: bool, unique: str, update: tuple[str, ...]
) -> None:
    model, database = type(rows[0]), connections[DEFAULT_DB_ALIAS]
    head, tail = _sql(model, ignore_conflicts, unique, update, database.vendor)
    values: list[Any] = []
    marks = ", ".join([_marks(row, values, database) for row in rows])
    with database.cursor() as cursor:
        cursor.execute(f"{head}{marks}{tail}", values)
        keys = [] if ignore_conflicts else cursor.fetchall()
    # In the order of the rows, as both databases document for VALUES.
    for row, key in zip(rows, keys, strict=not ignore_conflicts):
        row.pk = model._meta.pk.to_python(key[0])
        row._state.adding, row._state.db = False, database.alias


def _marks(row: models.Model, values: list[Any], database: Any) -> str:
    """Where the values of this row go; what most columns hold most of the time is written out."""
    marks = []
    as_it_is = _AS_IT_IS[database.vendor]
    for name, field in _fields(type(row)):
        value = getattr(row, name)
        kind = type(value)
        if isinstance(field, models.JSONField):
            values.append(field.get_db_prep_save(value, database))
            marks.append("%s")
            continue
        written = _WRITTEN_OUT.get((kind, value)) if kind in _SIMPLE else None
        if written is None:
            ready = kind in as_it_is
            values.append(value if ready else field.get_db_prep_save(value, database))
        marks.append(written or "%s")
    return f"({', '.join(marks)})"


@cache
def _fields(model: type[models.Model]) -> list[tuple[str, Any]]:
    """All columns but the one that the database fills by itself."""
    return [
        (field.attname, field)
        for field in model._meta.concrete_fields
        if not isinstance(field, models.AutoField | models.BigAutoField)
    ]


@cache
def _sql(
    model: type[models.Model],
    ignore_conflicts: bool,
    unique: str,
    update: tuple[str, ...],
    _vendor: str,
) -> tuple[str, str]:
    quote, options = connection.ops.quote_name, model._meta
    columns_of: Any = options.get_field
    columns = [quote(field.column) for _, field in _fields(model)]
    conflict = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    if unique:
        changed = [quote(columns_of(name).column) for name in update]
        settings = ", ".join(f"{column} = EXCLUDED.{column}" for column in changed)
        where = quote(columns_of(unique).column)
        conflict = f" ON CONFLICT ({where}) DO UPDATE SET {settings}"
    returning = (
        "" if ignore_conflicts else f" RETURNING {quote(columns_of(options.pk.name).column)}"
    )
    return (  # names of tables and columns only, quoted
        f"INSERT INTO {quote(options.db_table)} ({', '.join(columns)}) VALUES ",  # noqa: S608
        f"{conflict}{returning}",
    )
