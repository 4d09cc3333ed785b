import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from incidents.core.models import Incident, User
from incidents.notifications import decisions
from incidents.notifications.addresses import Address, Channel, mask
from incidents.notifications.transports.base import Link


class Urgency(models.TextChoices):
    """Pages ask somebody now; they have queues of their own and wait behind nothing else."""

    PAGE = "page"
    MESSAGE = "message"


class ContactMethodQuerySet(models.QuerySet["ContactMethod"]):
    def usable(self) -> "ContactMethodQuerySet":
        """What pages and messages may be sent to."""
        return self.filter(is_active=True, verified_at__isnull=False)

    def routes_of(self, people: Iterable[User], urgency: str) -> dict[int, list[decisions.Route]]:
        """Person's id → every way to them in order, in two queries. Inactive people have none."""
        active = {person.pk: person for person in people if person.is_active}
        methods: dict[int, list[decisions.Method]] = defaultdict(list)
        for method in self.usable().filter(user__in=active):
            known = decisions.Method(method.pk, method.as_address, method.position)
            methods[method.user_id].append(known)
        rules: dict[int, list[decisions.Rule]] = defaultdict(list)
        for rule in NotificationRule.objects.filter(user__in=active, urgency=urgency):
            rules[rule.user_id].append(decisions.Rule(rule.contact_method_id, rule.delay))
        return {
            pk: decisions.routes(
                methods[pk],
                rules[pk],
                account_email=person.email if settings.SMTP_HOST else "",
            )
            for pk, person in active.items()
        }


class ContactMethod(models.Model):
    """Where a person can be reached. Used for pages once they have shown that they read it."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="contact_methods"
    )
    kind = models.CharField(max_length=16, choices=Channel.choices)
    address = models.CharField(max_length=500)
    secret = models.CharField(max_length=100, blank=True, editable=False)
    position = models.PositiveSmallIntegerField(default=0, help_text="The lowest is used first.")
    is_active = models.BooleanField(default=True)
    verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    verification_digest = models.CharField(max_length=64, blank=True, editable=False)
    verification_sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    verification_tries = models.PositiveSmallIntegerField(default=0, editable=False)

    objects = ContactMethodQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "address"], name="contact_method_once")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.masked_address}"

    @property
    def is_verified(self) -> bool:
        return self.verified_at is not None

    @property
    def masked_address(self) -> str:
        """Safe to show: an address may itself be the secret that lets others send there."""
        return mask(self.kind, self.address)

    @property
    def as_address(self) -> Address:
        return Address(self.kind, self.address, self.secret)


class NotificationRule(models.Model):
    """This method, `delay` after the page or message began. Without any rule: the first method."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="notification_rules"
    )
    urgency = models.CharField(max_length=8, choices=Urgency.choices, default=Urgency.PAGE)
    contact_method = models.ForeignKey(
        ContactMethod, on_delete=models.CASCADE, related_name="rules"
    )
    delay = models.DurationField(default=timedelta)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "urgency", "contact_method"], name="notification_rule_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.urgency}: {self.contact_method} after {self.delay}"


class LastResortAddress(models.Model):
    """Told when nobody is left to page; needs no policy, no schedule and no person."""

    name = models.CharField(max_length=120, help_text="e.g. Duty phone of the operations centre")
    kind = models.CharField(max_length=16, choices=Channel.choices)
    address = models.CharField(max_length=500)
    secret = models.CharField(
        max_length=100, blank=True, help_text="Signs webhooks: whsec_…; made when left empty."
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "last resort addresses"
        constraints = [models.UniqueConstraint(fields=["kind", "address"], name="last_resort_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def masked_address(self) -> str:
        return mask(self.kind, self.address)

    @property
    def as_address(self) -> Address:
        return Address(self.kind, self.address, self.secret)


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def alive(self) -> "DeliveryQuerySet":
        """Neither sent nor given up."""
        return self.filter(state__in=[Delivery.State.PENDING, Delivery.State.SENDING])

    def due(self, now: datetime) -> "DeliveryQuerySet":
        """Its moment has come and no living sender holds it: an expired lease is simply due."""
        free = Q(lease_until=None) | Q(lease_until__lte=now)
        return self.alive().filter(free, due_at__lte=now)

    def takeable(self, now: datetime) -> "DeliveryQuerySet":
        """Due; or waiting for others with which it may go at any time."""
        free = Q(lease_until=None) | Q(lease_until__lte=now)
        waits = Q(waits_since__isnull=False, attempts=0, state=Delivery.State.PENDING)
        return self.alive().filter(free, Q(due_at__lte=now) | waits)

    def pages(self) -> "DeliveryQuerySet":
        """What asks somebody to take an incident, and is void as soon as somebody did."""
        return self.filter(paging_epoch__isnull=False)

    def fresh(self) -> "DeliveryQuerySet":
        """Never tried yet: what may still go in one message with others."""
        return self.filter(state=Delivery.State.PENDING, attempts=0, bundle=None, unfinished=0)

    def held(self, lease: uuid.UUID) -> "DeliveryQuerySet":
        """What the holder of this lease may still change."""
        return self.filter(state=Delivery.State.SENDING, lease=lease)

    def family(self, delivery: "Delivery") -> "DeliveryQuerySet":
        """Everything that goes to the same recipient for the same cause, itself included."""
        same = self.filter(cause=delivery.cause, recipient_key=delivery.recipient_key)
        return same.filter(incident=delivery.incident_id)

    def visible_to(self, user: User) -> "DeliveryQuerySet":
        """Without those about private incidents that this person is no part of."""
        seen = Incident.objects.visible_to(user)
        return self.filter(Q(incident=None) | Q(incident__in=seen))


class Delivery(models.Model):
    """One message to one address: the outbox.

    The id is the key by which receivers tell repeats. A lease is held while somebody sends; what is
    marked afterwards is fenced by its token. Once it has ended, secrets and links are erased.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        SENT = "sent"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    cause = models.CharField(max_length=120, help_text="Why: told once per incident.")
    urgency = models.CharField(max_length=8, choices=Urgency.choices)
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="deliveries",
    )
    # "person:7" (any address of theirs may do), "method:3", "address" or "last-resort" (only this).
    recipient_key = models.CharField(max_length=40)
    transport = models.CharField(max_length=16, choices=Channel.choices)
    address = models.CharField(max_length=500)
    secret = models.CharField(max_length=100, blank=True, editable=False)
    contact_method = models.ForeignKey(
        ContactMethod, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, null=True, blank=True, related_name="deliveries"
    )
    # A person is asked, who may be asked about other incidents of the service in the same message.
    may_fold = models.BooleanField(default=False, db_default=False, editable=False)
    waits_since = models.DateTimeField(
        null=True, blank=True, help_text="It waits to be told together with others: since when."
    )
    # The id of the one under whose key it went together with others; its own, where it leads.
    bundle = models.UUIDField(null=True, blank=True, editable=False)
    # Set: void when the incident's epoch has moved on, or when it is resolved.
    paging_epoch = models.PositiveIntegerField(null=True, blank=True)

    subject = models.CharField(max_length=300)
    body = models.TextField()
    html = models.TextField(blank=True)
    calendar = models.TextField(
        blank=True, db_default="", help_text="An iCalendar object, which goes with an e-mail."
    )
    links = models.JSONField(default=list, blank=True)
    is_confidential = models.BooleanField(
        default=False, help_text="The body is erased once it was sent, e.g. a code."
    )

    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    due_at = models.DateTimeField()
    give_up_at = models.DateTimeField()
    patience = models.DurationField(help_text="How long the last address of a person is tried.")
    attempts = models.PositiveSmallIntegerField(default=0)
    # Raised and committed with the claim, zero when the sender lives to tell: a count of crashes.
    unfinished = models.PositiveSmallIntegerField(default=0)
    lease = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    provider_id = models.CharField(max_length=255, blank=True)
    last_error = models.TextField(blank=True)
    fallback_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="fallbacks"
    )

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "cause", "recipient_key", "address"], name="delivery_once"
            ),
            # Nulls are distinct to a unique constraint: what is about no incident needs its own.
            models.UniqueConstraint(
                fields=["cause", "recipient_key", "address"],
                name="delivery_once_without_incident",
                condition=Q(incident=None),
            ),
        ]
        indexes = [
            # engine: what is due in one lane
            models.Index(
                fields=["urgency", "transport", "due_at"],
                name="delivery_due",
                condition=Q(state__in=["pending", "sending"]),
            ),
            # claims: what a person was told within the last minute
            models.Index(
                fields=["recipient", "sent_at"],
                name="delivery_told",
                condition=Q(may_fold=True, sent_at__isnull=False),
            ),
            # An incident's page, and what is cancelled when it is acknowledged
            models.Index(fields=["incident", "-created_at"], name="delivery_of_incident"),
            # Lists: newest first
            models.Index(F("created_at").desc(), name="delivery_newest"),
            # prune
            models.Index(
                fields=["ended_at"], name="delivery_ended", condition=Q(ended_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.urgency} to {self.recipient or self.masked_address}: {self.subject}"

    @property
    def masked_address(self) -> str:
        """Safe to show: an address may itself be the secret that lets others send there."""
        return mask(self.transport, self.address)

    @property
    def is_page(self) -> bool:
        return self.urgency == Urgency.PAGE

    @property
    def key(self) -> str:
        """By which receivers tell repeats."""
        return str(self.bundle or self.pk)

    @property
    def waits_for_others(self) -> bool:
        """Until `due_at`, or until something else is told to its person about the service."""
        fresh = self.state == Delivery.State.PENDING and not self.attempts
        return fresh and self.waits_since is not None

    @property
    def may_go_elsewhere(self) -> bool:
        """It is for a person, not for one address."""
        return self.recipient_key.startswith("person:")

    def is_void_for(self, incident: Incident) -> bool:
        """It is a page, and nobody waits for it any more. `incident`: its own, as it is now."""
        if self.paging_epoch is None:
            return False
        return not incident.is_open or incident.paging_epoch != self.paging_epoch

    @property
    def as_links(self) -> list[Link]:
        return [Link(link["title"], link["url"]) for link in self.links]


class Attempt(models.Model):
    """One try to send a delivery. Evidence: written with the claim, completed when it ended."""

    class Outcome(models.TextChoices):
        UNFINISHED = "unfinished", "Unfinished"
        SENT = "sent"
        TEMPORARY = "temporary", "Failed for now"
        PERMANENT = "permanent", "Failed for good"
        NOT_STARTED = "not_started", "Not started: it came too late"
        INTERRUPTED = "interrupted", "Interrupted: the sender was never heard of again"

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.UNFINISHED)
    detail = models.CharField(max_length=1024, blank=True)
    provider_id = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["delivery", "number"]
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="attempt_once")]

    def __str__(self) -> str:
        return f"Attempt {self.number}"
