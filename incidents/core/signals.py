"""What core announces: what was recorded on a timeline, and what becomes of people's accounts."""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.dispatch import Signal

from incidents.timers import clock
from incidents.timers import services as timers

if TYPE_CHECKING:
    from incidents.core.models import Incident, TimelineEntry

logger = logging.getLogger(__name__)

type Receiver = Callable[["TimelineEntry", "Incident"], None]
type Condition = Callable[["Incident"], bool]


@dataclass(frozen=True)
class Connection:
    receiver: Receiver
    kinds: frozenset[str] | None
    essential: bool
    when: Condition | None = None

    @property
    def name(self) -> str:
        return f"{self.receiver.__module__}.{self.receiver.__qualname__}"


_is_bold: ContextVar[bool] = ContextVar("is_bold", default=False)


@contextmanager
def boldly() -> Iterator[None]:
    """Reactions run without savepoints in here, and any failure is raised.

    For whoever then does all of it once more without: savepoints for what hardly ever fails would
    be a tenth of all that an alert asks of the database.
    """
    token = _is_bold.set(True)
    try:
        yield
    finally:
        _is_bold.reset(token)


def is_bold() -> bool:
    """Whether a failure undoes all, and all is done once more."""
    return _is_bold.get()


class EntryRecorded:
    """Sent inside the verb's transaction. Receivers only write rows.

    An essential receiver may raise and thereby undo the verb. Every other one runs in a savepoint
    of its own (but `boldly`): its failure is logged and becomes a repair timer, so that a bug in a
    status page never stops a declaration.
    """

    def __init__(self) -> None:
        self.connections: dict[str, Connection] = {}

    def connect(
        self,
        receiver: Receiver,
        *,
        kinds: Collection[str] | None = None,
        essential: bool = False,
        when: Condition | None = None,
    ) -> None:
        """Have `receiver(entry, incident)` called for entries of `kinds` (None: of every kind).

        `when(incident)`: only where it says so. Asked before the savepoint, so it reads nothing
        and never fails.
        """
        wanted = None if kinds is None else frozenset(kinds)
        connection = Connection(receiver, wanted, essential, when)
        self.connections[connection.name] = connection

    def disconnect(self, receiver: Receiver) -> None:
        del self.connections[Connection(receiver, None, False).name]

    def send(self, entry: "TimelineEntry", incident: "Incident") -> None:
        # What decides comes first: the others build on it.
        for connection in sorted(self.connections.values(), key=lambda c: not c.essential):
            if connection.kinds is not None and entry.kind not in connection.kinds:
                continue
            if connection.when is not None and not connection.when(incident):
                continue
            if connection.essential or is_bold():
                connection.receiver(entry, incident)
            else:
                self._send_guarded(connection, entry, incident)

    def _send_guarded(
        self, connection: Connection, entry: "TimelineEntry", incident: "Incident"
    ) -> None:
        try:
            with transaction.atomic():
                connection.receiver(entry, incident)
        except Exception:
            logger.exception("Unable to react to %r; a repair timer will try again", entry.kind)
            timers.schedule(
                "core.repair",
                incident,
                due_at=clock.now(),
                key=f"{entry.pk}:{connection.name}",
                payload={"entry": entry.pk, "receiver": connection.name},
            )


entry_recorded = EntryRecorded()

# Sent inside the verb's transaction; receivers only write rows, and may raise to undo the verb.
# user, actor (None: the person asked): somebody needs a link to set a password. A receiver that has
# it mailed answers True.
link_wanted = Signal()
# user: somebody who was invited has followed the link and set a password.
invitation_accepted = Signal()
# user, actor: somebody was shut out. Future shifts and the like are for the higher rooms.
person_deactivated = Signal()
