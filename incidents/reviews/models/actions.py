"""Action items: what was agreed, who does it by when, whether it helped."""

from datetime import date
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, FSMModelMixin, transition

from incidents.core.models import Incident, Service, Team


class ItemState(models.TextChoices):
    OPEN = "open"
    IN_PROGRESS = "in_progress", "In progress"
    DONE = "done"
    VERIFIED = "verified"
    DECLINED = "declined"


# What somebody still has to do, and what may still turn out not to have helped.
PENDING = (ItemState.OPEN, ItemState.IN_PROGRESS)
FINISHED = (ItemState.DONE, ItemState.VERIFIED)


class ActionItemQuerySet(models.QuerySet["ActionItem"]):
    def pending(self) -> "ActionItemQuerySet":
        """Still to be done."""
        return self.filter(state__in=PENDING)

    def alive(self) -> "ActionItemQuerySet":
        """The daily work has something to do with them: to be done, or to be shown to help."""
        return self.exclude(state=ItemState.DECLINED).exclude(
            state=ItemState.VERIFIED, is_suspected=False
        )

    def overdue(self, today: Any) -> "ActionItemQuerySet":
        """Past their day; or without an owner, which is overdue from the first day on."""
        return self.pending().filter(Q(due_on__lt=today) | Q(owner=None, owning_team=None))

    def real(self) -> "ActionItemQuerySet":
        """Without those of drills: what figures see."""
        return self.filter(incident__is_drill=False)

    def visible_to(self, user: Any) -> "ActionItemQuerySet":
        """Without those of private incidents that this person is no part of."""
        if user.is_superuser:
            return self.all()
        seen = Incident.audience.through.objects.filter(user_id=user.pk).values("incident_id")
        return self.filter(Q(incident__is_private=False) | Q(incident__in=seen))

    def with_context(self) -> "ActionItemQuerySet":
        """With what every list and verb shows."""
        return self.select_related("incident", "team", "service", "owner", "owning_team")


class ActionItem(FSMModelMixin, models.Model):
    """Something that an incident taught, to be done by a day.

    Done is not enough: it is verified by what shows that it helped. An incident of the same type
    and service within the watch period makes it suspected; a person says whether rightly.
    """

    State = ItemState

    class Kind(models.TextChoices):
        PREVENT = "prevent", "Prevent it"
        DETECT = "detect", "Notice it sooner"
        MITIGATE = "mitigate", "Make it hurt less"
        PROCESS = "process", "Work better"
        DOCUMENT = "document", "Write it down"

    class Priority(models.TextChoices):
        HIGH = "high"
        MEDIUM = "medium"
        LOW = "low"

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="action_items")
    review = models.ForeignKey(
        "reviews.Review", on_delete=models.PROTECT, null=True, blank=True, related_name="items"
    )
    why = models.ForeignKey(
        "reviews.Why", on_delete=models.SET_NULL, null=True, blank=True, related_name="items"
    )
    team = models.ForeignKey(
        Team,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Whose manager hears of it when it is overdue.",
    )
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="+")
    incident_type = models.SlugField(max_length=64, blank=True, db_index=False)

    title = models.CharField(max_length=300)
    detail = models.TextField(blank=True)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.PREVENT)
    priority = models.CharField(max_length=8, choices=Priority.choices, default=Priority.MEDIUM)
    is_required = models.BooleanField(
        default=False, help_text="Its review cannot be closed while it is open."
    )
    state = FSMField(choices=State.choices, default=State.OPEN, protected=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    owning_team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # Since when nobody owns it; null while somebody does.
    waits_since = models.DateField(null=True, blank=True)
    due_on = models.DateField()
    source = models.CharField(max_length=120, blank=True, help_text="Where it was imported from.")

    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    started_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    evidence = models.TextField(blank=True, help_text="What shows that it is done.")
    # The action review: from this day on its owner is asked whether it helped.
    prove_on = models.DateField(null=True, blank=True)
    watched_until = models.DateField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    verified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    proof = models.TextField(blank=True, help_text="What shows that it helped.")
    declined_at = models.DateTimeField(null=True, blank=True)
    decline_reason = models.TextField(blank=True)
    is_suspected = models.BooleanField(
        default=False, help_text="It happened again; nobody has said yet whether this failed."
    )
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="How often it was done and did not keep it from happening again."
    )

    objects = ActionItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(owner=None) | Q(owning_team=None), name="action_item_one_owner"
            ),
        ]
        indexes = [
            # The daily work, and a team's overdue ones
            models.Index(
                fields=["team", "due_on"],
                name="action_item_alive",
                condition=~Q(state__in=["declined", "verified"]),
            ),
            # One's own
            models.Index(fields=["owner", "due_on"], name="action_item_own"),
            # Did it happen again?
            models.Index(
                fields=["service", "incident_type"],
                name="action_item_watched",
                condition=Q(state__in=["done", "verified"]),
            ),
            # Lists: what is due first
            models.Index(F("due_on").asc(), F("id").asc(), name="action_item_by_day"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_pending(self) -> bool:
        return self.state in PENDING

    def is_overdue(self, today: date) -> bool:
        """Past its day; or without an owner, which is overdue from the first day on."""
        is_unowned = self.owner_id is None and self.owning_team_id is None
        return self.is_pending and (is_unowned or self.due_on < today)

    @property
    def holder(self) -> str:
        """Who has it, as people say it."""
        return str(self.owner or self.owning_team or "nobody")

    @transition(field=state, source=ItemState.OPEN, target=ItemState.IN_PROGRESS)
    def start(self, *, at: Any) -> None:
        self.started_at = at

    @transition(field=state, source=list(PENDING), target=ItemState.DONE)
    def finish(self, *, at: Any, by: Any, evidence: str) -> None:
        self.done_at, self.done_by, self.evidence = at, by, evidence

    @transition(field=state, source=ItemState.DONE, target=ItemState.VERIFIED)
    def verify(self, *, at: Any, by: Any, proof: str) -> None:
        self.verified_at, self.verified_by, self.proof = at, by, proof

    @transition(field=state, source=list(PENDING), target=ItemState.DECLINED)
    def decline(self, *, at: Any, reason: str) -> None:
        self.declined_at, self.decline_reason = at, reason

    @transition(field=state, source=[*FINISHED, ItemState.DECLINED], target=ItemState.OPEN)
    def reopen(self, *, due_on: Any) -> None:
        self.due_on = due_on
        self.started_at = self.done_at = self.verified_at = self.declined_at = None
        self.done_by = self.verified_by = self.prove_on = self.watched_until = None
        self.evidence = self.proof = self.decline_reason = ""


class ItemEntry(models.Model):
    """What became of an item, and what people say about it. Written once, never changed."""

    class Kind(models.TextChoices):
        AGREED = "agreed"
        IMPORTED = "imported"
        CHANGED = "changed"
        ASSIGNED = "assigned"
        STARTED = "started"
        DONE = "done"
        VERIFIED = "verified"
        DECLINED = "declined"
        REOPENED = "reopened"
        SUSPECTED = "suspected"
        CLEARED = "cleared"
        COMMENT = "comment"

    item = models.ForeignKey(ActionItem, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    text = models.TextField()

    class Meta:
        verbose_name_plural = "item entries"
        indexes = [models.Index(fields=["item", "at", "id"], name="entry_of_item")]

    def __str__(self) -> str:
        return self.text


class Suspicion(models.Model):
    """It happened again although this was done. A person says whether the item failed."""

    class Verdict(models.TextChoices):
        OPEN = "open"
        CONFIRMED = "confirmed"
        REJECTED = "rejected"
        WITHDRAWN = "withdrawn", "Withdrawn: the incident was none"

    item = models.ForeignKey(ActionItem, on_delete=models.PROTECT, related_name="suspicions")
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="suspicions")
    at = models.DateTimeField()
    verdict = models.CharField(max_length=16, choices=Verdict.choices, default=Verdict.OPEN)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "incident"], name="suspicion_once")]

    def __str__(self) -> str:
        return f"{self.incident.reference}: {self.item}"


class Telling(models.Model):
    """That a person was told something about an item: kept, so that nobody is told it twice.

    `day` is the one that it was about; when that moves, there is something new to tell.
    """

    class Occasion(models.TextChoices):
        SOON = "soon", "Due soon"
        DUE = "due", "Due"
        OVERDUE = "overdue", "Overdue, to the manager"
        UNOWNED = "unowned", "Nobody owns it"
        UNCLAIMED = "unclaimed", "Nobody took it on"
        EVIDENCE = "evidence", "Did it help?"
        UNPROVEN = "unproven", "Nobody says whether it helped"
        SUSPECTED = "suspected", "It happened again"

    item = models.ForeignKey(ActionItem, on_delete=models.PROTECT, related_name="tellings")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    occasion = models.CharField(max_length=16, choices=Occasion.choices)
    day = models.DateField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "person", "occasion", "day"], name="telling_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_occasion_display()}: {self.person}"


class RunbookProposal(models.Model):
    """A change to the runbook that an incident suggests; it is an item for whoever keeps that."""

    item = models.OneToOneField(ActionItem, on_delete=models.PROTECT, related_name="proposal")
    slug = models.SlugField(max_length=64, help_text="Which runbook.")
    section = models.CharField(max_length=120, help_text="Which part of it, e.g. types.disk-full.")
    text = models.TextField()
    proposed_at = models.DateTimeField()
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.slug}: {self.section}"
