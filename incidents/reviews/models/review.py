"""The review of one incident: its way to being closed, who comes, why it happened, what follows."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django_fsm import FSMField, FSMModelMixin, transition

from incidents.core.models import Incident, User


class ReviewState(models.TextChoices):
    """Where a review stands. Waived: somebody decided that there is none, and said why."""

    DUE = "due"
    SCHEDULED = "scheduled"
    HELD = "held"
    PUBLISHED = "published"
    CLOSED = "closed"
    WAIVED = "waived"


ENDED = [ReviewState.CLOSED, ReviewState.WAIVED]


class ReviewQuerySet(models.QuerySet["Review"]):
    def unfinished(self) -> "ReviewQuerySet":
        """Those that still ask for something."""
        return self.exclude(state__in=ENDED)

    def real(self) -> "ReviewQuerySet":
        """Without those of drills: what figures count."""
        return self.filter(incident__is_drill=False)

    def visible_to(self, user: User) -> "ReviewQuerySet":
        """Of the incidents that this person may see."""
        if user.is_superuser:
            return self
        return self.filter(incident__in=Incident.objects.visible_to(user).values("pk"))

    def with_context(self) -> "ReviewQuerySet":
        """With what every list and verb shows: its incident, service, team, runbook, people."""
        related = self.select_related(
            "incident__service__team", "incident__revision", "facilitator", "asked_by"
        )
        return related.defer("incident__revision__document")


class Review(FSMModelMixin, models.Model):
    """What a team does about an incident afterwards: meets, writes, decides, and sees it done.

    `latest_at`: when it is to be held by. `suspended_at`: its incident is open again; nothing is
    due until that is resolved. `version` rises with every change of its facts, so that two who
    write at once lose nothing. `sequence` counts the invitations that were sent.
    """

    incident = models.OneToOneField(Incident, on_delete=models.PROTECT, related_name="review")
    state = FSMField(choices=ReviewState.choices, default=ReviewState.DUE, protected=True)
    is_required = models.BooleanField(default=True, help_text="Its runbook asks for it.")
    opened_at = models.DateTimeField()
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    asked_reason = models.TextField(blank=True)

    earliest_at = models.DateTimeField(null=True, blank=True)
    latest_at = models.DateTimeField(null=True, blank=True)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    length = models.DurationField(default=timedelta(hours=1))
    place = models.CharField(max_length=300, blank=True, help_text="A room, or a link to join.")
    facilitator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    sequence = models.PositiveIntegerField(default=0, editable=False)

    held_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    waived_at = models.DateTimeField(null=True, blank=True)
    waived_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    waived_reason = models.TextField(blank=True)
    suspended_at = models.DateTimeField(null=True, blank=True)

    version = models.PositiveIntegerField(default=1, editable=False)
    impact = models.TextField(blank=True)
    users_affected = models.PositiveIntegerField(null=True, blank=True)
    revenue_lost = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    data_lost = models.CharField(
        max_length=16, choices=Incident.DataLoss.choices, default=Incident.DataLoss.UNKNOWN
    )
    downtime_minutes = models.PositiveIntegerField(null=True, blank=True)
    budget_minutes = models.DecimalField(
        max_digits=10,
        decimal_places=1,
        null=True,
        blank=True,
        help_text="Minutes of the error budget that it used.",
    )
    root_cause = models.TextField(blank=True)
    contributing_factors = models.TextField(blank=True)
    no_actions_reason = models.TextField(
        blank=True, help_text="Why nothing is to be done, where there is no action item."
    )
    timeline_checked_at = models.DateTimeField(null=True, blank=True)
    timeline_checked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-pk"]
        indexes = [
            # Cockpit and lists: what is due next
            models.Index(
                fields=["latest_at"],
                name="review_unfinished",
                condition=~Q(state__in=["closed", "waived"]),
            ),
            # Lists: newest first
            models.Index(fields=["-opened_at", "-id"], name="review_newest"),
        ]

    def __str__(self) -> str:
        return f"Review of {self.incident.reference}"

    @property
    def is_over(self) -> bool:
        """Closed or waived: it asks for nothing more."""
        return self.state in ENDED

    @property
    def ends_at(self) -> datetime | None:
        """When the meeting is over, where there is a date."""
        return self.scheduled_at + self.length if self.scheduled_at else None

    @transition(
        field=state,
        source=[ReviewState.DUE, ReviewState.SCHEDULED],
        target=ReviewState.SCHEDULED,
    )
    def schedule(self, *, at: datetime) -> None:
        self.scheduled_at = at

    @transition(field=state, source=ReviewState.SCHEDULED, target=ReviewState.DUE)
    def unschedule(self) -> None:
        self.scheduled_at = None

    @transition(field=state, source=ReviewState.SCHEDULED, target=ReviewState.HELD)
    def hold(self, *, at: datetime) -> None:
        self.held_at = at

    @transition(field=state, source=ReviewState.HELD, target=ReviewState.PUBLISHED)
    def publish(self, *, at: datetime) -> None:
        self.published_at = at

    @transition(field=state, source=ReviewState.PUBLISHED, target=ReviewState.CLOSED)
    def close(self, *, at: datetime) -> None:
        self.closed_at = at

    @transition(
        field=state,
        source=[ReviewState.DUE, ReviewState.SCHEDULED, ReviewState.HELD],
        target=ReviewState.WAIVED,
    )
    def waive(self, *, at: datetime, reason: str) -> None:
        self.waived_at, self.waived_reason, self.scheduled_at = at, reason, None

    @transition(field=state, source=list(ReviewState), target=ReviewState.DUE)
    def begin_again(self) -> None:
        self.scheduled_at = self.held_at = self.published_at = None
        self.closed_at = self.waived_at = self.suspended_at = None
        self.waived_by, self.waived_reason = None, ""


class Attendee(models.Model):
    """Somebody who is to come: a person, or a name of the runbook that matched nobody yet."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="attendees")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    role = models.CharField(max_length=300, help_text="As what: in the runbook's words.")
    came = models.BooleanField(null=True, help_text="Unknown until it was held.")
    invited = models.PositiveIntegerField(
        default=0, help_text="The last invitation that was sent: the review's sequence."
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "user"], condition=~Q(user=None), name="attendee_once"
            ),
            models.UniqueConstraint(
                fields=["review", "role"], condition=Q(user=None), name="absent_attendee_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})" if self.user else f"{self.role}: nobody yet"


class Why(models.Model):
    """One question why, and its answer. The questions behind an answer are its children.

    `is_cause`: digging ends here; this is a cause that something can be done about.
    """

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="whys")
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    position = models.PositiveSmallIntegerField(default=0)
    ask = models.CharField(max_length=500)
    answer = models.TextField(blank=True)
    is_cause = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField()

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.ask


class FollowUp(models.Model):
    """What is to be done after the incident by a time, in steps, by whoever has its role."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="follow_ups")
    position = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=300)
    within = models.DurationField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    role = models.CharField(max_length=64, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    commands = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["review", "position"], name="follow_up_order")
        ]

    def __str__(self) -> str:
        return self.title


class FollowUpStep(models.Model):
    """One thing to do, done by somebody with a note and a link to the evidence, or not needed.

    `done_by_state`: it is done by itself when the review reaches that state.
    """

    follow_up = models.ForeignKey(FollowUp, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    text = models.CharField(max_length=300)
    done_by_state = models.CharField(max_length=16, choices=ReviewState.choices, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    is_needed = models.BooleanField(default=True)
    note = models.TextField(blank=True)
    link = models.URLField(max_length=1000, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["follow_up", "position"], name="follow_up_step_order")
        ]

    def __str__(self) -> str:
        return self.text
