from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django_fsm import FSMField, FSMModelMixin, transition

from incidents.core.models.catalogue import RunbookRevision, Service, Severity

# The reference of the one incident that Tocsin keeps for itself: nobody's, and in no list.
CANARY = "CANARY"


class Status(models.TextChoices):
    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MITIGATING = "mitigating"
    RESOLVED = "resolved"


class IncidentQuerySet(models.QuerySet["Incident"]):
    def open(self) -> "IncidentQuerySet":
        return self.exclude(status=Status.RESOLVED)

    def real(self) -> "IncidentQuerySet":
        """Without drills: what figures, status pages and customers see."""
        return self.filter(is_drill=False)

    def without_canary(self) -> "IncidentQuerySet":
        """Those that somebody or something declared."""
        return self.exclude(reference=CANARY)

    def visible_to(self, user: Any) -> "IncidentQuerySet":
        """All but the private ones whose audience this person is not part of."""
        if user.is_superuser:
            return self.without_canary()
        seen = Incident.audience.through.objects.filter(user_id=user.pk).values("incident_id")
        return self.filter(Q(is_private=False) | Q(pk__in=seen))

    def with_context(self) -> "IncidentQuerySet":
        """With what every list and verb shows: service, team, runbook, who took it."""
        related = self.select_related("service__team", "revision", "acknowledged_by")
        return related.defer("revision__document")  # large, and read once (documents.section_of)


class Incident(FSMModelMixin, models.Model):
    """What people respond to.

    Acknowledgement, severity and roles are not states: they change in any open state. Milestones
    are instants by the database's clock; one that is unknown is null, never zero.
    """

    class Outcome(models.TextChoices):
        RESOLVED = "resolved"
        FALSE_ALARM = "false_alarm", "False alarm"
        DUPLICATE = "duplicate"

    class MitigationKind(models.TextChoices):
        ROLLBACK = "rollback"
        FIX_FORWARD = "fix_forward", "Fix forward"
        RESTART = "restart"
        SCALE = "scale", "Scale up or out"
        CONFIGURATION = "configuration", "Configuration change"
        FEATURE_OFF = "feature_off", "Feature switched off"
        FAILOVER = "failover"
        THIRD_PARTY = "third_party", "Third party repairs it"
        NONE = "none", "None: it recovered by itself"
        OTHER = "other"

    class DataLoss(models.TextChoices):
        UNKNOWN = "unknown"
        NONE = "none"
        SUSPECTED = "suspected"
        CONFIRMED = "confirmed"

    MILESTONES = (
        *("started", "detected", "declared", "acknowledged"),
        *("identified", "mitigating", "recovered", "resolved"),
    )

    reference = models.CharField(max_length=120, unique=True, editable=False)
    title = models.CharField(max_length=300)
    description = models.TextField(blank=True)
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="incidents")
    severity = models.CharField(max_length=4, choices=Severity.choices)
    incident_type = models.SlugField(max_length=64, blank=True)
    procedure = models.SlugField(
        max_length=64,
        blank=True,
        db_index=False,
        help_text="The one of its runbook that is being followed.",
    )
    revision = models.ForeignKey(
        RunbookRevision, on_delete=models.PROTECT, related_name="incidents", editable=False
    )

    status = FSMField(choices=Status.choices, default=Status.INVESTIGATING, protected=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True)
    is_acknowledged = models.BooleanField(default=False)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)
    # Escalation timers and pages are bound to it; what raises it makes the older ones void.
    paging_epoch = models.PositiveIntegerField(default=1, editable=False)

    declared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    declared_via = models.CharField(max_length=120, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    detected_at = models.DateTimeField(null=True, blank=True)
    declared_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    identified_at = models.DateTimeField(null=True, blank=True)
    mitigating_at = models.DateTimeField(null=True, blank=True)
    recovered_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    review_due_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When it is talked about afterwards: the meeting, or until when that is to be.",
    )

    suspected_cause = models.TextField(blank=True)
    mitigation = models.TextField(blank=True)
    mitigation_kind = models.CharField(max_length=16, choices=MitigationKind.choices, blank=True)
    root_cause = models.TextField(blank=True)
    resolution = models.TextField(blank=True)

    affected_services: models.ManyToManyField = models.ManyToManyField(
        Service, blank=True, related_name="+"
    )
    impact = models.TextField(blank=True)
    users_affected = models.PositiveIntegerField(null=True, blank=True)
    revenue_lost = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    data_loss = models.CharField(max_length=16, choices=DataLoss.choices, default=DataLoss.UNKNOWN)

    duplicate_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="duplicates"
    )
    recurrence_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="recurrences"
    )

    is_private = models.BooleanField(default=False)
    audience: models.ManyToManyField = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="+"
    )
    last_resort = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Told instead of the organisation's last resort.",
    )
    is_drill = models.BooleanField(default=False)
    label_before_acknowledgement = models.CharField(max_length=32, blank=True)
    label_after_acknowledgement = models.CharField(max_length=32, blank=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        indexes = [
            # Lists: newest first, whole and per service
            models.Index(fields=["-declared_at", "-id"], name="incident_newest"),
            models.Index(fields=["service", "-declared_at"], name="incident_of_service"),
            # Cockpit and checks: what is open
            models.Index(
                fields=["severity", "declared_at"],
                name="incident_open",
                condition=~Q(status="resolved"),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=(Q(status="resolved") & ~Q(outcome=""))
                | (~Q(status="resolved") & Q(outcome="")),
                name="outcome_when_resolved",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.title}"

    @property
    def is_open(self) -> bool:
        return self.status != Status.RESOLVED

    @property
    def label(self) -> str:
        """The mark that every message about it carries now, e.g. [DRILL]."""
        if self.acknowledged_at is None:
            return self.label_before_acknowledgement
        return self.label_after_acknowledgement

    @property
    def clock_starts_at(self) -> datetime:
        """From when targets are counted: detection."""
        return self.detected_at or self.declared_at

    @transition(field=status, source=Status.INVESTIGATING, target=Status.IDENTIFIED)
    def identify(self, *, at: datetime, suspected_cause: str) -> None:
        self.identified_at, self.suspected_cause = at, suspected_cause

    @transition(field=status, source=Status.IDENTIFIED, target=Status.MITIGATING)
    def start_mitigating(self, *, at: datetime, mitigation: str, kind: str) -> None:
        self.mitigating_at, self.mitigation, self.mitigation_kind = at, mitigation, kind

    @transition(field=status, source=Status.MITIGATING, target=Status.RESOLVED)
    def resolve(self, *, at: datetime) -> None:
        self.resolved_at, self.outcome = at, self.Outcome.RESOLVED

    @transition(
        field=status,
        source=[Status.INVESTIGATING, Status.IDENTIFIED, Status.MITIGATING],
        target=Status.RESOLVED,
    )
    def dismiss(self, *, at: datetime, outcome: str) -> None:
        self.resolved_at, self.outcome = at, outcome

    @transition(field=status, source=Status.RESOLVED, target=Status.INVESTIGATING)
    def reopen(self) -> None:
        self.resolved_at, self.outcome, self.duplicate_of = None, "", None
        self.recovered_at = self.identified_at = self.mitigating_at = None


class ReferenceCounter(models.Model):
    """The last number given out in one series of references."""

    series = models.CharField(max_length=120, unique=True)
    last = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.series}: {self.last}"


class IdempotencyKey(models.Model):
    """A declaration that was answered once and is answered the same when it is repeated."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_once")]

    def __str__(self) -> str:
        return self.key


class ExpectedSignalQuerySet(models.QuerySet["ExpectedSignal"]):
    def live(self, now: datetime) -> "ExpectedSignalQuerySet":
        return self.filter(until__gt=now).order_by("pk")


class ExpectedSignal(models.Model):
    """A signal that somebody announced beforehand: the incident it declares is a drill.

    Matches the alert, not the service, so that a real outage beside the drill stays real.
    """

    # {"service": slug, "dedup_key": …, "source": …}: all that are given must be equal
    matchers = models.JSONField()
    until = models.DateTimeField(db_index=True)
    label_before_acknowledgement = models.CharField(max_length=32, blank=True)
    label_after_acknowledgement = models.CharField(max_length=32, default="[DRILL]", blank=True)
    audience: models.ManyToManyField = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="+"
    )
    last_resort = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = ExpectedSignalQuerySet.as_manager()

    def __str__(self) -> str:
        return ", ".join(f"{key}={value}" for key, value in sorted(self.matchers.items()))

    def matches(self, signal: dict[str, str]) -> bool:
        """Whether `signal` has every value that is asked for. No matcher matches nothing."""
        return bool(self.matchers) and all(
            signal.get(key) == value for key, value in self.matchers.items()
        )
