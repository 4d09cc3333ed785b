"""What is asked every minute, or by every scrape, reads no table from end to end.

Judged by SQLite's plans, which do not depend on how much there is.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.core.models import TimelineEntry
from incidents.insights.audit.kinds import Scope
from incidents.insights.audit.run import audit
from incidents.insights.metrics import exposition
from incidents.notifications import engine as outbox
from incidents.timers import engine as timers

pytestmark = pytest.mark.django_db

# The newest row of a table is found at its end; the guards stand in the schema.
HARMLESS = ("ORDER BY 1 DESC LIMIT 1", "FROM sqlite_master")


def whole_tables(work):
    """The queries of `work` that read a table without any index."""
    with CaptureQueriesContext(connection) as captured:
        work()
    asked = [query["sql"] for query in captured.captured_queries]
    asked = [sql for sql in asked if sql.startswith("SELECT") and not sql.endswith(HARMLESS)]
    assert asked
    found = []
    with connection.cursor() as cursor:
        for sql in asked:
            if HARMLESS[1] in sql:
                continue
            cursor.execute(f"EXPLAIN QUERY PLAN {sql.replace('%', '%%')}", [])
            steps = [step for *_, step in cursor.fetchall()]
            found += [f"{step}: {sql}" for step in steps if is_whole(step)]
    return found


def is_whole(step):
    return step.startswith("SCAN ") and " INDEX " not in step and "CONSTANT ROW" not in step


@pytest.fixture
def busy(declared, phones, clock):
    """Somebody was paged, and the next step waits."""
    while timers.tick() + outbox.dispatch(wait=True):
        pass


def test_the_audit_of_a_minute_reads_by_indexes(busy, clock):
    assert whole_tables(lambda: audit(Scope(clock.at, since=0))) == []


def test_a_scrape_reads_by_indexes(busy, clock):
    assert whole_tables(lambda: exposition(clock.at)) == []


def test_a_plan_without_an_index_would_be_found(busy):
    (found,) = whole_tables(lambda: list(TimelineEntry.objects.filter(summary="x")))

    assert found.startswith("SCAN incidents_timelineentry")
