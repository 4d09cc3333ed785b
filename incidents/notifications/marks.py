"""What became of a delivery, written down: sent, tried in vain, given up, or not begun at all.

Whatever is written is fenced by the token of the lease: a sender that was paused for too long
completes the evidence of its attempt, and changes nothing else.
"""

import logging
import random
import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F

from incidents.core import services as core
from incidents.core.models import Incident
from incidents.notifications import announcing, decisions, outbox
from incidents.notifications.models import Attempt, Delivery
from incidents.notifications.parcels import Parcel
from incidents.notifications.together import Together
from incidents.notifications.transports.base import Sent, TransportError
from incidents.timers import clock
from incidents.timers.prepared import prepared

logger = logging.getLogger(__name__)

LATE = "The lease had been lost by then: nothing was changed."


class TooLate(Exception):
    """Of several that were to be marked together, one had lost its lease."""


def sent(parcels: Sequence[Parcel], answer: Sent) -> None:
    """Returns when it is written down; with it, whatever was sent at the same time."""
    _marks.put(*[(parcel, answer) for parcel in parcels])


# One statement, planned once for each connection: when many pages are due, this is what they wait
# for. It sets what `outbox.ending` sets; a test compares them.
_ALL_SENT = """
WITH present AS (SELECT COALESCE($1::timestamptz, clock_timestamp()) AS at),
done AS (SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::text[])
  AS one (delivery, lease, attempt, provider_id)),
marked AS (UPDATE notifications_delivery delivery SET state = 'sent',
    sent_at = present.at, ended_at = present.at, provider_id = done.provider_id,
    lease = NULL, lease_until = NULL, unfinished = 0, secret = '', links = '[]', last_error = '',
    body = CASE WHEN is_confidential THEN '(not kept)' ELSE body END
  FROM done, present WHERE delivery.id = done.delivery AND delivery.lease = done.lease
    AND delivery.state = 'sending' RETURNING delivery.id)
UPDATE notifications_attempt attempt SET outcome = 'sent', finished_at = present.at,
    provider_id = done.provider_id,
    detail = CASE WHEN done.delivery IN (SELECT id FROM marked) THEN '' ELSE $6::text END
  FROM done, present WHERE attempt.id = done.attempt
"""


def _all_sent(done: Sequence[tuple[Parcel, Sent]]) -> None:
    """Fenced by their leases."""
    if connection.vendor != "postgresql":
        return _all_sent_by_lease(done)
    columns = [
        [parcel.delivery.pk for parcel, _ in done],
        [parcel.lease for parcel, _ in done],
        [parcel.attempt_id for parcel, _ in done],
        [answer.provider_id[:255] for _, answer in done],
    ]
    with prepared() as cursor:
        cursor.execute(_ALL_SENT, [clock.stands_at(), *columns, LATE])


@transaction.atomic
def _all_sent_by_lease(done: Sequence[tuple[Parcel, Sent]]) -> None:
    """Raises where one of several came too late: then each comes alone."""
    now = clock.now()
    ending = outbox.ending(Delivery.State.SENT, now=now)
    alike: dict[tuple[uuid.UUID, str], list[Parcel]] = defaultdict(list)
    for parcel, answer in done:
        alike[parcel.lease, answer.provider_id[:255]].append(parcel)
    for (lease, provider_id), parcels in alike.items():
        ours = Delivery.objects.filter(pk__in=[parcel.delivery.pk for parcel in parcels])
        marked = ours.held(lease).update(**ending, sent_at=now, provider_id=provider_id)
        if marked < len(parcels) and len(done) > 1:
            raise TooLate
        Attempt.objects.filter(pk__in=[parcel.attempt_id for parcel in parcels]).update(
            outcome=Attempt.Outcome.SENT,
            finished_at=now,
            detail="" if marked else LATE,
            provider_id=provider_id,
        )


_marks = Together(_all_sent)


def failed(parcels: Sequence[Parcel], error: TransportError) -> bool:
    """Try them again later, together, or give each of them up; True when somebody has to be reached
    elsewhere now."""
    first = parcels[0].delivery
    again = decisions.after_failure(
        permanent=error.permanent,
        retry_after=error.retry_after,
        is_page=first.is_page,
        attempts=first.attempts,
        give_up_at=min(parcel.delivery.give_up_at for parcel in parcels),
        now=clock.now(),
        jitter=random.random(),
    )
    outcome = Attempt.Outcome.PERMANENT if error.permanent else Attempt.Outcome.TEMPORARY
    if again is None:
        reason = str(error)
        elsewhere = [give_up(p, Delivery.State.FAILED, reason, outcome) for p in parcels]
        return any(elsewhere)
    with transaction.atomic():
        for parcel in parcels:
            _put_back(parcel, again, str(error), outcome)
    return False


def _put_back(parcel: Parcel, again: datetime, reason: str, outcome: Attempt.Outcome) -> None:
    ours = Delivery.objects.filter(pk=parcel.delivery.pk).held(parcel.lease)
    marked = ours.update(
        state=Delivery.State.PENDING,
        due_at=again,
        lease=None,
        lease_until=None,
        unfinished=0,
        last_error=outbox.legible(reason),
    )
    _note(parcel, outcome, reason if marked else f"{reason} {LATE}")


@transaction.atomic
def let_go(parcels: Sequence[Parcel]) -> None:
    """They were held for too long to be sent: they are due again, and judged again."""
    for parcel in parcels:
        Delivery.objects.filter(pk=parcel.delivery.pk).held(parcel.lease).update(
            state=Delivery.State.PENDING,
            lease=None,
            lease_until=None,
            unfinished=F("unfinished") - 1,
        )
        _note(parcel, Attempt.Outcome.NOT_STARTED, "")


@transaction.atomic
def give_up(
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
    if incident is not None and delivery.is_void_for(incident):
        return False
    if outbox.pass_on(delivery, family.values(), now=now):
        return True
    if delivery.recipient_id is None:
        logger.critical("A last resort was not reached: %s. %s", delivery, reason)
    delivery.state, delivery.ended_at, delivery.last_error = state, now, reason
    announcing.given_up(delivery, incident)
    return False


def _note(parcel: Parcel, outcome: Attempt.Outcome, detail: str) -> None:
    """Complete the evidence of this attempt."""
    if parcel.attempt_id is None:
        return
    Attempt.objects.filter(pk=parcel.attempt_id).update(
        outcome=outcome, finished_at=clock.now(), detail=outbox.legible(detail, longest=1024)
    )
