"""Walking through time: lives that take turns, timers that come due, a wire that ends in here."""

import gc
import heapq
import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, cast

from django.db import connection

from config import nudge
from incidents.core.signals import entry_recorded
from incidents.notifications import engine as outbox
from incidents.notifications.models import Delivery
from incidents.notifications.outbox import ending
from incidents.notifications.transports import TRANSPORTS
from incidents.notifications.transports.base import Outgoing, Sent, TransportError
from incidents.timers import clock
from incidents.timers import engine as timers
from incidents.timers.models import Timer

# What somebody or something does: acts, and yields how long it waits before it acts again.
type Life = Generator[timedelta, None, None]

REFUSED_SHARE = 0.06


class Mailbox:
    """Stands where every way out was. Takes what is sent, and now and then refuses."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def check(self, address: str, /) -> None:
        """Whatever was stored once may be sent to."""

    def send(self, outgoing: Outgoing, /) -> Sent:
        if outgoing.urgency == "page" and self.rng.random() < REFUSED_SHARE:
            raise TransportError("550 5.2.2 Mailbox is full", permanent=True)
        return Sent(provider_id=f"demo-{self.rng.getrandbits(32):08x}")


class Walk:
    """A virtual clock that goes from moment to moment: whoever's turn it is acts."""

    def __init__(self, start: datetime, *, evidence_from: datetime) -> None:
        self.clock = clock.VirtualClock(start)
        # From here on every attempt to send is played and kept; before, only the outcome is.
        self.evidence_from = evidence_from
        self._agenda: list[tuple[datetime, int, Life]] = []
        self._numbers = count()

    def begin(self, at: datetime, life: Life) -> None:
        """Have `life` begin at `at`."""
        heapq.heappush(self._agenda, (at, next(self._numbers), life))

    def run(self, until: datetime, *, step: Callable[[datetime], None] = lambda _at: None) -> None:
        """Let everything happen up to `until`, in order. Ends with every life that has ended."""
        while self._agenda and self._agenda[0][0] <= until:
            at, _, life = heapq.heappop(self._agenda)
            self._let_timers_happen(at)
            self._move(at)
            pause = next(life, None)
            if pause is not None:
                self.begin(at + max(pause, timedelta(seconds=1)), life)
            self._deliver()
            step(at)
        self._let_timers_happen(until)
        self._move(until)

    def _move(self, at: datetime) -> None:
        self.clock.at = max(self.clock.at, at)

    def _let_timers_happen(self, until: datetime) -> None:
        pending = Timer.objects.pending().filter(due_at__lte=until).order_by("due_at")
        # What was due long before has happened; the bound spares the database a long look back.
        recent = self.clock.at - timedelta(days=2)
        while due := pending.filter(due_at__gte=recent).values_list("due_at", flat=True).first():
            self._move(due)
            if not timers.tick():
                raise RuntimeError(f"A timer that was due at {due} did not happen.")
            self._deliver()

    def _deliver(self) -> None:
        """What is to leave now has left, without leaving."""
        now = self.clock.at
        if now >= self.evidence_from:
            while outbox.dispatch(wait=True):
                pass
            return
        waiting = Delivery.objects.filter(created_at=now, state=Delivery.State.PENDING)
        waiting.update(**ending(Delivery.State.SENT, now=now), sent_at=now, attempts=1)


@contextmanager
def walking(walk: Walk, rng: Random) -> Iterator[None]:
    """Time is virtual, no way leads out, no worker is called; all is put back at the end.

    Savepoints are left out (a quarter of all statements): whatever fails undoes the whole walk.
    """
    ways_out, database = dict(TRANSPORTS), cast(Any, connection)
    TRANSPORTS.update(dict.fromkeys(TRANSPORTS, Mailbox(rng)))
    entry_recorded.disconnect(nudge.after_commit)
    database._savepoint_allowed = lambda: False
    logging.disable(logging.CRITICAL)
    clock.use(walk.clock)
    collected = gc.get_threshold()
    gc.set_threshold(100_000)  # a tenth quicker
    try:
        yield
    finally:
        gc.set_threshold(*collected)
        clock.use(None)
        logging.disable(logging.NOTSET)
        del database._savepoint_allowed
        entry_recorded.connect(nudge.after_commit, kinds=nudge.KINDS, essential=True)
        TRANSPORTS.update(ways_out)
