from django.conf import settings
from django.db import models


class Upkeep(models.Model):
    """Keeping a runbook true: when it was read last, and when it is to be read again.

    A row for each slug that was applied; its editions share it. `due_at` empty: nothing asks for
    it. While `told_at` is set it has been asked for, and nobody is told again.
    """

    slug = models.SlugField(max_length=64, unique=True)
    reviewed_at = models.DateTimeField(help_text="At first: when it was applied.")
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    due_at = models.DateTimeField(null=True, blank=True)
    after = models.CharField(
        max_length=120, blank=True, help_text="The incident that brought it forward."
    )
    told_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Upkeep of {self.slug}"
