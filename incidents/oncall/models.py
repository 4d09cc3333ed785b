from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from incidents.core.models.people import known_zone


class Weekday(models.IntegerChoices):
    """As `date.weekday()` counts."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6


class Schedule(models.Model):
    """Whose turn it is, by a rotation and by overrides. All its local times are in `timezone`."""

    name = models.CharField(max_length=120, error_messages={"blank": "Give the schedule a name."})
    slug = models.SlugField(
        max_length=64,
        unique=True,
        error_messages={"unique": "Another schedule has this slug; choose a different one."},
    )
    team = models.ForeignKey(
        "incidents.Team",
        on_delete=models.PROTECT,
        related_name="schedules",
        null=True,
        blank=True,
        help_text="Its managers may change this schedule. Empty: administrators only.",
    )
    timezone = models.CharField(max_length=64, default="UTC", validators=[known_zone])

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class RotationQuerySet(models.QuerySet["Rotation"]):
    def touching(self, start: datetime, end: datetime) -> "RotationQuerySet":
        """That count at some instant of [start, end), lowest layer first, then in time."""
        return self.not_over(start).filter(Q(begins_at=None) | Q(begins_at__lt=end))

    def not_over(self, now: datetime) -> "RotationQuerySet":
        """That count now or later: one of a layer, and the one that follows it if there is one."""
        counting = self.filter(Q(ends_at=None) | Q(ends_at__gt=now))
        return counting.order_by("layer", "id")


class Rotation(models.Model):
    """People taking turns. The first one begins on `starts_on` at the hand-over time.

    A weekly rotation that starts on another day than its hand-over day has a short first turn.
    It counts during [begins_at, ends_at); another one instead of it ends it and leaves it on
    record, as who was on call is asked for afterwards.
    """

    class Kind(models.TextChoices):
        DAILY = "daily"
        WEEKLY = "weekly"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="rotations")
    layer = models.PositiveSmallIntegerField(
        default=0, help_text="Where several cover an instant, the highest wins."
    )
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.WEEKLY)
    handover_weekday = models.PositiveSmallIntegerField(
        choices=Weekday.choices, default=Weekday.MONDAY, help_text="Of a weekly rotation."
    )
    handover_time = models.TimeField(help_text="In the schedule's time zone.")
    starts_on = models.DateField(help_text="The first person's turn begins on this day.")
    begins_at = models.DateTimeField(
        null=True, editable=False, help_text="Counts from then on; empty: from its first turn on."
    )
    ends_at = models.DateTimeField(
        null=True, editable=False, help_text="Another one counts from then on; empty: none does."
    )

    objects = RotationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "layer"],
                condition=Q(ends_at=None),
                name="one_last_rotation_per_layer",
            ),
            models.CheckConstraint(
                condition=Q(handover_weekday__lte=6), name="handover_on_a_weekday"
            ),
        ]

    def __str__(self) -> str:
        at = f"{self.handover_time:%H:%M} {self.schedule.timezone}"
        if self.kind == self.Kind.DAILY:
            return f"Every day at {at}"
        return f"Every {Weekday(self.handover_weekday).label} at {at}"


class Participant(models.Model):
    """A person's place in a rotation; position 0 is first."""

    rotation = models.ForeignKey(Rotation, on_delete=models.CASCADE, related_name="participants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rotation", "position"], name="participants_in_order"),
            models.UniqueConstraint(fields=["rotation", "user"], name="participant_once"),
        ]

    def __str__(self) -> str:
        return f"{self.position + 1}. {self.user}"


class OverrideQuerySet(models.QuerySet["Override"]):
    def touching(self, start: datetime, end: datetime) -> "OverrideQuerySet":
        """In force at some instant of [start, end)."""
        return self.filter(starts_at__lt=end, ends_at__gt=start)

    def upcoming(self, now: datetime) -> "OverrideQuerySet":
        """In force now or later, soonest first."""
        return self.filter(ends_at__gt=now).order_by("starts_at", "id")


class Override(models.Model):
    """One person instead of the rotation, from `starts_at` until just before `ends_at`.

    Where two overlap, the one that was made later wins.
    """

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="overrides")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )
    created_at = models.DateTimeField(editable=False)

    objects = OverrideQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="override_ends_after_start"
            )
        ]
        indexes = [
            # services.plans: the overrides of some schedules that are not over yet
            models.Index(fields=["schedule", "ends_at"], name="override_not_over")
        ]

    def __str__(self) -> str:
        return f"{self.user} for {self.schedule}"


class TeamSchedule(models.Model):
    """The schedule that answers for a team, whoever owns the schedule."""

    team = models.OneToOneField(
        "incidents.Team", on_delete=models.PROTECT, related_name="schedule_assignment"
    )
    schedule = models.ForeignKey(
        Schedule, on_delete=models.PROTECT, related_name="team_assignments"
    )

    class Meta:
        verbose_name = "team's schedule"
        verbose_name_plural = "teams' schedules"

    def __str__(self) -> str:
        return f"{self.schedule} answers for {self.team}"
