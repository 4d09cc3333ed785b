"""The cast and the stage: one team, three people, a clock that moves by hand."""

import os
from collections.abc import Generator, Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection

from incidents.core import history
from incidents.core import services as core
from incidents.core.models import Incident, Service, Team, User
from incidents.timers import clock as house_clock
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory
from tests.sizes import FULL

MONDAY = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)

# What takes longest begins first, or at the end one process works and the others watch. In turn
# what waits for processes of its own and what keeps a core busy.
LONG = [
    f"tests/{name}.py"
    for name in [
        *("chaos/test_nothing_lost", "browser/test_pages", "browser/test_injection"),
        *("chaos/test_database", "config/test_backup", "chaos/test_poison"),
        *("api/test_rules", "chaos/test_providers", "browser/test_incident_verbs"),
        *("chaos/test_redis", "simulation/test_simulation", "chaos/test_exactly_once"),
        *("browser/test_first_run", "chaos/test_one_death", "hostile/test_api"),
        *("chaos/test_sqlite", "browser/test_accounts", "chaos/test_storm"),
        *("browser/test_together", "insights/test_alive", "browser/test_cockpit"),
        *("core/test_accounts_permissions", "chaos/test_clocks", "config/test_demo_data"),
    ]
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of row locks are left out on SQLite, which has none; on PostgreSQL they run. What shows
    in full size only, or what others show as well, is left to the full run."""
    places = {path: place for place, path in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONG)))
    absent = {"postgres": connection.vendor != "postgresql", "full": not FULL}
    names = [name for name, is_absent in absent.items() if is_absent]
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in names)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport]:
    """What is skipped has shown nothing: where nobody reads the dots, that is a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"
    return report


@pytest.fixture
def clock() -> Iterator[house_clock.VirtualClock]:
    """Monday 10:00 UTC, standing still until the test says `clock.forward(minutes=5)`."""
    virtual = house_clock.VirtualClock(MONDAY)
    house_clock.use(virtual)
    yield virtual
    house_clock.use(None)


@pytest.fixture(autouse=True)
def _history(request: pytest.FixtureRequest, _django_db_marker: None) -> Iterator[None]:
    """Let the flush at the end of a transactional test empty the append-only tables."""
    marker = request.node.get_closest_marker("django_db")
    flushed = "transactional_db" in request.fixturenames or (
        marker is not None and marker.kwargs.get("transaction")
    )
    uses = {"db", "transactional_db"} & set(request.fixturenames)
    if marker is None and uses:
        request.getfixturevalue(max(uses))  # PostgreSQL is asked for it: it has to be open by then
    if flushed or marker is not None or uses:
        history.lock_session()  # the test before may have left it open
    yield
    if flushed:
        history.unlock_session()


@pytest.fixture
def team(db: None) -> Team:
    return TeamFactory(name="Payments", slug="payments")


@pytest.fixture
def service(team: Team) -> Service:
    return ServiceFactory(name="Checkout", slug="checkout", team=team, criticality="critical")


@pytest.fixture
def alice(team: Team) -> User:
    """Manages the team."""
    user = UserFactory(username="alice")
    MembershipFactory(team=team, user=user, role="manager")
    return user


@pytest.fixture
def bob(team: Team) -> User:
    """Responds in the team."""
    user = UserFactory(username="bob")
    MembershipFactory(team=team, user=user)
    return user


@pytest.fixture
def charlie(db: None) -> User:
    """Responds in another team."""
    user = UserFactory(username="charlie")
    MembershipFactory(team=TeamFactory(name="Search", slug="search"), user=user)
    return user


@pytest.fixture
def incident(service: Service, clock: house_clock.VirtualClock) -> Incident:
    """A SEV1 of Checkout, declared by nobody yet acknowledged."""
    return core.declare(title="Checkout is down", service=service, severity="SEV1")
