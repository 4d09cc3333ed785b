"""A wire that remembers, people who can be reached, and a postman."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from incidents.core.models import Incident, User
from incidents.notifications import claims, engine, services
from incidents.notifications.models import ContactMethod, Delivery
from incidents.notifications.services import PageOrder
from incidents.notifications.signals import delivery_given_up
from incidents.notifications.transports.base import TransportError
from incidents.notifications.transports.recorder import Recorder
from incidents.timers import clock
from tests.chaos.servers import Provider, provider
from tests.notifications.smtp_sink import Sink, smtp_sink


@pytest.fixture(autouse=True)
def wire() -> Iterator[type[Recorder]]:
    """The recorder, empty."""
    Recorder.reset()
    yield Recorder
    engine.shutdown()


@pytest.fixture
def receiver() -> Iterator[Provider]:
    """Somebody else's HTTP service on the loopback interface."""
    with provider() as server:
        yield server


@pytest.fixture
def mailbox(settings: LazySettings) -> Iterator[Sink]:
    """A mail server that this installation is set up to use."""
    with smtp_sink() as server:
        settings.SMTP_HOST, settings.SMTP_PORT = "127.0.0.1", server.port
        settings.SMTP_USER = settings.SMTP_PASSWORD = ""
        settings.SMTP_STARTTLS = settings.SMTP_SSL = False
        yield server


@pytest.fixture
def given_up() -> Iterator[list[dict[str, Any]]]:
    """What was announced as given up."""
    heard: list[dict[str, Any]] = []

    def listen(sender: type, signal: Any, **facts: Any) -> None:
        heard.append(facts)

    delivery_given_up.connect(listen)
    yield heard
    delivery_given_up.disconnect(listen)


@pytest.fixture
def reach() -> Callable[..., ContactMethod]:
    """Give a person a verified address of the recorder (or another kind)."""

    def add(person: User, address: str, kind: str = "recorder") -> ContactMethod:
        method = services.add_contact_method(person, kind=kind, address=address, actor=None)
        return services.vouch_for(method, actor=None)

    return add


def order(incident: Incident, person: User, cause: str = "level 1", **facts: Any) -> PageOrder:
    facts = {"subject": "Checkout is down", "body": "Checkout is down. Acknowledge it."} | facts
    return PageOrder(incident=incident, user=person, cause=cause, **facts)


def page(incident: Incident, person: User, cause: str = "level 1", **facts: Any) -> Delivery:
    """Page one person who can be reached; the first delivery of it."""
    assert services.page_people([order(incident, person, cause, **facts)], clock.now()) == []
    return incident.deliveries.filter(cause=cause, recipient=person).earliest("due_at")


def post() -> None:
    """Send everything that is due, until nothing is."""
    for _ in range(20):
        if not engine.dispatch(wait=True):
            return
    pytest.fail("The outbox never becomes empty.")


def claim(room: int = 8) -> list[claims.Parcel]:
    """What the lane of the recorder's pages has in hand now."""
    return claims.take("page", "recorder", room=room, now=clock.now())[0]


def busy(**facts: float) -> TransportError:
    return TransportError("busy", **facts)


def gone() -> TransportError:
    return TransportError("410 gone", permanent=True)


SOON = timedelta(seconds=61)
LEASE_AND_MORE = 10
