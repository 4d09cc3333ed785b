from typing import Any

from django.db import models


def _in_words(finding: dict[str, Any]) -> str:
    found = finding["error"] or finding["offences"][0][1]
    more = f" And {finding['count'] - 1} more." if finding["count"] > 1 else ""
    return f"“{finding['title'].capitalize()}” does not hold. {found}{more} {finding['advice']}"


class AuditRun(models.Model):
    """What the auditor found in one minute. Forgotten after a day."""

    # The minute: of engines that audit at once, one has the say.
    slot = models.DateTimeField(unique=True)
    at = models.DateTimeField()
    took_ms = models.PositiveIntegerField()
    has_passed = models.BooleanField()
    findings = models.JSONField(default=list, blank=True)
    looked_at = models.JSONField(default=dict, blank=True)
    # The newest timeline entry that it saw: a later audit looks at history from there on.
    mark = models.BigIntegerField(default=0)
    heartbeat = models.CharField(
        max_length=300, blank=True, help_text="What became of the outgoing heartbeat."
    )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC: {'passed' if self.has_passed else 'failed'}"

    @property
    def faults(self) -> list[str]:
        """In words, for each invariant that does not hold: what was found, and what to do."""
        return [_in_words(finding) for finding in self.findings]

    @property
    def keys(self) -> set[str]:
        return {key for finding in self.findings for key in finding["keys"]}
