"""Admin pages of incidents and what is kept about them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from incidents.core import criteria, figures, panels, services
from incidents.core.admin.verbs import DeclareForm, declare
from incidents.core.adminsite import HouseAdmin, HouseInline
from incidents.core.errors import DomainError
from incidents.core.models import (
    Attestation,
    ChecklistItem,
    IdempotencyKey,
    Incident,
    ReferenceCounter,
    RoleAssignment,
    Status,
    TimelineEntry,
)
from incidents.timers import clock

COLOURS = {
    Status.INVESTIGATING: "danger",
    Status.IDENTIFIED: "warning",
    Status.MITIGATING: "info",
    Status.RESOLVED: "success",
}


class RoleInline(HouseInline):
    model = RoleAssignment
    read_only = True
    fields = ["role", "user", "since", "until"]
    verbose_name_plural = "Roles, now and before"


class ChecklistInline(HouseInline):
    model = ChecklistItem
    read_only = True
    ordering = ["position"]
    fields = ["text", "phase", "role", "due_at", "ticked_at", "ticked_by"]


class AttestationInline(HouseInline):
    model = Attestation
    read_only = True
    ordering = ["-at"]
    fields = ["fact", "value", "unit", "window", "link", "at", "attested_by"]


@admin.register(Incident)
class IncidentAdmin(HouseAdmin):
    inlines = [RoleInline, ChecklistInline, AttestationInline]
    list_display = [
        *("reference", "title", "severity", "state", "service", "acknowledged_by", "declared_at"),
    ]
    list_filter = ["status", "severity", "service__team", "is_drill", "outcome"]
    list_select_related = ["service", "acknowledged_by"]
    search_fields = ["reference", "title"]
    ordering = ["-declared_at", "-id"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("reference", "severity", "status"),
                    ("service", "outcome", "acknowledged_by"),
                    "description",
                ]
            },
        ),
        (
            "Milestones",
            {
                "fields": [
                    ("started_at", "detected_at", "declared_at", "acknowledged_at"),
                    ("identified_at", "mitigating_at", "recovered_at", "resolved_at"),
                ]
            },
        ),
        (
            "Cause and cure",
            {
                "fields": [
                    *("suspected_cause", "mitigation", "mitigation_kind"),
                    *("root_cause", "resolution"),
                ]
            },
        ),
        (
            "Impact",
            {
                "fields": [
                    ("users_affected", "data_loss", "revenue_lost", "currency"),
                    *("impact", "affected_services"),
                ]
            },
        ),
        (
            "Links",
            {"fields": [("duplicate_of", "recurrence_of", "revision"), ("is_private", "is_drill")]},
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        user: Any = request.user
        return Incident.objects.visible_to(user).with_context()

    @display(description="State", label={str(s.label): c for s, c in COLOURS.items()})
    def state(self, incident: Incident) -> str:
        return incident.get_status_display()

    def has_add_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.is_active and user.is_staff and user.may_respond)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.declare_view)
        return [path("add/", view, name="incidents_incident_add"), *super().get_urls()]

    def declare_view(self, request: HttpRequest) -> Any:
        """Adding an incident is declaring it: the verb, not a form of columns."""
        user: Any = request.user
        if not self.has_add_permission(request):
            return redirect("admin:incidents_incident_changelist")
        form = DeclareForm(request.POST or None, user=user)
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


def _state(_request: HttpRequest, incident: Incident) -> panels.Panel:
    """What one has to know first, and what stands in the way of the last step."""
    policy = services.policy_of(incident)
    holder = f"{incident.acknowledged_by} has it" if incident.is_acknowledged else "nobody has it"
    facts = [policy.label, incident.get_status_display(), str(incident.service)]
    missing = []
    if incident.is_open:
        facts.append(holder)
        missing = criteria.unmet(
            incident,
            policy,
            clock.now(),
            target=Status.RESOLVED,
            attestations=incident.attestations.all() if policy.required_attestations else (),
        )
    rows = format_html_join("", "<li>{}</li>", ((one.message,) for one in missing))
    todo = format_html('<ul class="list-disc pl-5 mt-2">{}</ul>', rows) if missing else ""
    line = format_html('<p class="font-semibold">{}</p>{}', " · ".join(facts), todo)
    return panels.Panel("Before it can be resolved" if missing else "State", line)


def _timeline(_request: HttpRequest, incident: Incident) -> panels.Panel:
    entries = incident.timeline.select_related("actor").order_by("-at", "-id")[:200]
    rows = format_html_join(
        "",
        '<tr><td class="pr-4 py-1 whitespace-nowrap align-top">{} UTC</td>'
        '<td class="pr-4 py-1 align-top">{}</td><td class="py-1">{}</td></tr>',
        ((f"{e.at:%Y-%m-%d %H:%M:%S}", e.actor or "Tocsin", e.summary) for e in entries),
    )
    return panels.Panel("Timeline", format_html("<table><tbody>{}</tbody></table>", rows))


def _figures(_request: HttpRequest, incident: Incident) -> panels.Panel:
    policy = services.policy_of(incident)
    phases = figures.phases(incident, policy, services.calendar_of(incident))
    rows = format_html_join(
        "",
        '<tr><td class="pr-4 py-1">{}</td><td class="pr-4 py-1">{}</td>'
        '<td class="pr-4 py-1">{}</td><td class="py-1">{}</td></tr>',
        (
            (
                phase.name,
                "pending" if phase.seconds is None else _duration(phase.seconds),
                "" if phase.target is None else f"target {_duration(phase.target)}",
                {True: "met", False: "missed", None: ""}[phase.met],
            )
            for phase in phases
        ),
    )
    return panels.Panel("Figures", format_html("<table><tbody>{}</tbody></table>", rows))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


panels.register("incident", _state, order=0)
panels.register("incident", _figures, order=10)
panels.register("incident", _timeline, order=90)
