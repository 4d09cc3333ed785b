"""The verbs of time: schedule, cancel, prune."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction

from incidents.timers import clock, heart, rows
from incidents.timers.heart import Pulse, alive, beat
from incidents.timers.models import Timer

__all__ = [
    "Pulse",
    "Wanted",
    "alive",
    "beat",
    "cancel",
    "cancel_all",
    "forget",
    "prune",
    "retry",
    "schedule",
    "schedule_many",
]

# What a timer that replaces another one under the same key brings with it.
REPLACED = (
    *("epoch", "due_at", "payload", "scheduled_at", "attempts", "failures"),
    *("claim", "claimed_until", "last_error"),
)
KEEP_ENDED = timedelta(days=30)


@dataclass(frozen=True)
class Wanted:
    """A timer to be. `epoch` None: not bound to the subject's paging epoch."""

    kind: str
    subject: models.Model
    due_at: datetime
    key: str = ""
    epoch: int | None = None
    payload: dict[str, Any] = field(default_factory=dict)


def schedule(
    kind: str,
    subject: models.Model,
    *,
    due_at: datetime,
    key: str = "",
    epoch: int | None = None,
    payload: dict[str, Any] | None = None,
) -> None:
    """Have `kind` happen to `subject` at `due_at`, instead of when it was to happen until now."""
    schedule_many([Wanted(kind, subject, due_at, key, epoch, payload or {})])


def schedule_many(wanted: Sequence[Wanted], *, now: datetime | None = None) -> None:
    """The same for many, in one statement. The last one wins where two have the same key."""
    if not wanted:
        return
    now = now or clock.now()
    by_key = {_pending_key(w.kind, w.subject, w.key): w for w in wanted}
    rows.insert(
        [
            Timer(
                kind=w.kind,
                subject_type=w.subject._meta.label_lower,
                subject_id=w.subject.pk,
                key=w.key,
                pending_key=pending_key,
                epoch=w.epoch,
                due_at=w.due_at,
                payload=w.payload,
                scheduled_at=now,
            )
            # One order for everybody, or two bulk writers could wait for each other's rows.
            for pending_key, w in sorted(by_key.items())
        ],
        unique="pending_key",
        update=REPLACED,
    )


def cancel(kind: str, subject: models.Model, *, key: str | None = None) -> int:
    """What was pending of this kind will not happen (every key, unless one is named)."""
    timers = Timer.objects.pending().of(subject).filter(kind=kind)
    return _end(timers if key is None else timers.filter(key=key))


def cancel_all(subject: models.Model, *, kinds: Iterable[str] | None = None) -> int:
    """Nothing of these kinds (or nothing at all) will happen to `subject` any more."""
    timers = Timer.objects.pending().of(subject)
    return _end(timers if kinds is None else timers.filter(kind__in=list(kinds)))


def forget(kind: str, subject: models.Model, *, but: Timer) -> int:
    """Delete what ended of this kind, `but` one: for what happens every minute, for ever."""
    ended = Timer.objects.of(subject).filter(kind=kind).exclude(state=Timer.State.PENDING)
    return ended.exclude(pk=but.pk).delete()[0]


def prune() -> int:
    """Forget what ended a month ago; quarantined timers are kept for whoever repairs them."""
    heart.prune()
    ended = Timer.objects.exclude(state__in=[Timer.State.PENDING, Timer.State.QUARANTINED])
    return ended.filter(ended_at__lt=clock.now() - KEEP_ENDED).delete()[0]


def retry(timer: Timer) -> bool:
    """Give a quarantined timer another chance, now; False when it is no longer quarantined."""
    now = clock.now()
    quarantined = Timer.objects.filter(pk=timer.pk, state=Timer.State.QUARANTINED)
    with transaction.atomic():
        if not quarantined.update(state=Timer.State.CANCELLED, ended_at=now):
            return False
        again = Timer.objects.get(pk=timer.pk)
        again.pk, again.state, again.ended_at = None, Timer.State.PENDING, None
        again.attempts, again.failures, again.due_at, again.scheduled_at = 0, 0, now, now
        again.claim = again.claimed_until = None
        again.pending_key = _key(again.kind, again.subject_type, again.subject_id, again.key)
        # Where a newer one is pending already, that one is the chance.
        Timer.objects.bulk_create([again], ignore_conflicts=True)
    return True


def _end(timers: models.QuerySet[Timer]) -> int:
    return timers.update(state=Timer.State.CANCELLED, pending_key=None, ended_at=clock.now())


def _pending_key(kind: str, subject: models.Model, key: str) -> str:
    return _key(kind, subject._meta.label_lower, subject.pk, key)


def _key(kind: str, subject_type: str, subject_id: int, key: str) -> str:
    return f"{kind}|{subject_type}|{subject_id}|{key}"
