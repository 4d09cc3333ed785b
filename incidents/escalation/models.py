from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q

from incidents.core.models import Incident, Service, Severity, Team
from incidents.escalation.engine import Place
from incidents.escalation.wording import duration_text
from incidents.notifications.models import Delivery
from incidents.oncall.models import Schedule


class EscalationPolicyQuerySet(models.QuerySet["EscalationPolicy"]):
    def with_ladder(self) -> "EscalationPolicyQuerySet":
        """With what `ladder_text` shows, in a constant number of queries."""
        targets = LevelTarget.objects.select_related("schedule", "user", "team")
        levels = Level.objects.order_by("position").prefetch_related(
            models.Prefetch("targets", targets.order_by("pk"))
        )
        return self.select_related("team").prefetch_related(models.Prefetch("levels", levels))


class EscalationPolicy(models.Model):
    """In which order people are asked, how long each may take, and how often it starts over.

    One that is switched off, or empty, does not silence an incident: the last resort is told.
    """

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=64, unique=True)
    team = models.ForeignKey(
        Team,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="escalation_policies",
        help_text="Whose managers may change it. Empty: administrators only.",
    )
    repeats = models.PositiveSmallIntegerField(
        default=2, help_text="How many times it starts over after the last level."
    )
    acknowledgement_expiry = models.DurationField(
        null=True,
        blank=True,
        help_text="Without any action for this long after an acknowledgement, it pages again. "
        "Empty: an acknowledgement does not expire.",
    )
    is_active = models.BooleanField(
        default=True, help_text="Switched off, its incidents go to the last resort at once."
    )

    objects = EscalationPolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "escalation policies"
        constraints = [
            models.CheckConstraint(
                condition=Q(acknowledgement_expiry=None)
                | Q(acknowledgement_expiry__gt=timedelta()),
                name="expiry_takes_time",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ladder_text(self) -> str:
        """In one line, e.g. "1. on call of Payments, 5 min → 2. managers of Payments, 10 min"."""
        steps = " → ".join(str(level) for level in self.levels.all())
        return steps or "no levels: the last resort is told at once"


class Level(models.Model):
    """The people who are asked together, and how long they have to answer."""

    policy = models.ForeignKey(EscalationPolicy, on_delete=models.CASCADE, related_name="levels")
    position = models.PositiveSmallIntegerField(help_text="1 is asked first.")
    timeout = models.DurationField(help_text="Until the next level is asked, e.g. 00:05:00.")

    class Meta:
        ordering = ["policy", "position"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "position"], name="level_order"),
            models.CheckConstraint(condition=Q(position__gt=0), name="levels_count_from_one"),
            models.CheckConstraint(condition=Q(timeout__gt=timedelta()), name="timeout_takes_time"),
        ]

    def __str__(self) -> str:
        who = ", ".join(str(target) for target in self.targets.all()) or "nobody"
        return f"{self.position}. {who}, {duration_text(self.timeout)}"


class LevelTarget(models.Model):
    """Whom a level means. Resolved to people at the moment of asking, never before.

    A schedule or team that is left empty is that of the team that owns the incident's service;
    a function without a team is looked for there first, then in the whole organisation.
    """

    class Kind(models.TextChoices):
        SCHEDULE = "schedule", "Who is on call"
        PERSON = "person", "A person"
        TEAM_MEMBERS = "team_members", "All members of a team"
        TEAM_MANAGER = "team_manager", "The managers of a team"
        FUNCTION = "function", "Whoever has a function"

    level = models.ForeignKey(Level, on_delete=models.CASCADE, related_name="targets")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    schedule = models.ForeignKey(
        Schedule,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: the owning team's schedule.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="person",
    )
    team = models.ForeignKey(
        Team,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: the team that owns the service.",
    )
    function = models.SlugField(max_length=64, blank=True, help_text="e.g. director")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(kind="person") | Q(user__isnull=False),
                name="a_person_is_named",
                violation_error_message="Name the person.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="function") | ~Q(function=""),
                name="a_function_is_named",
                violation_error_message="Say which function, e.g. director.",
            ),
        ]

    def __str__(self) -> str:
        team = self.team or "the owning team"
        return {
            self.Kind.SCHEDULE: f"on call of {self.schedule or 'the owning team'}",
            self.Kind.PERSON: str(self.user),
            self.Kind.TEAM_MEMBERS: f"members of {team}",
            self.Kind.TEAM_MANAGER: f"managers of {team}",
            self.Kind.FUNCTION: f"{self.function}{f' of {self.team}' if self.team else ''}",
        }[self.Kind(self.kind)]


class PolicyAssignment(models.Model):
    """Which policy applies where. The most specific one wins.

    In this order: service and severity, service, team and severity, team, severity, everything.
    """

    policy = models.ForeignKey(
        EscalationPolicy, on_delete=models.PROTECT, related_name="assignments"
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    severity = models.CharField(
        max_length=4, choices=Severity.choices, blank=True, help_text="Empty: every severity."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["service", "severity"],
                condition=Q(service__isnull=False),
                name="one_policy_of_a_service",
            ),
            models.UniqueConstraint(
                fields=["team", "severity"],
                condition=Q(team__isnull=False),
                name="one_policy_of_a_team",
            ),
            models.UniqueConstraint(
                fields=["severity"],
                condition=Q(service=None, team=None),
                name="one_policy_of_everything",
            ),
            models.CheckConstraint(
                condition=Q(service=None) | Q(team=None),
                name="a_service_or_a_team",
                violation_error_message="Assign it to a service or to a team, not to both.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.where}: {self.policy}"

    @property
    def where(self) -> str:
        """In words, e.g. "Every service of Payments, only SEV1"."""
        if self.service:
            where = f"The service {self.service}"
        else:
            where = f"Every service of {self.team}" if self.team else "Everything"
        return f"{where}, only {self.severity}" if self.severity else where


class EscalationQuerySet(models.QuerySet["Escalation"]):
    def unanswered(self) -> "EscalationQuerySet":
        """Of incidents that are open and that nobody has acknowledged."""
        return self.filter(incident__in=Incident.objects.open(), incident__is_acknowledged=False)


class Escalation(models.Model):
    """How far the asking has come for one incident. Its next step is a timer."""

    class State(models.TextChoices):
        RUNNING = "running", "Asking"
        TICKET = "ticket", "Ticket, not paged yet"
        PAUSED = "paused", "Acknowledged"
        EXHAUSTED = "exhausted", "Nobody left to ask"
        ENDED = "ended"

    incident = models.OneToOneField(
        Incident, on_delete=models.PROTECT, primary_key=True, related_name="escalation"
    )
    policy = models.ForeignKey(
        EscalationPolicy,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="escalations",
    )
    # A person chose the policy: it stays, whatever is assigned.
    is_rerouted = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.RUNNING)
    # Answered by a message and a deadline, until the deadline passes or it gets worse.
    is_ticket = models.BooleanField(default=False)
    cycle = models.PositiveSmallIntegerField(default=1)
    level = models.PositiveSmallIntegerField(default=0)
    exhausted_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, help_text="Why nobody is left to ask.")
    # Links of older pages acknowledge nothing: the incident was reopened since they were sent.
    links_from_epoch = models.PositiveIntegerField(default=0)

    objects = EscalationQuerySet.as_manager()

    class Meta:
        indexes = [
            # Cockpit and metrics: how many incidents have nobody left to ask
            models.Index(fields=["state"], name="escalation_alive", condition=~Q(state="ended")),
        ]

    def __str__(self) -> str:
        return f"Escalation of {self.incident}"

    @property
    def place(self) -> Place:
        return Place(self.cycle, self.level)

    @property
    def is_waiting(self) -> bool:
        """Whether it is given the time to recover by itself before anybody is asked."""
        return self.state == self.State.RUNNING and self.level == 0


class PageQuerySet(models.QuerySet["Page"]):
    def of(self, incident: Incident) -> "PageQuerySet":
        return self.filter(incident=incident)

    def of_delivery(self, delivery: Delivery) -> "PageQuerySet":
        """The page that this delivery belongs to, if it is one of this room's."""
        key = delivery.cause.removeprefix(cause_of(delivery.incident_id or 0, ""))
        return self.filter(incident=delivery.incident_id, user=delivery.recipient_id, key=key)


class Page(models.Model):
    """One person was asked. What became of it is told by the deliveries with the same cause.

    Everybody asked at one moment has the same `key`: `epoch.cycle.level` for a level, something
    else for a page outside the ladder.
    """

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="pages")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="pages"
    )
    key = models.CharField(max_length=64)
    epoch = models.PositiveIntegerField()
    cycle = models.PositiveSmallIntegerField(null=True, blank=True)
    level = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Empty: paged outside the ladder."
    )
    reason = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField()
    # SHA-256 of the token in the acknowledge link; the token itself is only in the message.
    link_digest = models.CharField(max_length=64, unique=True, editable=False)
    acknowledged_at = models.DateTimeField(null=True, blank=True)

    objects = PageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["incident", "user", "key"], name="page_once")
        ]
        indexes = [
            # Admin: whom did it page last
            models.Index(fields=["-at", "-id"], name="page_newest"),
        ]

    def __str__(self) -> str:
        return f"Page of {self.user} for {self.incident.reference}"

    @property
    def cause(self) -> str:
        """The cause of its deliveries."""
        return cause_of(self.incident_id, self.key)


def cause_of(incident_id: int, key: str) -> str:
    return f"page:{incident_id}:{key}"
