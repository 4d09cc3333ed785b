from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from incidents.timers import clock, engine, services
from incidents.timers.models import Timer
from incidents.timers.wording import until


@admin.register(Timer)
class TimerAdmin(ModelAdmin):
    """What happens next, and how late what happened was. History: nobody edits it."""

    change_list_template = "admin/house/change_list.html"
    list_display = [
        *("what", "concerns", "due_at", "due_in", "state", "late", "failures", "last_error"),
    ]
    list_filter = ["state", "kind"]
    search_fields = ["kind", "key"]
    ordering = ["state", "due_at"]
    list_per_page = 50
    show_full_result_count = False
    actions = ["retry_quarantined"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.opens_admin)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Timer]:
        """What is to come; what has been only when it is asked for by its state."""
        now = models.Value(clock.now(), output_field=models.DateTimeField())
        rows: QuerySet[Timer] = super().get_queryset(request).annotate(now=now)
        match = request.resolver_match
        is_list = match is not None and match.url_name == "timers_timer_changelist"
        if is_list and "state__exact" not in request.GET:
            return rows.filter(state=Timer.State.PENDING)
        return rows

    @admin.display(description="What", ordering="kind")
    def what(self, timer: Timer) -> str:
        words = engine.describe(timer)
        return words[:1].upper() + words[1:]

    @admin.display(description="Concerns", ordering="subject_id")
    def concerns(self, timer: Timer) -> SafeString | str:
        """A link, not a name: who may not see the subject does not learn what it is called."""
        room, _, model = timer.subject_type.partition(".")
        words = f"{model} {timer.subject_id}"
        try:
            address = reverse(f"admin:{room}_{model}_change", args=[timer.subject_id])
        except NoReverseMatch:
            return words
        return format_html('<a href="{}">{}</a>', address, words)

    @admin.display(description="In")
    def due_in(self, timer: Any) -> str:
        if timer.state != Timer.State.PENDING:
            return ""
        return until(timer.due_at, timer.now).removeprefix("in ")

    @admin.display(description="Late by")
    def late(self, timer: Timer) -> str:
        return "" if timer.lateness is None else f"{timer.lateness:.1f} s"

    @admin.action(description="Try quarantined timers again, now")
    def retry_quarantined(self, request: HttpRequest, timers: QuerySet[Timer]) -> None:
        if not request.user.is_superuser:
            messages.error(request, "Only administrators release timers from quarantine.")
            return
        released = sum(services.retry(timer) for timer in timers)
        messages.success(request, f"{released} timers are due now.")
