"""What people write for a review's document and say of its timeline, and what was published."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from incidents.core.models import TimelineEntry
from incidents.core.models.catalogue import DocumentField


class Section(models.Model):
    """What people wrote into one section of the document, as Markdown.

    `version` rises with every change: whoever writes says which one they saw.
    """

    review = models.ForeignKey("reviews.Review", on_delete=models.CASCADE, related_name="sections")
    key = models.SlugField(max_length=64, help_text="Which section it is, e.g. summary, lessons.")
    text = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    at = models.DateTimeField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["review", "key"], name="review_section_once")
        ]

    def __str__(self) -> str:
        return self.key


class Mark(models.Model):
    """What people say of an entry of the timeline: whether it belongs, and when it really was.

    Without `entry`: one that they added. The timeline itself is never changed.
    """

    review = models.ForeignKey("reviews.Review", on_delete=models.CASCADE, related_name="marks")
    entry = models.ForeignKey(
        TimelineEntry, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    belongs = models.BooleanField(default=True)
    at = models.DateTimeField(null=True, blank=True, help_text="Empty: as it was recorded.")
    text = models.TextField(blank=True, help_text="Empty: as it was recorded.")
    marked_at = models.DateTimeField()
    marked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "entry"], condition=~Q(entry=None), name="mark_once"
            ),
            models.CheckConstraint(
                condition=~Q(entry=None) | (~Q(at=None) & ~Q(text="")), name="added_entry_is_whole"
            ),
        ]

    def __str__(self) -> str:
        return self.text or f"{'belongs' if self.belongs else 'left out'}: {self.entry_id}"


class Revision(models.Model):
    """The document as it was published. The database refuses to change it: what is corrected
    becomes another one."""

    review = models.ForeignKey("reviews.Review", on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    document = DocumentField(default=dict)
    note = models.TextField(blank=True, help_text="What was corrected, and why.")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["review", "number"], name="review_revision_once")
        ]

    def __str__(self) -> str:
        return f"Revision {self.number}"
