"""Threads that send: a small pool for each urgency and transport, and the heart that beats for all.

A transport that hangs fills its own lane and delays no other. Nor does a provider that hangs delay
the others of its transport: once it holds half of a full lane, there are slots beyond for those who
do not. While requests run, one thread of the
process renews their leases, so that a lease can be short: the death of a process is noticed soon,
a slow request is not taken for a dead one.
"""

import logging
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connections

from incidents.notifications.crew import Crew
from incidents.notifications.models import Delivery
from incidents.timers import clock

logger = logging.getLogger(__name__)

SLOTS, RESERVE = 8, 8
CROWD = SLOTS // 2
# So long may a claim wait for its slot; the claim of a page is to be on the wire within 0.5 s.
AHEAD_SECONDS, MOST_AHEAD = 0.2, 32
# Connecting 3 s and the whole request 10 s: what takes longer is not renewed, but repeated.
LONGEST_SECONDS = 13.0


def provider_of(address: str) -> str:
    """How all addresses at the same provider begin, e.g. "https://hooks.example.org"; "": unknown.

    All mail goes to one server of ours: there are no others that it could delay.
    """
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


class Lane:
    """Up to `SLOTS` deliveries of one urgency by one transport at a time, and the reserve."""

    def __init__(self, urgency: str, transport: str) -> None:
        self.urgency, self.transport = urgency, transport
        self.filling = threading.Lock()
        # Whether the last claim left something behind that a free slot should take up.
        self.has_more = False
        self._crew = Crew(SLOTS + RESERVE, name=f"{urgency}-{transport}")
        # Claimed already, for slots that will be free in a moment: see `ahead`.
        self.waiting: deque[Any] = deque()
        self._finished: deque[float] = deque(maxlen=MOST_AHEAD)
        self._busy: Counter[str] = Counter()
        self._counting = threading.Lock()
        self.closed = False

    def room(self, *, leaving: str | None = None) -> tuple[int, frozenset[str]]:
        """How many more may be sent at once, and the providers that may not have any of these.

        `leaving`: the provider whose slot the asking thread is about to give back.
        """
        with self._counting:
            busy = self._busy - Counter([] if leaving is None else [leaving])
        if self.closed:
            return 0, frozenset()
        if busy.total() < SLOTS:
            return SLOTS - busy.total(), frozenset()
        crowd = frozenset(name for name, slots in busy.items() if name and slots >= CROWD)
        return (SLOTS + RESERVE - busy.total() if crowd else 0), crowd

    def ahead(self) -> int:
        """How many to claim beside those that there are slots for, as one claim costs as much as
        many do: what was sent in the last moments will be sent in the next ones. None where
        nothing gets through, so that nothing is held that could not be sent."""
        since = time.monotonic() - AHEAD_SECONDS
        return 0 if self.closed else sum(at >= since for at in tuple(self._finished))

    def finished(self) -> None:
        """One was sent, or at least answered."""
        self._finished.append(time.monotonic())

    def run(self, job: Callable[[], None], provider: str) -> None:
        """Do `job` in a thread with database connections of its own. RuntimeError when closed."""
        self._count(provider, 1)
        try:
            self._crew.submit(job)
        except RuntimeError:
            self._count(provider, -1)
            raise

    def turn_to(self, provider: str, *, after: str) -> None:
        """The job of this thread goes on with another provider."""
        self._count(after, -1)
        self._count(provider, 1)

    def leave(self, provider: str) -> None:
        """The job of this thread is done with its slot, if not yet with everything."""
        self._count(provider, -1)

    def close(self, *, wait: bool) -> None:
        """Take nothing new; wait for what runs (it ends by itself in 13 seconds)."""
        self.closed = True
        self._crew.close(wait=wait)

    def _count(self, provider: str, change: int) -> None:
        with self._counting:
            self._busy[provider] += change


class Heart:
    """Renews the leases of what this process is sending, three times per lease."""

    def __init__(self) -> None:
        self._held: dict[uuid.UUID, tuple[uuid.UUID, float]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def hold(self, pk: uuid.UUID, lease: uuid.UUID) -> None:
        with self._changed:
            self._held[pk] = (lease, time.monotonic())
            if self._thread is None:
                # An event for each thread: one that is just ending must not be called back.
                self._stopped = threading.Event()
                self._thread = threading.Thread(
                    target=self._beat, args=[self._stopped], name="leases", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def release(self, pk: uuid.UUID, lease: uuid.UUID) -> None:
        with self._changed:
            if self._held.get(pk, (None, 0.0))[0] == lease:
                del self._held[pk]

    def stop(self) -> None:
        """Returns when the thread is gone."""
        with self._changed:
            self._stopped.set()
            thread, self._thread = self._thread, None
            self._changed.notify()
        if thread is not None:
            thread.join()

    def _beat(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            with self._changed:
                if not self._held and not stopped.is_set():
                    connections.close_all()
                    self._changed.wait()
                    continue
            if stopped.wait(settings.DELIVERY_LEASE.total_seconds() / 3):
                break
            try:
                self._renew()
            except Exception:
                logger.exception("Unable to renew leases; what is not renewed is sent again")
                connections.close_all()
        connections.close_all()

    def _renew(self) -> None:
        oldest = time.monotonic() - LONGEST_SECONDS
        with self._changed:
            held = {pk: lease for pk, (lease, since) in self._held.items() if since > oldest}
        if not held:
            return
        now = clock.now()
        # What has expired stays so: somebody may have acknowledged meanwhile.
        Delivery.objects.filter(
            pk__in=held,
            lease__in=set(held.values()),
            state=Delivery.State.SENDING,
            lease_until__gt=now,
        ).update(lease_until=now + settings.DELIVERY_LEASE)
