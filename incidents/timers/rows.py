"""INSERT by SQL that is composed once for a model, and not anew for every row.

Composing a statement takes the ORM longer than the database needs for it, and an alert that is
taken in writes into eight tables. What is written is the same as `bulk_create` writes; signals of
models are not sent by either.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, models

MOST_AT_ONCE = 500  # rows: SQLite takes 32,766 values in a statement


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


def _insert(
    rows: Sequence[models.Model], ignore_conflicts: bool, unique: str, update: tuple[str, ...]
) -> None:
    model = type(rows[0])
    fields = _fields(model)
    head, marks, tail = _sql(model, ignore_conflicts, unique, update, connection.vendor)
    values: list[Any] = [
        field.get_db_prep_save(getattr(row, field.attname), connection)
        for row in rows
        for field in fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"{head}{', '.join([marks] * len(rows))}{tail}", values)
        keys = [] if ignore_conflicts else cursor.fetchall()
    # In the order of the rows, as both databases document for VALUES.
    for row, key in zip(rows, keys, strict=not ignore_conflicts):
        row.pk = model._meta.pk.to_python(key[0])
        row._state.adding, row._state.db = False, connection.alias


@cache
def _fields(model: type[models.Model]) -> list[Any]:
    """All columns but the one that the database fills by itself."""
    return [
        field
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
) -> tuple[str, str, str]:
    quote, options = connection.ops.quote_name, model._meta
    columns_of: Any = options.get_field
    columns = [quote(field.column) for field in _fields(model)]
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
        f"({', '.join(['%s'] * len(columns))})",
        f"{conflict}{returning}",
    )
