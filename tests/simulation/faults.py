"""What goes wrong: actors that die between two transactions, transports that fail, bugs."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from incidents.core.models import Incident
from incidents.escalation import targets
from incidents.notifications.models import ContactMethod, Delivery
from incidents.notifications.transports import TRANSPORTS
from incidents.notifications.transports.base import Outgoing, Sent, TransportError
from incidents.timers import clock, failpoints

TICK_POINTS = ["tick.after_claim", "tick.before_commit"]
SEND_POINTS = ["send.after_claim", "send.before_connect", "send.after_body", "send.before_mark"]
WIRES = ["recorder", "email"]

FAILURES: dict[str, Callable[[], Exception]] = {
    "temporary": lambda: TransportError("500"),
    "permanent": lambda: TransportError("No such number", permanent=True),
    "soon": lambda: TransportError("429", retry_after=20),
    "later": lambda: TransportError("429", retry_after=7_200),
    "broken": lambda: Bug("in the transport"),
}


class Death(BaseException):
    """The process is gone: nothing below may catch this, nothing after it is done."""


class Bug(Exception):
    """An error of our own, put there on purpose."""


class Faults:
    """Armed by the machine, met by the engines. What was sent is kept here."""

    def __init__(self) -> None:
        self.armed: dict[str, tuple[int, type[BaseException]]] = {}
        self.failing: dict[str, str] = {}
        self.asking_is_broken = False
        # Everything that a provider took, in order: (delivery, epoch, incident)
        self.sent: list[Delivery] = []
        self.attempts: Counter[object] = Counter()
        self.deaths: Counter[str] = Counter()
        self.flying: object = None
        self.cut: Counter[object] = Counter()

    def reach(self, name: str) -> None:
        """In place of `failpoints.reach`."""
        if name not in self.armed:
            return
        passes, error = self.armed[name]
        if passes:
            self.armed[name] = (passes - 1, error)
            return
        del self.armed[name]
        self.deaths[name] += 1
        if name in {"send.after_body", "send.before_mark"}:
            self.cut[self.flying] += 1
        raise error(name)

    def check(self, _address: str) -> None:
        """Anything is an address."""

    def send(self, outgoing: Outgoing) -> Sent:
        """The outermost wire: refuses what must never leave, fails as it is told."""
        delivery = Delivery.objects.select_related("incident", "recipient").get(pk=outgoing.id)
        self.flying = delivery.pk
        self.attempts[delivery.pk] += 1
        may_leave(delivery)
        if failure := self.failing.get(outgoing.address):
            raise FAILURES[failure]()
        self.sent.append(delivery)
        return Sent(provider_id=str(len(self.sent)))

    def gather(self, *args: object, **kwargs: object) -> targets.Crew:
        if self.asking_is_broken:
            raise Bug("in asking")
        return _gather(*args, **kwargs)  # type: ignore[arg-type]


_gather = targets.gather


def may_leave(delivery: Delivery) -> None:
    """What must hold at the moment when the first byte leaves."""
    assert delivery.state == Delivery.State.SENDING, delivery.state
    assert delivery.lease_until is not None and delivery.lease_until > clock.now()
    incident, person = delivery.incident, delivery.recipient
    if delivery.paging_epoch is not None:
        assert incident is not None and incident.is_open, "a page of a closed incident is sent"
        assert incident.paging_epoch == delivery.paging_epoch, "a page of an older epoch is sent"
    if person is None:
        return
    assert person.is_active, f"{person} is deactivated and gets {delivery}"
    if delivery.may_go_elsewhere:
        methods = ContactMethod.objects.usable().filter(user=person, address=delivery.address)
        assert methods.exists() or delivery.address == person.email, "an address that is not theirs"
    if delivery.is_page and incident is not None and incident.is_private:
        seen = Incident.objects.filter(pk=incident.pk, audience=person).exists()
        assert seen or incident.last_resort_id == person.pk, f"{person} is not of the audience"


@contextmanager
def injected(faults: Faults) -> Iterator[None]:
    """Put the faults where processes die, where messages leave, and where people are looked up."""
    with (
        mock.patch.object(failpoints, "reach", faults.reach),
        mock.patch.dict(TRANSPORTS, dict.fromkeys(WIRES, faults)),
        mock.patch.object(targets, "gather", faults.gather),
    ):
        yield
