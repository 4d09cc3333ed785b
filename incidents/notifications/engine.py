"""The engine of the outbox: claims what is due, sends it, and marks what became of it.

Any number of processes may run it. A claim is a lease, committed before the first byte leaves: if
the sender dies, the lease expires and the delivery is simply due again, under the same key. What
is marked is fenced by the lease's token, so a sender that was paused changes nothing any more.
Nothing here waits while it holds a lock, and no transaction is open while a request runs.
"""

import logging
import random
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef

from incidents.core import services as core
from incidents.core.models import Incident, User
from incidents.notifications import claims, decisions, outbox
from incidents.notifications.claims import Parcel
from incidents.notifications.decisions import Fate
from incidents.notifications.lanes import SLOTS, Heart, Lane
from incidents.notifications.models import Attempt, Delivery, Urgency
from incidents.notifications.signals import delivery_given_up
from incidents.notifications.transports import TRANSPORTS
from incidents.notifications.transports.base import Outgoing, Sent, TransportError
from incidents.timers import clock, failpoints
from incidents.timers import services as timers

logger = logging.getLogger(__name__)

LATE = "The lease had been lost by then: nothing was changed."


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
    if not Delivery.objects.due(now).exists():
        return 0
    count = 0
    for urgency in Urgency.values:  # pages first
        for transport in TRANSPORTS:
            if wait:
                parcels, handled = claims.take(urgency, transport, room=SLOTS, now=now)
                for parcel in parcels:
                    _work(parcel)
                count += handled
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
        parcels, handled = claims.take(
            lane.urgency, lane.transport, room=room, now=now, crowd=crowd
        )
        _note_rest(lane, parcels, room, crowd)
        for parcel in parcels:
            if parcel.takes_slot:
                _hand_over(parcel, lane)
            else:  # No slot is free, but it takes none to give up.
                _work(parcel)
        return handled
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
        _heart.release(parcel.delivery.pk, parcel.lease)
        _let_go(parcel)


def _note_rest(lane: Lane, parcels: Sequence[Parcel], room: int, crowd: Collection[str]) -> None:
    """Remember whether something may have been left that a free slot should take up."""
    lane.has_more = bool(crowd) or sum(parcel.takes_slot for parcel in parcels) >= room


def _hand_over(parcel: Parcel, lane: Lane) -> None:
    _heart.hold(parcel.delivery.pk, parcel.lease)
    try:
        lane.run(partial(_job, parcel, lane), parcel.provider)
    except RuntimeError:  # The process is shutting down.
        _heart.release(parcel.delivery.pk, parcel.lease)
        _let_go(parcel)


def _job(parcel: Parcel, lane: Lane) -> None:
    """Work off one parcel, and in the same slot what the lane had no room for before."""
    following: Parcel | None = parcel
    try:
        while following is not None:
            parcel = following
            elsewhere = _work(parcel)
            lane.finished()
            _heart.release(parcel.delivery.pk, parcel.lease)
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
        parcels, _ = claims.take(
            lane.urgency, lane.transport, room=room, now=clock.now(), crowd=crowd
        )
        _note_rest(lane, parcels, room, crowd)
        following = [parcel for parcel in parcels if parcel.takes_slot]
        for parcel in following[slots:]:
            _heart.hold(parcel.delivery.pk, parcel.lease)
            lane.waiting.append(parcel)
    finally:
        lane.filling.release()
    for parcel in following[1:slots]:
        _hand_over(parcel, lane)
    for parcel in parcels:
        if not parcel.takes_slot:
            _work(parcel)
    if not following:
        return None
    _heart.hold(following[0].delivery.pk, following[0].lease)
    return following[0]


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
        return _give_up(parcel, state, parcel.reason)
    except Exception:
        logger.exception("Unable to finish delivery %s; it is due again", parcel.delivery.pk)
        return False


def _send(parcel: Parcel) -> bool:
    failpoints.reach("send.before_connect")
    if not _confirm(parcel):
        _let_go(parcel)
        return False
    try:
        sent = TRANSPORTS[parcel.delivery.transport].send(_outgoing(parcel))
    except TransportError as error:
        failpoints.reach("send.before_mark")
        return _mark_failed(parcel, error)
    except Exception as error:
        logger.exception("The transport %s is broken", parcel.delivery.transport)
        return _mark_failed(parcel, TransportError(repr(error)))
    failpoints.reach("send.after_body")
    failpoints.reach("send.before_mark")
    _mark_sent(parcel, sent)
    return False


def _confirm(parcel: Parcel) -> bool:
    """Still ours, and still wanted? The last look before the first byte; renews the lease."""
    now = clock.now()
    ours = Delivery.objects.filter(pk=parcel.delivery.pk, lease_until__gt=now).held(parcel.lease)
    if parcel.delivery.paging_epoch is not None:
        same = Incident.objects.open().filter(
            pk=OuterRef("incident_id"), paging_epoch=OuterRef("paging_epoch")
        )
        ours = ours.filter(Exists(same))
    if parcel.delivery.recipient_id is not None:
        here = User.objects.filter(pk=OuterRef("recipient_id"), is_active=True)
        ours = ours.filter(Exists(here))
    return ours.update(lease_until=now + settings.DELIVERY_LEASE) == 1


def _outgoing(parcel: Parcel) -> Outgoing:
    delivery, method = parcel.delivery, parcel.delivery.contact_method
    return Outgoing(
        id=str(delivery.pk),
        address=delivery.address,
        secret=method.secret if method else delivery.secret,
        subject=delivery.subject,
        body=delivery.body,
        at=clock.now(),
        html=delivery.html,
        links=delivery.as_links,
        urgency=delivery.urgency,
        reference=parcel.reference,
    )


# --- Mark ---------------------------------------------------------------------------------------


@transaction.atomic
def _mark_sent(parcel: Parcel, sent: Sent) -> None:
    now = clock.now()
    ours = Delivery.objects.filter(pk=parcel.delivery.pk).held(parcel.lease)
    ending = outbox.ending(Delivery.State.SENT, now=now)
    marked = ours.update(**ending, sent_at=now, provider_id=sent.provider_id[:255])
    _note(parcel, Attempt.Outcome.SENT, "" if marked else LATE, provider_id=sent.provider_id)


def _mark_failed(parcel: Parcel, error: TransportError) -> bool:
    """Try again later, or give it up; True when somebody has to be reached elsewhere now."""
    delivery = parcel.delivery
    again = decisions.after_failure(
        permanent=error.permanent,
        retry_after=error.retry_after,
        is_page=delivery.is_page,
        attempts=delivery.attempts,
        give_up_at=delivery.give_up_at,
        now=clock.now(),
        jitter=random.random(),
    )
    outcome = Attempt.Outcome.PERMANENT if error.permanent else Attempt.Outcome.TEMPORARY
    if again is None:
        return _give_up(parcel, Delivery.State.FAILED, str(error), outcome)
    with transaction.atomic():
        marked = (
            Delivery.objects.filter(pk=delivery.pk)
            .held(parcel.lease)
            .update(
                state=Delivery.State.PENDING,
                due_at=again,
                lease=None,
                lease_until=None,
                unfinished=0,
                last_error=outbox.legible(str(error)),
            )
        )
        _note(parcel, outcome, str(error) if marked else f"{error} {LATE}")
    return False


def _let_go(parcel: Parcel) -> None:
    """It was held for too long to be sent: it is due again, and judged again."""
    with transaction.atomic():
        Delivery.objects.filter(pk=parcel.delivery.pk).held(parcel.lease).update(
            state=Delivery.State.PENDING,
            lease=None,
            lease_until=None,
            unfinished=F("unfinished") - 1,
        )
        _note(parcel, Attempt.Outcome.NOT_STARTED, "")


@transaction.atomic
def _give_up(
    parcel: Parcel, state: str, reason: str, outcome: Attempt.Outcome | None = None
) -> bool:
    """This address will not do: the next one in the same transaction, or it is announced.

    The incident is locked first, then everything that goes to this recipient for this cause: of
    two addresses that fail at once, the second sees that it is the last.
    """
    delivery, now = parcel.delivery, clock.now()
    incident = core.lock(Incident(pk=delivery.incident_id)) if delivery.incident_id else None
    members = Delivery.objects.family(delivery).select_for_update(no_key=True, of=("self",))
    family = {
        member.pk: member
        for member in members.select_related("recipient", "incident").order_by("pk")
    }
    delivery = family[delivery.pk]
    ours = delivery.state == Delivery.State.SENDING and delivery.lease == parcel.lease
    if outcome is not None:
        _note(parcel, outcome, reason if ours else f"{reason} {LATE}")
    if not ours:
        return False
    ending = outbox.ending(state, now=now, reason=outbox.legible(reason))
    Delivery.objects.filter(pk=delivery.pk).update(**ending)
    if incident is not None and _is_void(delivery, incident):
        return False
    if outbox.pass_on(delivery, family.values(), now=now):
        return True
    if delivery.recipient_id is None:
        logger.critical("A last resort was not reached: %s. %s", delivery, reason)
    delivery.state, delivery.ended_at, delivery.last_error = state, now, reason
    delivery_given_up.send(Delivery, delivery=delivery, incident=incident)
    return False


def _is_void(delivery: Delivery, incident: Incident) -> bool:
    """A page for which nobody waits any more."""
    if delivery.paging_epoch is None:
        return False
    return not incident.is_open or incident.paging_epoch != delivery.paging_epoch


def _note(parcel: Parcel, outcome: Attempt.Outcome, detail: str, *, provider_id: str = "") -> None:
    """Complete the evidence of this attempt."""
    if parcel.attempt_id is None:
        return
    Attempt.objects.filter(pk=parcel.attempt_id).update(
        outcome=outcome,
        finished_at=clock.now(),
        detail=outbox.legible(detail, longest=1024),
        provider_id=provider_id[:255],
    )
