"""The engine of the outbox: claims what is due, sends it, and marks what became of it.

Any number of processes may run it. A claim is a lease, committed before the first byte leaves: if
the sender dies, the lease expires and the delivery is simply due again, under the same key. What
is marked is fenced by the lease's token, so a sender that was paused changes nothing any more.
Nothing here waits while it holds a lock, and no transaction is open while a request runs.
"""

import logging
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from incidents.notifications import claims, folding, leases, marks
from incidents.notifications.decisions import Fate
from incidents.notifications.lanes import SLOTS, Heart, Lane
from incidents.notifications.models import Delivery, Urgency
from incidents.notifications.parcels import Parcel
from incidents.notifications.transports import TRANSPORTS
from incidents.notifications.transports.base import Outgoing, TransportError
from incidents.timers import clock, failpoints
from incidents.timers import services as timers

logger = logging.getLogger(__name__)

_lanes: dict[tuple[str, str], Lane] = {}
_making = threading.Lock()
_heart = Heart()


def dispatch(*, wait: bool = False) -> int:
    """Take up what is due; returns how many deliveries were.

    Sending goes on in threads after the return. `wait`: send here and now, in this thread (tests
    see their transaction, and the order of things).
    """
    now = clock.now()
    timers.beat("outbox")
    _relieve()
    lines = set(Delivery.objects.due(now).values_list("urgency", "transport").distinct())
    count = 0
    for urgency, transport in sorted(lines, key=lambda line: line[0] != Urgency.PAGE):
        if wait:
            taken = claims.take(urgency, transport, room=SLOTS, now=now)
            for parcel in taken.parcels:
                _work(parcel)
            count += taken.handled
        else:
            count += _fill(_lane(urgency, transport), now)
    return count


def shutdown(*, wait: bool = True) -> None:
    """Claim nothing more in this process; `wait` for what is being sent (13 seconds at most)."""
    with _making:
        lanes = list(_lanes.values())
        _lanes.clear()
    for lane in lanes:
        lane.close(wait=False)
    for lane in lanes:
        _give_back(lane)
        lane.close(wait=wait)
        _give_back(lane)
    _heart.stop()


# --- Threads ------------------------------------------------------------------------------------


def _lane(urgency: str, transport: str) -> Lane:
    with _making:
        if (urgency, transport) not in _lanes:
            _lanes[urgency, transport] = Lane(urgency, transport)
        return _lanes[urgency, transport]


def _fill(lane: Lane, now: datetime) -> int:
    """Claim as much as the lane has free slots. One thread at a time; the others go on."""
    if not lane.filling.acquire(blocking=False):
        return 0
    try:
        room, crowd = lane.room()
        taken = claims.take(lane.urgency, lane.transport, room=room, now=now, crowd=crowd)
        lane.has_more = taken.has_more
        for parcel in taken.parcels:
            if parcel.takes_slot:
                _hand_over(parcel, lane)
            else:  # No slot is free, but it takes none to give up.
                _work(parcel)
        return taken.handled
    finally:
        lane.filling.release()


def _relieve() -> None:
    """See that nothing waits behind a provider that hangs."""
    with _making:
        lanes = [lane for lane in _lanes.values() if lane.waiting]
    for lane in lanes:
        if lane.filling.acquire(blocking=False):
            try:
                _hand_over_waiting(lane, *lane.room())
            finally:
                lane.filling.release()


def _hand_over_waiting(lane: Lane, room: int, crowd: Collection[str]) -> int:
    """What was claimed for slots that did not become free goes to others; how many did."""
    handed = 0
    for _ in range(len(lane.waiting)):
        if handed >= room:
            break
        try:
            parcel = lane.waiting.popleft()
        except IndexError:  # A thread took it up.
            break
        if parcel.provider in crowd:
            lane.waiting.append(parcel)
        else:
            _hand_over(parcel, lane)
            handed += 1
    return handed


def _give_back(lane: Lane) -> None:
    """What was claimed and will not be sent here is due again."""
    while lane.waiting:
        parcel = lane.waiting.popleft()
        _release(parcel)
        marks.let_go(parcel.all)


def _hold(parcel: Parcel) -> None:
    for one in parcel.all:
        _heart.hold(one.delivery.pk, one.lease)


def _release(parcel: Parcel) -> None:
    for one in parcel.all:
        _heart.release(one.delivery.pk, one.lease)


def _hand_over(parcel: Parcel, lane: Lane) -> None:
    _hold(parcel)
    try:
        lane.run(partial(_job, parcel, lane), parcel.provider)
    except RuntimeError:  # The process is shutting down.
        _release(parcel)
        marks.let_go(parcel.all)


def _job(parcel: Parcel, lane: Lane) -> None:
    """Work off one parcel, and in the same slot what the lane had no room for before."""
    following: Parcel | None = parcel
    try:
        while following is not None:
            parcel = following
            elsewhere = _work(parcel)
            lane.finished()
            _release(parcel)
            if elsewhere and not lane.closed:
                dispatch()
            following = _next(lane, parcel.provider)
            if following is not None:
                lane.turn_to(following.provider, after=parcel.provider)
    finally:
        lane.leave(parcel.provider)


def _next(lane: Lane, leaving: str) -> Parcel | None:
    """One more for the thread that asks, and others for the slots that are free beside its own."""
    if lane.closed:
        return None
    with suppress(IndexError):
        return lane.waiting.popleft()
    if not lane.has_more or not lane.filling.acquire(blocking=False):
        return None
    try:
        slots, crowd = lane.room(leaving=leaving)
        room = slots + (lane.ahead() if slots and not crowd else 0)
        now = clock.now()
        taken = claims.take(lane.urgency, lane.transport, room=room, now=now, crowd=crowd)
        lane.has_more = taken.has_more
        for parcel in taken.parcels:
            if parcel.takes_slot:
                _hold(parcel)
                lane.waiting.append(parcel)
        # Whose slot became free meanwhile found nothing to do, and left: it is called back.
        slots, crowd = lane.room(leaving=leaving)
        _hand_over_waiting(lane, slots - 1, crowd)
    finally:
        lane.filling.release()
    for parcel in taken.parcels:
        if not parcel.takes_slot:
            _work(parcel)
    with suppress(IndexError):
        return lane.waiting.popleft()
    return None


# --- Send ---------------------------------------------------------------------------------------


def _work(parcel: Parcel) -> bool:
    """Send it, or give it up; True when somebody has to be reached elsewhere now.

    Whatever goes wrong here is logged; the lease then expires and it is due again.
    """
    try:
        if parcel.fate is Fate.SEND:
            return _send(parcel)
        cancelled = parcel.fate is Fate.REROUTE
        state = Delivery.State.CANCELLED if cancelled else Delivery.State.FAILED
        return marks.give_up(parcel, state, parcel.reason)
    except Exception:
        logger.exception("Unable to finish delivery %s; it is due again", parcel.delivery.pk)
        return False


def _send(parcel: Parcel) -> bool:
    failpoints.reach("send.before_connect")
    together, at = _confirm(parcel)
    if late := [one for one in parcel.all if one not in together]:
        marks.let_go(late)
    if not together:
        return False
    try:
        sent = TRANSPORTS[parcel.delivery.transport].send(_outgoing(together, at))
    except TransportError as error:
        failpoints.reach("send.before_mark")
        return marks.failed(together, error)
    except Exception as error:
        logger.exception("The transport %s is broken", parcel.delivery.transport)
        return marks.failed(together, TransportError(repr(error)))
    failpoints.reach("send.after_body")
    failpoints.reach("send.before_mark")
    marks.sent(together, sent)
    return False


def _confirm(parcel: Parcel) -> tuple[list[Parcel], datetime]:
    """Which of these are still ours, and still wanted; and the present. The last look before the
    first byte."""
    together = []
    for one in parcel.all:
        now, until = leases.held_until(one)
        if until is not None and leases.is_long_enough(one, until, now):
            together.append(one)
    return together, now


def _outgoing(parcels: Sequence[Parcel], at: datetime) -> Outgoing:
    delivery, method = parcels[0].delivery, parcels[0].delivery.contact_method
    subject, body, links = folding.reading(parcels)
    return Outgoing(
        id=delivery.key,
        address=delivery.address,
        secret=method.secret if method else delivery.secret,
        subject=subject,
        body=body,
        at=at,
        html=delivery.html if len(parcels) == 1 else "",
        calendar=delivery.calendar,
        links=links,
        urgency=delivery.urgency,
        reference=parcels[0].reference,
        others=[parcel.reference for parcel in parcels[1:]],
    )
