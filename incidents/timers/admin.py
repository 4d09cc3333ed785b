from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from incidents.timers import clock, services
from incidents.timers.models import Timer


@admin.register(Timer)
class TimerAdmin(ModelAdmin):
    """What happens next, and how late what happened was. History: nobody edits it."""

    list_display = ["what", "due_at", "due_in", "state", "late", "failures", "last_error"]
    list_filter = ["state", "kind"]
    search_fields = ["kind", "key"]
    ordering = ["state", "due_at"]
    list_per_page = 50
    show_full_result_count = False
    actions = ["retry_quarantined"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

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
        rows: QuerySet[Timer] = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and match.url_name == "timers_timer_changelist"
        if is_list and "state__exact" not in request.GET:
            return rows.filter(state=Timer.State.PENDING)
        return rows

    @admin.display(description="What", ordering="kind")
    def what(self, timer: Timer) -> str:
        return str(timer)

    @admin.display(description="In")
    def due_in(self, timer: Timer) -> str:
        if timer.state != Timer.State.PENDING:
            return ""
        seconds = round((timer.due_at - clock.now()).total_seconds())
        minutes, rest = divmod(abs(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        text = f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
        return f"{text} overdue" if seconds < 0 else text

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
