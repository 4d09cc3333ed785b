"""Admin pages of the auditor: what it found in each minute of the last day. History."""

from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.decorators import display

from incidents.core.adminsite import HouseAdmin
from incidents.insights.models import AuditRun

COLOURS = {"passed": "success", "failed": "danger"}


@admin.register(AuditRun)
class AuditRunAdmin(HouseAdmin):
    """History: shown, never edited."""

    list_display = ["at", "result", "found", "took"]
    list_filter = ["has_passed"]
    quick_views = [("Failed", "has_passed__exact=0")]
    ordering = ["-slot"]
    fields = [("at", "result", "took"), "what_was_found", "what_was_looked_at", "heartbeat"]
    readonly_fields = ["result", "took", "what_was_found", "what_was_looked_at"]

    @display(description="Result", label=COLOURS)
    def result(self, run: AuditRun) -> tuple[str, str]:
        return ("passed", "Everything holds") if run.has_passed else ("failed", "Trouble")

    @display(description="Found")
    def found(self, run: AuditRun) -> str:
        return ", ".join(finding["title"] for finding in run.findings) or "nothing"

    @display(description="Took", ordering="took_ms")
    def took(self, run: AuditRun) -> str:
        return f"{run.took_ms / 1000:.2f} s"

    @display(description="Found")
    def what_was_found(self, run: AuditRun) -> SafeString | str:
        if not run.findings:
            return "Nothing: everything holds."
        return render_to_string("insights/findings.html", {"findings": run.findings})

    @display(description="Looked at")
    def what_was_looked_at(self, run: AuditRun) -> str:
        return ", ".join(f"{number} {what}" for what, number in run.looked_at.items()) or "nothing"
