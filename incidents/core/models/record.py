"""What is kept about an incident beside its own row."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from incidents.core.models.incident import Incident


class Kind(models.TextChoices):
    """What an entry of the timeline tells."""

    DECLARED = "declared"
    ACKNOWLEDGED = "acknowledged"
    JOINED = "joined"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGEMENT_EXPIRED = "acknowledgement_expired"
    IDENTIFIED = "identified"
    MITIGATING = "mitigating"
    RECOVERED = "recovered"
    RELAPSED = "relapsed"
    ATTESTED = "attested"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"
    REOPENED = "reopened"
    MERGED = "merged"
    OVERRIDDEN = "overridden"
    SEVERITY_CHANGED = "severity_changed"
    TYPE_CHANGED = "type_changed"
    PROCEDURE_FOLLOWED = "procedure_followed"
    ROLE_ASSIGNED = "role_assigned"
    IMPACT_RECORDED = "impact_recorded"
    NOTE = "note"
    MILESTONE_CORRECTED = "milestone_corrected"
    SNOOZED = "snoozed"
    SNOOZE_ENDED = "snooze_ended"
    CHECKLIST_ADDED = "checklist_added"
    CHECKLIST_TICKED = "checklist_ticked"
    CHECKLIST_UNTICKED = "checklist_unticked"
    CHECKLIST_OVERDUE = "checklist_overdue"
    TARGET_MISSED = "target_missed"
    ALERT_ATTACHED = "alert_attached"
    PAGED = "paged"
    PAGE_FAILED = "page_failed"
    TICKETED = "ticketed"
    ESCALATED = "escalated"
    LEVEL_SKIPPED = "level_skipped"
    EXHAUSTED = "exhausted"
    UPDATE_PUBLISHED = "update_published"
    UPDATE_MISSED = "update_missed"
    CUSTOMERS_ASKED = "customers_asked"
    CUSTOMERS_DECLINED = "customers_declined"
    REVIEW_OPENED = "review_opened"
    REVIEW_SCHEDULED = "review_scheduled"
    REVIEW_HELD = "review_held"
    REVIEW_PUBLISHED = "review_published"
    REVIEW_CLOSED = "review_closed"
    REVIEW_WAIVED = "review_waived"
    REVIEW_SUSPENDED = "review_suspended"
    REVIEW_OVERDUE = "review_overdue"
    REVIEW_STEP_DONE = "review_step_done"
    ACTION_ADDED = "action_added"
    ACTION_DONE = "action_done"
    ACTION_DECLINED = "action_declined"
    ACTION_OVERDUE = "action_overdue"
    ACTION_SUSPECTED = "action_suspected"
    ACTION_REOPENED = "action_reopened"
    IMPORTED = "imported"


class TimelineEntry(models.Model):
    """One fact of an incident's history. Append-only: the database refuses changes."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="timeline")
    kind = models.CharField(max_length=32, choices=Kind.choices)
    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    summary = models.TextField()
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name_plural = "timeline entries"
        indexes = [models.Index(fields=["incident", "at", "id"], name="timeline_of_incident")]

    def __str__(self) -> str:
        return self.summary


class IncidentRole(models.TextChoices):
    COMMANDER = "commander"
    TECHNICAL_LEAD = "technical_lead", "Technical lead"
    COMMUNICATIONS_LEAD = "communications_lead", "Communications lead"
    SCRIBE = "scribe"
    DATABASE_ADMINISTRATOR = "database_administrator", "Database administrator"


class RoleAssignment(models.Model):
    """Who holds a role in an incident, from when to when."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="roles")
    role = models.CharField(max_length=32, choices=IncidentRole.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "role"], condition=Q(until=None), name="one_holder_of_a_role"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.get_role_display()}"


class ChecklistItem(models.Model):
    """Something a responder is to do and tick off.

    From the runbook's checklist or procedure of that name; without either, added by hand. Its words
    are copied, so that what was ticked can be read when nobody has that runbook any more.
    """

    class Part(models.TextChoices):
        """What a tick means: done; confirmed, as resolving asks; yes, roll back; verified."""

        TODO = "todo", "To do"
        CONFIRM = "confirm", "To be confirmed"
        ROLL_BACK_IF = "roll_back_if", "Roll back if"
        VERIFY = "verify", "To be verified"

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="checklist")
    position = models.PositiveSmallIntegerField()
    checklist = models.SlugField(max_length=64, blank=True, db_index=False)
    procedure = models.SlugField(max_length=64, blank=True, db_index=False)
    part = models.CharField(max_length=16, choices=Part.choices, default=Part.TODO)
    phase = models.CharField(max_length=620, blank=True)
    text = models.CharField(max_length=620)
    command = models.TextField(blank=True)
    expect = models.CharField(max_length=300, blank=True, help_text="What shows that all is well.")
    role = models.CharField(max_length=32, choices=IncidentRole.choices, blank=True)
    opens_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    ticked_at = models.DateTimeField(null=True, blank=True)
    ticked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["incident", "position"], name="checklist_order")
        ]

    def __str__(self) -> str:
        return self.text


class Attestation(models.Model):
    """A health fact that Tocsin cannot measure, stated by a person or a monitor."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="attestations")
    fact = models.SlugField(max_length=64, help_text="e.g. error_rate, latency_p95")
    value = models.DecimalField(max_digits=16, decimal_places=4)
    unit = models.CharField(max_length=16, blank=True)
    window = models.DurationField(help_text="How long it has held.")
    link = models.URLField(blank=True, max_length=1000)
    at = models.DateTimeField()
    attested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.fact} = {self.value.normalize():f} {self.unit}".strip()


class ConfigurationChange(models.Model):
    """That something was configured: written by triggers, read by `core.configuration` only."""

    token = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.token)
