"""The engine: claims due timers, calls the handler of their kind, survives both.

Any number of engines may run. A claim is a lease that is committed before the work starts,
together with a raised count of attempts: a timer that kills its engine is thereby counted, and
put in quarantine instead of killing for ever. The work itself is one transaction: lock the
subjects (SKIP LOCKED: an engine never waits), lock the timers, decide, write in bulk.
"""

import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F

from incidents.timers import clock, failpoints, heart
from incidents.timers.models import Timer
from incidents.timers.signals import timer_failed

logger = logging.getLogger(__name__)

BATCH = 200  # incidents that one transaction locks, for a tenth of a second
MAX_CRASHES = 3
BUSY_PAUSE = timedelta(milliseconds=200)
FAILURES_TO_ANNOUNCE = 3
LONGEST_BACKOFF = timedelta(minutes=5)


@dataclass(frozen=True)
class Due:
    """A timer whose moment has come, and its subject, locked for this transaction."""

    timer: Timer
    subject: Any


class Handler(Protocol):
    """Makes one kind of timer happen for a whole batch. Writes rows, nothing else."""

    def __call__(self, due: Sequence[Due], *, now: datetime) -> None: ...


@dataclass(frozen=True)
class Registration:
    model: str
    handle: Handler
    label: str


_handlers: dict[str, Registration] = {}


def register(kind: str, *, model: str, handle: Handler, label: str = "") -> None:
    """Have `handle` called for due timers of `kind`, whose subjects are rows of `model`.

    `label`: what will happen, for people; may contain the timer's {key}.
    """
    _handlers[kind] = Registration(model, handle, label)


def describe(timer: Timer) -> str:
    """What will happen, in words, e.g. "the next level is asked"."""
    known = _handlers.get(timer.kind)
    label = known.label if known else ""
    return label.replace("{key}", timer.key) or timer.kind


def each(handle: Callable[[Timer, Any, datetime], None]) -> Handler:
    """A handler that treats the timers of a batch one after the other."""

    def handle_each(due: Sequence[Due], *, now: datetime) -> None:
        for one in due:
            handle(one.timer, one.subject, now)

    return handle_each


def tick(*, limit: int = 5_000) -> int:
    """Make everything happen that is due; returns how many timers were claimed (at most `limit`).

    1. Fresh timers are claimed in batches; those that crashed an engine before, one by one.
    2. A batch that raises is repeated in halves, so that a bad row stops only itself.
    3. A timer that raises is pushed back with a growing delay.
    """
    claimed = 0
    heart.beat("clock")
    while claimed < limit:
        batch, suspects = _claim(suspects=False), _claim(suspects=True)
        if not batch and not suspects:
            break
        _run(batch)
        _run(suspects)
        claimed += len(batch) + len(suspects)
        heart.beat("clock")  # a long tick is no death
    return claimed


def _claim(*, suspects: bool) -> list[Timer]:
    with transaction.atomic():
        now = clock.now()
        due = Timer.objects.due(now).filter(kind__in=_handlers)
        due = due.order_by("due_at").select_for_update(no_key=True, skip_locked=True)
        timers = list(
            due.filter(attempts__gt=0)[:1] if suspects else due.filter(attempts=0)[:BATCH]
        )
        if not timers:
            return []
        claim, until = uuid.uuid4(), now + settings.TIMER_LEASE
        Timer.objects.filter(pk__in=[timer.pk for timer in timers]).update(
            attempts=F("attempts") + 1, claim=claim, claimed_until=until
        )
        for timer in timers:
            timer.claim, timer.attempts = claim, timer.attempts + 1
    failpoints.reach("tick.after_claim")
    return timers


def _run(claimed: list[Timer]) -> None:
    parts = [claimed] if claimed else []
    while parts:
        part = parts.pop()
        try:
            busy = _handle(part)
            _release(busy, part[0].claim)
        except Exception as error:
            if len(part) == 1:
                logger.exception("Unable to handle timer %s", part[0])
                _push_back_guarded(part[0], error)
            else:
                logger.warning("A batch of %d timers is repeated in halves: %r", len(part), error)
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
        _renew([timer for waiting in parts for timer in waiting])


def _renew(waiting: Sequence[Timer]) -> None:
    """What waits for its turn is not to be taken for a dead engine's."""
    if not waiting:
        return
    held = Timer.objects.pending().filter(pk__in=[timer.pk for timer in waiting])
    until = clock.now() + settings.TIMER_LEASE
    held.filter(claim=waiting[0].claim).update(claimed_until=until)


@transaction.atomic
def _handle(claimed: Sequence[Timer]) -> list[int]:
    """Make the batch happen; gives the timers that others are busy with just now."""
    subjects = _lock_subjects(claimed)
    # Of a busy subject not even the timers are locked: who has it may be about to change them.
    free = [timer.pk for timer in claimed if (timer.subject_type, timer.subject_id) in subjects]
    # Pending: it may have been cancelled since the claim.
    ours = Timer.objects.pending().select_for_update(no_key=True, skip_locked=True)
    ours = ours.filter(pk__in=free, claim=claimed[0].claim)
    now = clock.now()
    due: dict[str, list[Due]] = defaultdict(list)
    ended: dict[str, list[int]] = defaultdict(list)
    seen: set[int] = set()
    # Of one moment, in the order in which their kinds were registered.
    kinds = list(_handlers)
    for timer in sorted(ours, key=lambda timer: (timer.due_at, kinds.index(timer.kind))):
        subject = subjects[timer.subject_type, timer.subject_id]
        seen.add(timer.pk)
        if timer.attempts > MAX_CRASHES:
            _quarantine(timer, now)
        elif subject is None or _overtaken(timer, subject):
            ended[Timer.State.VOID].append(timer.pk)
        else:
            ended[Timer.State.DONE].append(timer.pk)
            due[timer.kind].append(Due(timer, subject))
    # Ended before handled: a handler may schedule the next timer under the same key.
    for state, pks in ended.items():
        Timer.objects.filter(pk__in=pks).update(
            state=state, pending_key=None, ended_at=now, claim=None, attempts=0
        )
    for kind, batch in due.items():
        failpoints.reach(f"timer.{kind}")
        _handlers[kind].handle(batch, now=now)
    failpoints.reach("tick.before_commit")
    return [timer.pk for timer in claimed if timer.pk not in seen]


_BUSY = object()


def _lock_subjects(timers: Sequence[Timer]) -> dict[tuple[str, int], Any]:
    """The subjects by (type, id): the locked row, None where it is gone, absent where busy."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for timer in timers:
        wanted[timer.subject_type].add(timer.subject_id)
    found: dict[tuple[str, int], Any] = {}
    for label in sorted(wanted):
        manager = apps.get_model(label)._base_manager
        rows = manager.filter(pk__in=wanted[label]).order_by("pk")
        for row in rows.select_for_update(no_key=True, skip_locked=True):
            found[label, row.pk] = row
        missing = {pk for pk in wanted[label] if (label, pk) not in found}
        if missing:
            busy = set(manager.filter(pk__in=missing).values_list("pk", flat=True))
            found |= {(label, pk): None for pk in missing - busy}
    return found


def _overtaken(timer: Timer, subject: models.Model) -> bool:
    return timer.epoch is not None and timer.epoch != getattr(subject, "paging_epoch", timer.epoch)


def _release(busy: Sequence[int], claim: uuid.UUID | None) -> None:
    """Give back what could not be locked. Holds no lock itself, so it may wait for one."""
    if busy:
        Timer.objects.filter(pk__in=busy, claim=claim).update(
            claim=None, claimed_until=clock.now() + BUSY_PAUSE, attempts=F("attempts") - 1
        )


def _quarantine(timer: Timer, now: datetime) -> None:
    reason = f"It ended {MAX_CRASHES} engines in a row."
    timer.last_error = reason
    Timer.objects.filter(pk=timer.pk).update(
        state=Timer.State.QUARANTINED,
        pending_key=None,
        ended_at=now,
        claim=None,
        last_error=reason,
    )
    logger.error("Timer %s is quarantined: %s", timer, reason)
    timer_failed.send(Timer, timer=timer, reason=reason)


def _push_back_guarded(timer: Timer, error: Exception) -> None:
    """Where even that fails, it is tried again after its lease; those behind it need not wait.

    Not so while the database is away: then nothing works, and the next tick begins anew.
    """
    try:
        _push_back(timer, error)
    except Exception:
        if not _is_database_there():
            raise
        logger.exception("Unable to push timer %s back", timer)


def _is_database_there() -> bool:
    try:
        connection.ensure_connection()
        return connection.is_usable()
    except Exception:
        return False


@transaction.atomic
def _push_back(timer: Timer, error: Exception) -> None:
    subject = _lock_subjects([timer]).get((timer.subject_type, timer.subject_id), _BUSY)
    now = clock.now()
    failures = timer.failures + (subject is not _BUSY)
    delay = min(timedelta(seconds=5 * 2 ** min(failures - 1, 10)), LONGEST_BACKOFF)
    pushed = (
        Timer.objects.pending()
        .filter(pk=timer.pk, claim=timer.claim)
        .update(
            due_at=now + delay,
            failures=failures,
            attempts=0,
            claim=None,
            claimed_until=None,
            last_error=repr(error),
        )
    )
    if pushed and failures == FAILURES_TO_ANNOUNCE and subject is not _BUSY:
        timer_failed.send(Timer, timer=timer, reason=repr(error))
