"""What a database holds, asked of any version of it: tables are looked up, never assumed."""

import tomllib
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from incidents.core import history
from incidents.timers import clock

# Told to whoever restores, in this order.
MAIN = {
    "incidents_user": "people",
    "incidents_team": "teams",
    "incidents_service": "services",
    "incidents_incident": "incidents",
    "incidents_timelineentry": "timeline entries",
    "alerts_alert": "alerts",
    "notifications_delivery": "deliveries",
}
MIGRATIONS, HEARTBEATS = "django_migrations", "timers_heartbeat"
LATELY = timedelta(seconds=30)


def version() -> str:
    """Tocsin's, as pyproject.toml says."""
    with (settings.BASE_DIR / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["version"]


def is_ours(table: str) -> bool:
    """Whether a table belongs to Tocsin, of this or any other version."""
    labels = {config.label for config in apps.get_app_configs()} | {"django"}
    return any(table.startswith(f"{label}_") for label in labels)


def tables() -> list[str]:
    return sorted(filter(is_ours, connection.introspection.table_names()))


def rows_of(names: list[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        counted = {}
        for name in names:
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(name)}")  # noqa: S608
            counted[name] = cursor.fetchone()[0]
    return counted


def heard_of_lately() -> bool:
    """Whether some engine said within the last half minute that it lives."""
    if HEARTBEATS not in connection.introspection.table_names():
        return False
    with connection.cursor() as cursor:
        since = connection.ops.adapt_datetimefield_value(clock.now() - LATELY)
        cursor.execute(f"SELECT 1 FROM {HEARTBEATS} WHERE at > %s LIMIT 1", [since])  # noqa: S608
        return cursor.fetchone() is not None


def migrations() -> list[str]:
    """Those that were applied, as "app.name"."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT app, name FROM {MIGRATIONS} ORDER BY app, name")  # noqa: S608
        return [f"{app}.{name}" for app, name in cursor.fetchall()]


def unknown(applied: list[str]) -> list[str]:
    """Migrations that this version of the code has never heard of."""
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    return [name for name in applied if name not in known]


def said(rows: dict[str, int]) -> str:
    """In words, e.g. "39 people, 6 teams"."""
    return ", ".join(f"{rows[table]} {name}" for table, name in MAIN.items() if rows.get(table))


def history_is_guarded() -> bool:
    """Whether the database itself refuses to change the timeline: the triggers are there."""
    expected = {(table, event) for table in history.TABLES for event in ["update", "delete"]}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT event_object_table, lower(event_manipulation) "
                "FROM information_schema.triggers WHERE action_timing = 'BEFORE'"
            )
            found = set(cursor.fetchall())
        else:
            cursor.execute("SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'")
            found = {(table, name.rpartition("_")[2]) for table, name in cursor.fetchall()}
    return expected <= found
