"""What people configured is read once for each change of it, not once for each alert.

Every change of a watched table, by whomever and however, leaves a row with a random token in
ConfigurationChange: triggers of the database see to that, in the transaction of the change. One
look at those rows (`settled`) tells whether anything was changed, and within that block a function
that is `remembered` is asked once for each of its arguments until something is.

The look is as good as the reading itself would be: what commits after it would have come too late
for the reading as well. A token instead of a number, because changes do not commit in the order of
their numbers, and one that was rolled back must not be taken for the next one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from typing import Any

from django.db import connections, models

from incidents.core.models import ConfigurationChange
from incidents.timers import clock

KEPT = 100
MOST_REMEMBERED = 10_000

type Stamp = tuple[int, int | None]
type Memory = dict[tuple[Any, ...], Any]

_watched: dict[type[models.Model], str] = {}
_latest: tuple[Stamp | None, Memory] = (None, {})
_settled: ContextVar[Memory | None] = ContextVar("settled", default=None)

# No trigger names a column that a later migration may want to change.
POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION tocsin_configuration_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_NARGS = 1 AND TG_OP = 'UPDATE' AND to_jsonb(OLD) - TG_ARGV[0] = to_jsonb(NEW) - TG_ARGV[0]
  THEN
    RETURN NULL;
  END IF;
  INSERT INTO {changes} (token) VALUES (floor(random() * 2147483647)::bigint);
  RETURN NULL;
END $$;
""".replace("{changes}", ConfigurationChange._meta.db_table)
_POSTGRES = """
DROP TRIGGER IF EXISTS {table}_changed ON {table};
CREATE TRIGGER {table}_changed AFTER INSERT OR DELETE OR UPDATE ON {table}
  FOR EACH {what} EXECUTE FUNCTION tocsin_configuration_changed({but});
"""
_SQLITE = """
CREATE TRIGGER {table}_changed_{event} AFTER {event} ON {table} {when}
  BEGIN INSERT INTO {changes} (token) VALUES (abs(random()) % 2147483647); END
"""


def watch(*tables: type[models.Model], but: str = "") -> None:
    """Have changes of these tables noticed (called in `ready`), `but` not of this column alone."""
    for model in tables:
        _watched[model] = but


@contextmanager
def settled() -> Iterator[datetime]:
    """Within this block what is remembered is not read again; gives the present instant.

    One statement. Nothing that is configured may be changed inside.
    """
    now, stamp = clock.now_and(f"count(*), sum(token) FROM {ConfigurationChange._meta.db_table}")
    token = _settled.set(_memory_of((stamp[0], stamp[1])))
    try:
        yield now
    finally:
        _settled.reset(token)


def remembered[**P, R](read: Callable[P, R]) -> Callable[P, R]:
    """Within `settled`, what `read` says of the same arguments is asked once for each change.

    What it gives is shared by everybody who asks: it is only to be read.
    """

    @wraps(read)
    def ask(*args: P.args, **kwargs: P.kwargs) -> R:
        memory = _settled.get()
        if memory is None:
            return read(*args, **kwargs)
        key = (read, args, *sorted(kwargs.items()))
        if key not in memory:
            if len(memory) >= MOST_REMEMBERED:
                memory.clear()
            found = read(*args, **kwargs)
            memory[key] = found
            return found
        # Another thread may have cleared it between the two looks.
        return memory[key] if key in memory else read(*args, **kwargs)

    return ask


def forget_changes() -> int:
    """Keep the last hundred changes: looks stay cheap. Returns how many are forgotten."""
    numbers = ConfigurationChange.objects.order_by("-pk").values_list("pk", flat=True)
    oldest = next(iter(numbers[KEPT - 1 : KEPT]), None)
    return ConfigurationChange.objects.filter(pk__lt=oldest).delete()[0] if oldest else 0


def install_triggers(*, using: str = "default", **_: Any) -> None:
    """Put the triggers on every watched table (receiver of post_migrate)."""
    connection = connections[using]
    existing = set(connection.introspection.table_names())
    changes = ConfigurationChange._meta.db_table
    if changes not in existing:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRES_FUNCTION)
        for model, but in _watched.items():
            table = model._meta.db_table
            if table not in existing:
                continue
            if connection.vendor == "postgresql":
                what, name = ("ROW", f"'{but}'") if but else ("STATEMENT", "")
                cursor.execute(_POSTGRES.format(table=table, what=what, but=name))
                continue
            for event in ["insert", "update", "delete"]:
                same = f"WHEN OLD.{but} IS NEW.{but}" if but and event == "update" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_changed_{event}")
                cursor.execute(_SQLITE.format(table=table, event=event, when=same, changes=changes))


def _memory_of(stamp: Stamp) -> Memory:
    global _latest  # noqa: PLW0603
    known, memory = _latest
    if known != stamp:
        memory = {}
        _latest = (stamp, memory)
    return memory
