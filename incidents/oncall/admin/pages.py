"""Admin pages of schedules: who is on call now, and who is next."""

from typing import Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminSelectWidget

from incidents.core.adminsite import HouseAdmin
from incidents.core.models import User, zone_choices
from incidents.oncall import services
from incidents.oncall.admin.tables import HORIZON, local
from incidents.oncall.models import Override, Schedule
from incidents.timers import clock


class ScheduleList(ChangeList):
    """The page of schedules with the turns of each, in the same few queries for any number."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        now = clock.now()
        rosters = services.roster(self.result_list, start=now, end=now + HORIZON)
        for schedule in self.result_list:
            schedule.turns = services.joined(rosters[schedule.pk])


@admin.register(Schedule)
class ScheduleAdmin(HouseAdmin):
    editable_by = "managers"
    list_display = ["name", "team", "timezone", "on_call_now", "next_handover"]
    list_filter = ["team"]
    list_select_related = ["team"]
    search_fields = ["name", "slug"]
    ordering = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    fields = ["name", "slug", "team", "timezone"]

    def quick_views(self, request: HttpRequest) -> list[tuple[str, str]]:
        user: Any = request.user
        mine = ",".join(str(team) for team in user.roles)
        return [*([("My teams'", f"team__in={mine}")] if mine else [])]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ScheduleList

    @admin.display(description="On call now")
    def on_call_now(self, schedule: Any) -> str:
        user = schedule.turns[0].user
        return str(user) if user else format_html('<span class="t-late">{}</span>', "Nobody")

    @admin.display(description="Next hand-over")
    def next_handover(self, schedule: Any) -> str:
        if len(schedule.turns) < 2:
            return f"No hand-over in the next {HORIZON.days // 7} weeks"
        following = schedule.turns[1]
        return f"{local(following.start, schedule.zone)} to {following.user or 'nobody'}"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Time zones are chosen, not typed."""
        if db_field.name == "timezone":
            kwargs["widget"] = UnfoldAdminSelectWidget(choices=zone_choices())
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A schedule without a team is for administrators: a manager would lock himself out."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None:
            field.required = not request.user.is_superuser
        return field

    def save_model(
        self, request: HttpRequest, obj: Schedule, form: ModelForm, change: bool
    ) -> None:
        facts = {name: form.cleaned_data[name] for name in ["name", "slug", "team", "timezone"]}
        if change:
            services.change_schedule(obj, **facts, actor=_user(request))
        else:
            obj.pk = services.create_schedule(**facts, actor=_user(request)).pk

    def response_post_save_add(self, request: HttpRequest, obj: Schedule) -> HttpResponse:
        """On to its page, where the rotation is set."""
        return HttpResponseRedirect(reverse("admin:oncall_schedule_change", args=[obj.pk]))


@admin.register(Override)
class OverrideAdmin(HouseAdmin):
    """All overrides there were; they are made and ended on the page of their schedule."""

    list_display = ["schedule", "user", "starts_at", "ends_at", "reason", "created_by"]
    list_filter = ["schedule"]
    list_select_related = ["schedule", "user", "created_by"]
    search_fields = ["schedule__name", "user__username", "reason"]
    ordering = ["-starts_at", "-id"]


def _user(request: HttpRequest) -> User:
    user: Any = request.user
    return user
