"""The cast and the stage: one team, three people, a clock that moves by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection

from incidents.core import history
from incidents.core import services as core
from incidents.core.models import Incident, Service, Team, User
from incidents.timers import clock as house_clock
from tests.factories import MembershipFactory, ServiceFactory, TeamFactory, UserFactory

MONDAY = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of row locks are left out on SQLite, which has none; on PostgreSQL they run."""
    if connection.vendor == "postgresql":
        return
    left_out = [item for item in items if item.get_closest_marker("postgres")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


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
