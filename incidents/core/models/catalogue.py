import json
from typing import Any

from django.db import models
from django.db.models import Q

from incidents.core.models.people import Team


class Severity(models.TextChoices):
    """SEV1 is the worst. A runbook may show another name."""

    SEV1 = "SEV1", "SEV1"
    SEV2 = "SEV2", "SEV2"
    SEV3 = "SEV3", "SEV3"
    SEV4 = "SEV4", "SEV4"

    @property
    def rank(self) -> int:
        """1 (worst) to 4."""
        return int(self.value[-1])


class Service(models.Model):
    """What can break. Owned by a team."""

    class Criticality(models.TextChoices):
        CRITICAL = "critical"
        HIGH = "high"
        MEDIUM = "medium"
        LOW = "low"

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=64, unique=True)
    description = models.TextField(blank=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="services")
    criticality = models.CharField(
        max_length=16, choices=Criticality.choices, default=Criticality.HIGH
    )
    depends_on: models.ManyToManyField = models.ManyToManyField(
        "self", symmetrical=False, blank=True, related_name="dependents"
    )
    is_catch_all = models.BooleanField(
        default=False, help_text="Takes the alerts that name no known service."
    )
    is_active = models.BooleanField(default=True)
    runbook = models.SlugField(max_length=64, blank=True, help_text="Empty: the team's.")
    storm_threshold = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="More new alerts than this within a minute are a storm, and join its first "
        "incident. 0: every new alert declares one. Empty: the organisation's.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_catch_all"], condition=Q(is_catch_all=True), name="one_catch_all"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def default_severity(self) -> Severity:
        """The severity of an alert or incident that names none."""
        worst_first = list(self.Criticality)
        return list(Severity)[worst_first.index(self.Criticality(self.criticality))]


class DocumentField(models.Field):
    """JSON kept as the text it is, so that what is first in a document stays first.

    PostgreSQL's jsonb orders keys by their length. Nothing asks the database for parts of it.
    """

    def get_internal_type(self) -> str:
        return "TextField"

    def get_prep_value(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return value if value is None else json.loads(value)

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj))

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value


class RunbookRevisionQuerySet(models.QuerySet["RunbookRevision"]):
    def current(self, slug: str) -> "RunbookRevision | None":
        return self.filter(slug=slug).order_by("-version").first()


class RunbookRevision(models.Model):
    """One immutable edition of a runbook. An incident keeps the one it was declared under."""

    slug = models.SlugField(max_length=64)
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    reference_format = models.CharField(
        max_length=120,
        default="INC-{date}-{number:03}",
        help_text="May use {date} {year} {time} {service} {number}.",
    )
    # {"zone", "days": [0..6], "opens", "closes", "country", "subdivision"}; what is missing is the
    # organisation's
    working_calendar = models.JSONField(default=dict, blank=True)
    reopen_window = models.DurationField(
        null=True, blank=True, help_text="An alert that fires again this soon reopens the incident."
    )
    document = DocumentField(default=dict, blank=True)
    digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="SHA-256 of the document."
    )
    created_at = models.DateTimeField()

    objects = RunbookRevisionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["slug", "version"], name="revision_once")]

    def __str__(self) -> str:
        return f"{self.title} (version {self.version})"


class SeverityPolicy(models.Model):
    """Targets, cadences and criteria of one severity in one runbook revision.

    Durations are elapsed time, or working time where `business_hours` says so. An empty target
    is not measured.
    """

    class Response(models.TextChoices):
        PAGE = "page", "Page somebody now"
        TICKET = "ticket", "Message and a deadline"

    class RespondEnds(models.TextChoices):
        ACKNOWLEDGEMENT = "acknowledgement"
        FIRST_ACTION = "first_action", "First action"

    revision = models.ForeignKey(
        RunbookRevision, on_delete=models.PROTECT, related_name="severity_policies"
    )
    severity = models.CharField(max_length=4, choices=Severity.choices)
    label = models.CharField(max_length=32, help_text="As people say it: SEV1, P1, Critical")
    definition = models.TextField(blank=True)
    response = models.CharField(max_length=8, choices=Response.choices, default=Response.PAGE)
    detect_target = models.DurationField(null=True, blank=True, help_text="From the start.")
    respond_target = models.DurationField(null=True, blank=True)
    respond_ends = models.CharField(
        max_length=16, choices=RespondEnds.choices, default=RespondEnds.ACKNOWLEDGEMENT
    )
    identify_target = models.DurationField(null=True, blank=True)
    mitigate_target = models.DurationField(null=True, blank=True)
    resolve_target = models.DurationField(null=True, blank=True)
    business_hours = models.BooleanField(default=False)
    ticket_business_days = models.PositiveSmallIntegerField(
        default=1, help_text="A ticket that nobody took by the end of this working day is paged."
    )
    update_cadence = models.DurationField(null=True, blank=True)
    monitoring_window = models.DurationField(null=True, blank=True)
    required_roles = models.JSONField(default=list, blank=True)
    # Of: root_cause, mitigation, healthy
    resolution_criteria = models.JSONField(default=list, blank=True)
    # [{"fact": "error_rate", "below": 0.1, "unit": "%", "for": 600}]
    required_attestations = models.JSONField(default=list, blank=True)

    class Meta:
        verbose_name_plural = "severity policies"
        ordering = ["revision", "severity"]
        constraints = [models.UniqueConstraint(fields=["revision", "severity"], name="policy_once")]

    def __str__(self) -> str:
        return f"{self.label} of {self.revision}"
