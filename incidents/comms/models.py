from django.conf import settings
from django.db import models
from django.db.models import Q

from incidents.core.models import Incident, Severity, User
from incidents.notifications.addresses import Address, Channel, mask


class Audience(models.TextChoices):
    """Who is told: colleagues, or customers and the public."""

    INTERNAL = "internal"
    EXTERNAL = "external"


class Occasion(models.TextChoices):
    """Which of the runbook's templates an update is written by."""

    INITIAL = "initial"
    UPDATE = "update"
    RESOLUTION = "resolution"
    ALL_CLEAR = "all_clear", "All clear"
    APOLOGY = "apology"


class StatusUpdateQuerySet(models.QuerySet["StatusUpdate"]):
    def of(self, incident: Incident, audience: str = "") -> "StatusUpdateQuerySet":
        """Newest first."""
        found = self.filter(incident=incident)
        return (found.filter(audience=audience) if audience else found).order_by("-at", "-pk")

    def external(self) -> "StatusUpdateQuerySet":
        return self.filter(audience=Audience.EXTERNAL)


class StatusUpdate(models.Model):
    """What one audience was told, as it was written and as it was sent. Never changed afterwards.

    `due_at`: when it had been promised (null: it was not); `next_due_at`: what it promises itself.
    """

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="updates")
    audience = models.CharField(max_length=8, choices=Audience.choices)
    number = models.PositiveIntegerField(help_text="Counted for each audience.")
    occasion = models.CharField(max_length=16, choices=Occasion.choices)
    status = models.CharField(max_length=64, help_text="The word that it was told by.")
    known = models.TextField()
    done = models.TextField(blank=True)
    next = models.TextField(blank=True)
    eta = models.CharField(max_length=200, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)
    next_due_at = models.DateTimeField(null=True, blank=True)
    subject = models.CharField(max_length=300)
    text = models.TextField()
    html = models.TextField(blank=True)
    public_text = models.TextField(blank=True, help_text="What the public page shows.")
    recipients = models.PositiveIntegerField(default=0)

    objects = StatusUpdateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "audience", "number"], name="update_numbered_once"
            )
        ]
        indexes = [
            # An incident's page; and what it was told last
            models.Index(fields=["incident", "-at"], name="update_of_incident"),
            # The public page: what was told outside lately
            models.Index(fields=["at"], name="update_external", condition=Q(audience="external")),
        ]

    def __str__(self) -> str:
        return f"{self.get_audience_display()} update {self.number} of {self.incident_id}"

    @property
    def is_on_time(self) -> bool | None:
        """Whether it came when it was promised; None: nothing was."""
        return None if self.due_at is None else self.at <= self.due_at


class Stakeholders(models.Model):
    """People and addresses that are told of the incidents of a service, a team, or all of them.

    Neither service nor team: the organisation's.
    """

    name = models.CharField(max_length=120, help_text="e.g. Support desk, Merchants of Checkout")
    service = models.ForeignKey(
        "incidents.Service", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    team = models.ForeignKey(
        "incidents.Team", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    audience = models.CharField(max_length=8, choices=Audience.choices, default=Audience.INTERNAL)
    minimum_severity = models.CharField(
        max_length=4,
        choices=Severity.choices,
        default=Severity.SEV4,
        help_text="Told of incidents of this severity and of worse ones.",
    )
    people: models.ManyToManyField = models.ManyToManyField(User, blank=True, related_name="+")
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name = verbose_name_plural = "stakeholders"
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(service=None) | Q(team=None), name="stakeholders_of_one_owner"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def owner_id(self) -> int | None:
        """The team whose managers change this list; None: administrators do."""
        return self.service.team_id if self.service else self.team_id


class StakeholderAddress(models.Model):
    """An address of nobody with an account: a mailing list, a webhook, a customer."""

    stakeholders = models.ForeignKey(
        Stakeholders, on_delete=models.CASCADE, related_name="addresses"
    )
    kind = models.CharField(max_length=16, choices=Channel.choices)
    address = models.CharField(max_length=500)
    secret = models.CharField(max_length=100, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "stakeholder addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["stakeholders", "kind", "address"], name="stakeholder_address_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.masked_address}"

    @property
    def masked_address(self) -> str:
        return mask(self.kind, self.address)

    @property
    def as_address(self) -> Address:
        return Address(self.kind, self.address, self.secret)


class TeamChannel(models.Model):
    """Where a team talks: posts go there when an incident is declared and when it is resolved.

    Without a team: of every team.
    """

    team = models.ForeignKey(
        "incidents.Team", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    name = models.CharField(max_length=80, help_text="As runbooks call it, e.g. #incidents")
    kind = models.CharField(max_length=16, choices=Channel.choices)
    address = models.CharField(max_length=500)
    secret = models.CharField(max_length=100, blank=True, editable=False)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="team_channel_once"),
            # Nulls are distinct to a unique constraint: a channel of every team needs its own.
            models.UniqueConstraint(
                fields=["name"], condition=Q(team=None), name="common_channel_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.team}" if self.team else self.name

    @property
    def masked_address(self) -> str:
        return mask(self.kind, self.address)

    @property
    def as_address(self) -> Address:
        return Address(self.kind, self.address, self.secret)


class CustomerNotice(models.Model):
    """That customers are to be told of an incident, and what came of it."""

    class State(models.TextChoices):
        ASKED = "asked", "To be told"
        SENT = "sent", "Told"
        DECLINED = "declined", "Not told"

    incident = models.OneToOneField(
        Incident, on_delete=models.PROTECT, primary_key=True, related_name="customer_notice"
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.ASKED)
    asked_at = models.DateTimeField()
    why = models.CharField(max_length=300)
    reason = models.TextField(blank=True, help_text="Why they are not told.")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    wants_all_clear = models.BooleanField(default=False)
    all_clear_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.get_state_display()}: {self.why}"


class PublicIncident(models.Model):
    """How the public page calls an incident: an address that tells nothing, and a headline."""

    incident = models.OneToOneField(
        Incident, on_delete=models.PROTECT, primary_key=True, related_name="public"
    )
    public_id = models.CharField(max_length=16, unique=True, editable=False)
    headline = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.headline


class ComponentQuerySet(models.QuerySet["Component"]):
    def shown(self) -> "ComponentQuerySet":
        return self.filter(is_active=True).order_by("position", "name", "pk")


class Component(models.Model):
    """A service as the public page shows it. What has no component is not named there."""

    service = models.OneToOneField(
        "incidents.Service", on_delete=models.PROTECT, related_name="component"
    )
    name = models.CharField(max_length=120, help_text="As customers know it.")
    description = models.CharField(max_length=200, blank=True)
    group = models.CharField(max_length=80, blank=True, help_text="Heading that it stands under.")
    position = models.PositiveSmallIntegerField(default=0, help_text="The lowest is first.")
    is_active = models.BooleanField(default=True)
    since = models.DateTimeField(editable=False, help_text="Its history begins here.")

    objects = ComponentQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
