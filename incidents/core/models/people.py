import hashlib
from datetime import datetime
from functools import cached_property

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from incidents.core.calendar import zone_names


def known_zone(name: str) -> None:
    """Validator: an IANA time zone such as Europe/Berlin."""
    if name not in zone_names():
        raise ValidationError(f"{name!r} is not a time zone; write one like Europe/Berlin.")


def zone_choices() -> list[tuple[str, str]]:
    """Every zone, to choose from."""
    return [(name, name.replace("_", " ")) for name in sorted(zone_names())]


class Role(models.TextChoices):
    """What a person may do for a team. A higher one includes the lower ones."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    MANAGER = "manager"


class Access(models.TextChoices):
    """What a person may do beyond the roles in teams."""

    MEMBER = "member", "As the roles in teams say"
    STAFF = "staff", "May open the admin as well"
    ADMINISTRATOR = "administrator", "Administrator"


class User(AbstractUser):
    """A person. People are deactivated, never deleted: history keeps their names."""

    email = models.EmailField(unique=True)
    timezone = models.CharField(max_length=64, default="UTC", validators=[known_zone])

    REQUIRED_FIELDS = ["email"]

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @property
    def access(self) -> Access:
        if self.is_superuser:
            return Access.ADMINISTRATOR
        return Access.STAFF if self.is_staff else Access.MEMBER

    @cached_property
    def roles(self) -> dict[int, str]:
        """Team id → role, read once per request."""
        return dict(self.memberships.values_list("team_id", "role"))

    @property
    def may_respond(self) -> bool:
        """Acts on incidents: a responder or manager of any team. Help is not refused at 3 a.m."""
        return self.is_superuser or any(role != Role.VIEWER for role in self.roles.values())

    @property
    def opens_admin(self) -> bool:
        """Managers and administrators do, and whom an administrator lets in beside them."""
        return self.is_staff or self.may_manage

    @property
    def may_manage(self) -> bool:
        """Manages at least one team."""
        return self.is_superuser or Role.MANAGER in self.roles.values()

    def manages(self, team_id: int | None) -> bool:
        """Changes what belongs to this team. What belongs to no team: administrators only."""
        return self.is_superuser or (
            team_id is not None and self.roles.get(team_id) == Role.MANAGER
        )

    @property
    def managed_teams(self) -> list[int]:
        return [team for team, role in self.roles.items() if role == Role.MANAGER]


class Team(models.Model):
    """People who own services together."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=64, unique=True)
    timezone = models.CharField(max_length=64, default="UTC", validators=[known_zone])
    runbook = models.SlugField(max_length=64, blank=True, help_text="Empty: the organisation's.")
    members: models.ManyToManyField = models.ManyToManyField(User, through="Membership")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in a team, and the function by which a runbook may call them."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.RESPONDER)
    function = models.SlugField(
        max_length=64, blank=True, help_text="e.g. engineering-lead, product-owner, director"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Organisation(models.Model):
    """The one organisation of this installation; always row 1."""

    name = models.CharField(max_length=120, default="Our organisation")
    timezone = models.CharField(max_length=64, default="UTC", validators=[known_zone])
    country = models.CharField(
        max_length=2, blank=True, help_text="For public holidays, e.g. DE. Empty: none."
    )
    subdivision = models.CharField(max_length=8, blank=True, help_text="e.g. BY")
    runbook = models.SlugField(max_length=64, default="default")
    storm_threshold = models.PositiveSmallIntegerField(
        default=10,
        help_text="More new alerts of one service than this within a minute are a storm: those "
        "that are too many join its first incident instead of declaring more. 0: every new "
        "alert declares an incident.",
    )

    class Meta:
        verbose_name = verbose_name_plural = "organisation"
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_organisation")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def current(cls) -> "Organisation":
        """The stored row, or one with the defaults where nobody has written it yet."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self, now: datetime) -> "ApiTokenQuerySet":
        alive = Q(expires_at=None) | Q(expires_at__gt=now)
        return self.filter(alive, revoked_at=None, user__is_active=True)


class ApiToken(models.Model):
    """A key to the API: `tocsin_` and 43 characters, of which only the SHA-256 is kept.

    A plain hash is enough for 256 random bits; a password hasher on every call would be a way to
    bring the API down.
    """

    class Scope(models.TextChoices):
        READ = "read", "Read"
        RESPOND = "respond", "Read and act on incidents"
        MANAGE = "manage", "Read, act, and change configuration"

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField(max_length=120)
    scope = models.CharField(max_length=16, choices=Scope.choices, default=Scope.RESPOND)
    prefix = models.CharField(max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"


class LoginAttempt(models.Model):
    """A login that failed, kept for a day. Account and device are digests, never what was typed."""

    account = models.CharField(max_length=64)
    address = models.GenericIPAddressField(null=True)
    device = models.CharField(max_length=64, blank=True, help_text="Empty: not known.")
    at = models.DateTimeField()

    class Meta:
        indexes = [
            # Throttle: how many failed lately for this account, from this address
            models.Index(fields=["account", "at"], name="attempt_on_account"),
            models.Index(fields=["address", "at"], name="attempt_from_address"),
        ]

    def __str__(self) -> str:
        return f"{self.address or 'unknown address'}, {self.at:%Y-%m-%d %H:%M:%S} UTC"


class SavedView(models.Model):
    """A list as one person likes to see it: its page and its filters, under a name."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_views")
    page = models.CharField(max_length=64, help_text='Which list, e.g. "incidents.incident".')
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["user", "page", "name"], name="saved_view_once")
        ]

    def __str__(self) -> str:
        return self.name


def digest_of(secret: str) -> str:
    """The only form in which a token or link is kept: SHA-256, 64 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()
