"""Admin pages of incidents and what is kept about them."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from incidents.core import plans, services, story
from incidents.core.admin import incident_page
from incidents.core.admin.declaring import DeclareAnyForm, declare
from incidents.core.admin.filters import PeriodFilter, SeverityFilter, StateFilter, WhoseFilter
from incidents.core.adminsite import HouseAdmin, Verb, VerbForm
from incidents.core.errors import DomainError
from incidents.core.models import (
    IdempotencyKey,
    Incident,
    ReferenceCounter,
    Status,
    TimelineEntry,
)
from incidents.timers import clock

TONES = {
    Status.INVESTIGATING: "t-bad",
    Status.IDENTIFIED: "t-warn",
    Status.MITIGATING: "t-info",
    Status.RESOLVED: "t-good",
}
FRAGMENTS = {"banner", "timeline", "plan", "reference", "facts"}


def badge(text: str, tone: str) -> SafeString:
    return format_html('<span class="t-badge {}">{}</span>', tone, text)


@admin.register(Incident)
class IncidentAdmin(HouseAdmin):
    list_display = [
        *("reference", "title", "kind", "severity_now", "state", "service", "acknowledged_by"),
        "declared_at",
    ]
    list_filter = [
        *(StateFilter, WhoseFilter, SeverityFilter, PeriodFilter),
        *("service", "service__team", "outcome", "is_drill"),
    ]
    list_select_related = ["service", "acknowledged_by"]
    search_fields = ["reference", "title", "service__name", "suspected_cause", "root_cause"]
    ordering = ["-declared_at", "-id"]
    quick_views = [
        ("Open", "status=open"),
        ("Mine", "whose=me&status=open"),
        ("My team's", "whose=team&status=open"),
        ("Last 7 days", "declared=7"),
        ("SEV1 and SEV2", "severity=high"),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        user: Any = request.user
        return Incident.objects.visible_to(user).with_context()

    @admin.display(description="Severity", ordering="severity")
    def severity_now(self, incident: Incident) -> str:
        return badge(incident.severity, f"t-severity-{incident.severity}")

    @admin.display(description="Type", ordering="incident_type", empty_value="")
    def kind(self, incident: Incident) -> str:
        return plans.title_of_type(incident)

    @admin.display(description="State", ordering="status")
    def state(self, incident: Incident) -> str:
        return badge(incident.get_status_display(), TONES[Status(incident.status)])

    def has_add_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.is_active and user.opens_admin and user.may_respond)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- The page --------------------------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A page of its own: nothing of an incident is a form field, everything is a verb."""
        incident = self.get_object(request, unquote(object_id or ""))
        if incident is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        fragment = request.GET.get("fragment", "")
        context = self._shown(request, incident, fragment)
        if fragment in FRAGMENTS:
            return render(request, f"admin/house/incident/{fragment}.html", context)
        context |= {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(incident),
            "original": incident,  # for the way back at the top
        }
        return TemplateResponse(request, "admin/house/incident/page.html", context)

    def _shown(self, request: HttpRequest, incident: Incident, fragment: str) -> dict[str, Any]:
        """What the whole page shows, or one fragment of it."""
        now = clock.now()
        seen, verbs = story.newest(incident), self.buttons_for(request, incident)
        can = {button["name"].replace("-", "_"): button["url"] for button in verbs["place"]}
        context = {"incident": incident, "now": now, "seen": seen, "verbs": verbs, "can": can}
        whole = fragment not in FRAGMENTS
        if whole or fragment == "banner":
            context |= incident_page.banner(incident, now)
        if whole or fragment == "timeline":
            context |= incident_page.timeline(incident, request)
        if whole or fragment in {"plan", "reference"}:
            context |= incident_page.plan(incident)
        if whole or fragment == "facts":
            context |= incident_page.facts(incident, request, now)
        if whole:
            context |= incident_page.in_place(incident, request.user)
        return context

    # --- Two people at once ----------------------------------------------------------------------

    def carry_out(
        self, request: HttpRequest, subject: Incident, verb: Verb, facts: dict[str, Any]
    ) -> Sequence[str]:
        """Call the verb, unless others did something first that the person has not seen yet."""
        others = [fact for fact in facts.values() if isinstance(fact, Incident)]
        with transaction.atomic():
            # In the order of their ids, as a merge does.
            for incident in sorted({subject, *others}, key=lambda row: row.pk):
                services.lock(incident)
            happened = () if verb.adds else self.meanwhile(request, subject)
            if not happened:
                verb.run(subject, request.user, facts)
        return happened

    def meanwhile(self, request: HttpRequest, subject: Incident) -> Sequence[str]:
        asked = request.POST if request.method == "POST" else request.GET
        found = story.meanwhile(subject, request.user, asked.get("seen", ""))
        now = clock.now()
        return [story.told(entry, now) for entry in found]

    def seen(self, subject: Incident) -> int:
        return story.newest(subject)

    def too_late(
        self, request: HttpRequest, subject: Incident, verb: Verb, form: VerbForm
    ) -> HttpResponse:
        """Say who was faster; what the person has written is not lost."""
        if not verb.may(request.user, subject):
            return super().too_late(request, subject, verb, form)
        last = story.last_bearing(subject, request.user)
        why = story.told(last, clock.now()) if last else "It has moved on."
        why = f"“{verb.label}” does not fit any more. {why}"
        if not form.written:
            messages.warning(request, why)
            return redirect(self.page_url(subject))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{verb.label}: {subject}",
            "subject": subject,
            "verb": verb,
            "form": form,
            "why": why,
            "note_url": reverse("admin:incidents_incident_verb", args=[subject.pk, "note"]),
            "back": self.page_url(subject),
        }
        return TemplateResponse(request, "admin/house/gone.html", context, status=409)

    # --- Declaring -------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.declare_view)
        return [path("add/", view, name="incidents_incident_add"), *super().get_urls()]

    def declare_view(self, request: HttpRequest) -> Any:
        """Adding an incident is declaring it: the verb, not a form of columns."""
        user: Any = request.user
        if not self.has_add_permission(request):
            return redirect("admin:incidents_incident_changelist")
        form = DeclareAnyForm(request.POST or None, user=user)
        if request.method == "POST" and form.is_valid():
            try:
                incident = declare(user, form.cleaned_data)
            except DomainError as error:
                form.add_error(error.field if error.field in form.fields else None, error.message)
            else:
                return redirect("admin:incidents_incident_change", incident.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Declare an incident",
            "verb": {"label": "Declare"},
            "form": form,
            "seen": "",
            "back": reverse("admin:incidents_incident_changelist"),
        }
        return TemplateResponse(request, "admin/house/verb.html", context)


@admin.register(TimelineEntry)
class TimelineEntryAdmin(HouseAdmin):
    list_display = ["at", "incident", "kind", "summary", "actor"]
    list_filter = ["kind"]
    list_select_related = ["incident", "actor"]
    ordering = ["-at", "-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TimelineEntry]:
        user: Any = request.user
        visible = Incident.objects.visible_to(user)
        return super().get_queryset(request).filter(incident__in=visible)


@admin.register(ReferenceCounter)
class ReferenceCounterAdmin(HouseAdmin):
    list_display = ["series", "last"]
    search_fields = ["series"]


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(HouseAdmin):
    list_display = ["key", "user", "incident", "created_at"]
    list_select_related = ["user", "incident"]
    ordering = ["-created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[IdempotencyKey]:
        visible = Incident.objects.visible_to(request.user)
        return super().get_queryset(request).filter(incident__in=visible)
