import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, models
from django.db.models import Q

from incidents.core.models import Incident, Service, Severity, Team
from incidents.timers import clock

# What may stand for a source's key in an address: also a wrong one, which is to be told so. What is
# short and all digits is the id of an alert.
KEY = r"(?![0-9]{1,15}/?$)[^/]+"


# The source of the alerts by which Tocsin tries itself: it is nobody's, and in no list.
CANARY_SOURCE = "Tocsin's canary"


def new_key() -> str:
    """A key of 192 random bits, in characters that an address may contain."""
    return secrets.token_urlsafe(24)


class SourceQuerySet(models.QuerySet["Source"]):
    def of_monitors(self) -> "SourceQuerySet":
        return self.exclude(name=CANARY_SOURCE)


class Source(models.Model):
    """A monitor that reports alerts. Its key, part of the address, lets it do that and no more.

    Only the key's SHA-256 is kept, and its first characters to recognise it by.
    """

    class Kind(models.TextChoices):
        GENERIC = "generic", "Generic webhook"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.GENERIC)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField("key begins with", max_length=8, editable=False)
    team = models.ForeignKey(
        Team,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="alert_sources",
        help_text="Whose managers may change it. Empty: administrators only.",
    )
    service = models.ForeignKey(
        Service,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="alert_sources",
        help_text="Takes the alerts that name no known service.",
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = SourceQuerySet.as_manager()

    # The key itself: on the instance that was just given one, and never stored.
    key: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Standing:
    """`fires`: it does, and its incident is open: one more signal only counts."""

    fires: bool
    incident_id: int | None
    reference: str | None


# Composing these takes the ORM longer than the database needs for them; a storm is made of them.
_COUNT = """
UPDATE alerts_alert SET count = count + 1, last_at = %s
WHERE open_key = %s AND status = 'firing' AND incident_id = %s AND EXISTS (
  SELECT 1 FROM incidents_incident i WHERE i.id = incident_id AND i.status <> 'resolved')
"""
_KNOWN = """
SELECT a.status = 'firing' AND i.status <> 'resolved', i.id, i.reference
FROM alerts_alert a LEFT JOIN incidents_incident i ON i.id = a.incident_id WHERE a.open_key = %s
"""


class AlertQuerySet(models.QuerySet["Alert"]):
    def firing(self) -> "AlertQuerySet":
        return self.filter(status=Alert.Status.FIRING)

    def visible_to(self, user: object) -> "AlertQuerySet":
        """Without those of private incidents whose audience this person is not part of."""
        seen = Incident.objects.visible_to(user)
        return self.filter(Q(incident=None) | Q(incident__in=seen))

    def standing_of(self, source: Source, dedup_key: str) -> Standing | None:
        """How the alert stands that a signal with this key belongs to now; None: it is new."""
        with connection.cursor() as cursor:
            cursor.execute(_KNOWN, [open_key_of(source, dedup_key)])
            found = cursor.fetchone()
        return Standing(bool(found[0]), found[1], found[2]) if found else None

    def count_repeat(self, source: Source, dedup_key: str, incident_id: int, now: datetime) -> bool:
        """Count one more firing signal of an alert that fires; False where that has changed."""
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [now, open_key_of(source, dedup_key), incident_id])
            return cursor.rowcount == 1

    def latest_of(self, source: Source, dedup_key: str) -> "Alert | None":
        """The alert that a signal with this key belongs to now, with its incident."""
        found = self.filter(open_key=open_key_of(source, dedup_key))
        return found.select_related("incident__revision").first()


class Alert(models.Model):
    """One signal of one source, however often it is repeated.

    A resolved alert without incident remembers a "resolved" that came before any "firing".
    """

    class Status(models.TextChoices):
        FIRING = "firing"
        RESOLVED = "resolved"

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="alerts")
    dedup_key = models.CharField(max_length=255)
    # Unique while signals with this key belong to this row, null afterwards: a race of two first
    # alerts makes one incident.
    open_key = models.CharField(max_length=300, unique=True, null=True, editable=False)
    status = models.CharField(max_length=16, choices=Status.choices)
    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, null=True, blank=True, related_name="alerts"
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    severity = models.CharField(max_length=4, choices=Severity.choices, blank=True)
    summary = models.CharField(max_length=300)
    description = models.TextField(blank=True)
    links = models.JSONField(default=list, blank=True)
    labels = models.JSONField(default=dict, blank=True)
    count = models.PositiveIntegerField(default=1, help_text="How many signals it stands for.")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        indexes = [
            # services: is anything of this incident still firing
            models.Index(fields=["incident", "status"], name="alert_of_incident"),
        ]

    def __str__(self) -> str:
        return self.summary

    def is_ended_by(self, started_at: datetime | None, *, now: datetime, memory: timedelta) -> bool:
        """Whether this early "resolved" was about the outage that began at `started_at`."""
        if self.incident_id is not None or self.resolved_at is None or started_at is None:
            return False
        until = self.started_at or self.resolved_at
        return now - self.resolved_at <= memory and started_at <= until


def open_key_of(source: Source, dedup_key: str) -> str:
    """The value of `Alert.open_key` that reserves `dedup_key` of `source`."""
    return f"{source.pk}:{dedup_key}"


class Burst(models.Model):
    """How many new alerts a service had in its last minute: what tells a storm."""

    service = models.OneToOneField(
        Service, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    since = models.DateTimeField()
    number = models.PositiveIntegerField()
    before = models.PositiveIntegerField(help_text="In the minute before that one.")
    incident = models.ForeignKey(
        Incident,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Which one those that are too many join.",
    )

    def __str__(self) -> str:
        return f"{self.number} new alerts of {self.service} since {self.since:%H:%M:%S} UTC"


class IntakeRequestQuerySet(models.QuerySet["IntakeRequest"]):
    def visible_to(self, user: object) -> "IntakeRequestQuerySet":
        """Without those about private incidents whose audience this person is not part of."""
        seen = Incident.objects.visible_to(user)
        return self.filter(Q(incident=None) | Q(incident__in=seen))


class IntakeRequest(models.Model):
    """One of the last requests of a source, and what became of it. Nothing depends on it."""

    class Outcome(models.TextChoices):
        DECLARED = "declared", "Declared an incident"
        BUNDLED = "bundled", "Joined the incident of a storm"
        COUNTED = "counted", "Counted as a repeat"
        RECOVERED = "recovered", "Recovered"
        RELAPSED = "relapsed", "Fires again"
        REOPENED = "reopened", "Reopened the incident"
        IGNORED = "ignored", "Ignored, there is nothing to do"
        REFUSED = "refused"

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="requests")
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(help_text="The HTTP status of the answer.")
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    dedup_key = models.CharField(max_length=255, blank=True)
    incident = models.ForeignKey(
        Incident, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    problem = models.TextField(blank=True, help_text="What was wrong, or not understood.")
    body = models.TextField(blank=True, help_text="How it began.")

    objects = IntakeRequestQuerySet.as_manager()

    class Meta:
        indexes = [
            # The source's page and the pruning: its newest requests
            models.Index(fields=["source", "-id"], name="request_newest_of_source"),
        ]

    def __str__(self) -> str:
        return f"{self.source}, {self.at:%Y-%m-%d %H:%M:%S} UTC: {self.get_outcome_display()}"

    @property
    def is_refused(self) -> bool:
        return self.outcome == self.Outcome.REFUSED
