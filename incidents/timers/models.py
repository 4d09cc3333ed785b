from datetime import datetime

from django.db import models
from django.db.models import F, Q


class TimerQuerySet(models.QuerySet["Timer"]):
    def pending(self) -> "TimerQuerySet":
        return self.filter(state=Timer.State.PENDING)

    def quarantined(self) -> "TimerQuerySet":
        """Given up by the engine, waiting for whoever repairs them."""
        return self.filter(state=Timer.State.QUARANTINED)

    def of(self, subject: models.Model) -> "TimerQuerySet":
        return self.filter(subject_type=subject._meta.label_lower, subject_id=subject.pk)

    def due(self, now: datetime) -> "TimerQuerySet":
        """Pending, its moment has come, and no living engine holds it."""
        free = Q(claimed_until=None) | Q(claimed_until__lte=now)
        return self.pending().filter(free, due_at__lte=now)


class Timer(models.Model):
    """Something that will happen by itself at `due_at`.

    At most one is pending per (kind, subject, key): scheduling replaces it. `epoch` binds a timer
    to its subject's `paging_epoch`; when that has moved on, the timer does nothing.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        VOID = "void", "Void (overtaken)"
        CANCELLED = "cancelled"
        QUARANTINED = "quarantined"

    kind = models.CharField(max_length=64)
    subject_type = models.CharField(max_length=64)
    subject_id = models.BigIntegerField()
    key = models.CharField(max_length=128, blank=True)
    # The ORM cannot upsert on a partial unique index; this column is null once the timer has ended.
    pending_key = models.CharField(max_length=300, unique=True, null=True, editable=False)
    epoch = models.PositiveIntegerField(null=True, blank=True)
    due_at = models.DateTimeField()
    payload = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    # Raised and committed with the claim, lowered when the engine lives to tell: counts crashes.
    attempts = models.PositiveSmallIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True)
    scheduled_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)

    objects = TimerQuerySet.as_manager()

    class Meta:
        indexes = [
            # engine.tick: what is due
            models.Index(fields=["due_at"], name="timer_due", condition=Q(state="pending")),
            # An incident's page: what happens next here, and what happened
            models.Index(fields=["subject_type", "subject_id"], name="timer_subject"),
            # Admin: the lateness of what happened last
            models.Index(F("ended_at").desc(), name="timer_ended", condition=~Q(state="pending")),
            # Cockpit: what does not work any more
            models.Index(
                fields=["state"], name="timer_quarantined", condition=Q(state="quarantined")
            ),
        ]

    def __str__(self) -> str:
        name = f"{self.kind} {self.key}".strip()
        return f"{name} of {self.subject_type} {self.subject_id}"

    @property
    def lateness(self) -> float | None:
        """Seconds from due to done; None while pending or when it never ran."""
        if self.state != self.State.DONE or self.ended_at is None:
            return None
        return (self.ended_at - self.due_at).total_seconds()


class Heartbeat(models.Model):
    """An engine that lives: its name, the process it runs in, and when that was last heard of."""

    name = models.CharField(max_length=32)
    process = models.CharField(max_length=120, help_text="host:pid")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "process"], name="heartbeat_once")]

    def __str__(self) -> str:
        return f"{self.name} in {self.process}"
